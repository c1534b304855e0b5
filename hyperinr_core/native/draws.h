// The numbers that NumPy's Generator(Philox(key=...)) draws: choice without replacement, and integers below a bound.
#ifndef HYPERINR_DRAWS_H
#define HYPERINR_DRAWS_H

#include <cstdint>
#include <vector>

namespace hinr {

class Draws {
public:
    Draws(uint64_t key0, uint64_t key1) : key_{key0, key1} {}

    // n numbers below `bound`, which is 1 to 2^32 - 1.
    void below(uint32_t bound, int64_t n, uint32_t *out);

    // n different numbers below `bound`, in random order.
    void choose(uint32_t bound, int64_t n, std::vector<uint32_t> &out);

private:
    uint32_t one_below(uint32_t bound);
    uint32_t next();
    void refill();

    uint64_t key_[2], counter_ = 0, block_[4] = {};
    int place_ = 8;  // of the next 32 bits in the block
};

}  // namespace hinr
#endif
