// The machine's limit, measured: what `hyperinr bench` divides by.
#include <algorithm>
#include <chrono>

#include "model.h"
#include "pool.h"

using namespace hinr;

int hinr_peak(int isa, int precision, double *per_second) {
    if (!per_second) return HINR_ERROR_NULL;
    const Kernels *kernels = find_kernels(isa, precision);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const int n_threads = num_threads();
        std::vector<float> results(static_cast<size_t>(n_threads));
        std::vector<int64_t> counts(results.size());
        constexpr int64_t steps = 1 << 18;
        *per_second = 0;
        for (int repeat = 0; repeat < 20; ++repeat) {
            const auto begin = std::chrono::steady_clock::now();
            parallel_for(n_threads, n_threads, [&](int64_t task, int) {
                counts[size_t(task)] = kernels->peak(steps, &results[size_t(task)]);
            });
            const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
            *per_second = std::max(*per_second, double(counts[0]) * n_threads / passed.count());
        }
        return int(HINR_OK);
    });
}
