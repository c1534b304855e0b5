// Philox 4x64-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), Lemire's "Fast random integer
// generation in an interval" (2019), and Floyd's sample (Bentley, 1987), each with the details of NumPy.
#include "draws.h"

#include <algorithm>

namespace hinr {
namespace {

constexpr uint32_t kTailFrom = 10000, kTailShare = 50;  // a larger share of a larger set NumPy draws by shuffling

struct Product { uint64_t high, low; };

Product product(uint64_t a, uint64_t b) {
#if defined(__SIZEOF_INT128__)
    __extension__ using Wide = unsigned __int128;
    const Wide all = Wide(a) * b;
    return {uint64_t(all >> 64), uint64_t(all)};
#else
    const uint64_t a0 = uint32_t(a), a1 = a >> 32, b0 = uint32_t(b), b1 = b >> 32;
    const uint64_t low = a0 * b0, one = a1 * b0 + (low >> 32), two = a0 * b1 + uint32_t(one);
    return {a1 * b1 + (one >> 32) + (two >> 32), a * b};
#endif
}

}  // namespace

void Draws::refill() {
    uint64_t c0 = ++counter_, c1 = 0, c2 = 0, c3 = 0, k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round) {
        const Product a = product(0xD2E7470EE14C6C93u, c0), b = product(0xCA5A826395121157u, c2);
        c0 = b.high ^ c1 ^ k0;
        c1 = b.low;
        c2 = a.high ^ c3 ^ k1;
        c3 = a.low;
        k0 += 0x9E3779B97F4A7C15u;
        k1 += 0xBB67AE8584CAA73Bu;
    }
    block_[0] = c0;
    block_[1] = c1;
    block_[2] = c2;
    block_[3] = c3;
    place_ = 0;
}

uint32_t Draws::next() {
    if (place_ == 8) refill();
    const uint64_t word = block_[place_ / 2];
    return uint32_t(place_++ % 2 ? word >> 32 : word);
}

uint32_t Draws::one_below(uint32_t bound) {
    if (bound == 1) return 0;  // nothing is drawn
    uint64_t scaled = uint64_t(next()) * bound;
    if (uint32_t(scaled) < bound) {
        const uint32_t threshold = (0u - bound) % bound;
        while (uint32_t(scaled) < threshold) scaled = uint64_t(next()) * bound;
    }
    return uint32_t(scaled >> 32);
}

void Draws::below(uint32_t bound, int64_t n, uint32_t *out) {
    for (int64_t i = 0; i < n; ++i) out[i] = one_below(bound);
}

void Draws::choose(uint32_t bound, int64_t n, std::vector<uint32_t> &out) {
    const uint32_t size = uint32_t(n);
    if (bound > kTailFrom && size > bound / kTailShare) {
        std::vector<uint32_t> all(bound);
        for (uint32_t i = 0; i < bound; ++i) all[i] = i;
        for (uint32_t i = bound - 1; i >= std::max(bound - size, 1u); --i) std::swap(all[i], all[one_below(i + 1)]);
        out.assign(all.end() - size, all.end());
        return;
    }
    out.clear();
    for (uint32_t last = bound - size; last < bound; ++last) {
        const uint32_t value = one_below(last + 1);
        out.push_back(std::find(out.begin(), out.end(), value) == out.end() ? value : last);
    }
    for (uint32_t i = size - 1; i >= 1 && size; --i) std::swap(out[i], out[one_below(i + 1)]);
}

}  // namespace hinr
