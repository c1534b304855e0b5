// A model's memory and the checks at the door of the library.
#ifndef HYPERINR_MODEL_H
#define HYPERINR_MODEL_H

#include <cstddef>
#include <vector>

#include "hyperinr_native.h"
#include "kernels.h"

namespace hinr {

// Zeroed memory aligned to a cache line.
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(size_t n_floats);
    float *data() const { return data_; }

private:
    std::vector<float> memory_;
    float *data_ = nullptr;
};

// Every thread's scratch, in one allocation.
class ScratchSet {
public:
    ScratchSet(const Model &model, int n_threads, int64_t row_floats, bool training);
    const Scratch &operator[](int thread) const { return scratches_[size_t(thread)]; }

private:
    Buffer memory_;
    std::vector<Scratch> scratches_;
};

const Kernels *find_kernels(int isa, int precision);

// Runs a body that may throw and turns what it throws into an error code.
template <class Body> int guarded(const Body &body) noexcept {
    try {
        return body();
    } catch (...) {  // what can be thrown here: std::bad_alloc, and std::system_error where no thread can start
        return HINR_ERROR_MEMORY;
    }
}

// Rows [first, last) of a layer's float32 matrix, (last - first, n_in), as the kernels read them.
void pack_rows(const Layer &layer, int first, int last, const float *params);

bool within_unit(const float *x, int64_t n);

}  // namespace hinr

struct hinr_model : hinr::Model {
    hinr::Buffer matrices;
};

#endif
