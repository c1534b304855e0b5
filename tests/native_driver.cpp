// Samples models with the CPU kernel of this system, and prints how far the values are from those expected: for systems that the
// tests have no Python for. usage: native_driver LIBRARY < CASES, which tests/native_cases.py writes.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "../hyperinr_core/native/hyperinr_native.h"

#if defined(_WIN32)
#include <windows.h>
static void *open_library(const char *path) { return reinterpret_cast<void *>(LoadLibraryA(path)); }
static void *find(void *library, const char *name) {
    return reinterpret_cast<void *>(GetProcAddress(reinterpret_cast<HMODULE>(library), name));
}
#else
#include <dlfcn.h>
static void *open_library(const char *path) { return dlopen(path, RTLD_NOW); }
static void *find(void *library, const char *name) { return dlsym(library, name); }
#endif

#define FUNCTION(name) const auto name = reinterpret_cast<decltype(&::name)>(find(library, #name))

constexpr int kThreads = 3, kTimes = 1000;

// Numbers from the standard input: how many, then each.
template <class T>
std::vector<T> numbers() {
    size_t n = 0;
    std::cin >> n;
    std::vector<T> all(n);
    for (T &each : all) {
        double number;
        std::cin >> number;
        each = T(number);
    }
    return all;
}

// So often that every thread has some.
std::vector<float> repeated(const std::vector<float> &few) {
    std::vector<float> many;
    for (int i = 0; i < kTimes; ++i) many.insert(many.end(), few.begin(), few.end());
    return many;
}

int main(int, char **words) {
    void *library = open_library(words[1]);
    if (!library) return std::printf("%s does not load\n", words[1]), 1;
    FUNCTION(hinr_set_num_threads);
    FUNCTION(hinr_isa_supported);
    FUNCTION(hinr_model_create);
    FUNCTION(hinr_model_destroy);
    FUNCTION(hinr_blend);
    FUNCTION(hinr_sample);
    hinr_set_num_threads(kThreads);
    for (std::string name; std::cin >> name;) {
        const auto sizes = numbers<int32_t>();
        const auto scales = numbers<float>();
        const auto resolutions = numbers<int64_t>(), offsets = numbers<int64_t>();
        const auto hashed = numbers<uint8_t>();
        const auto mlp = numbers<float>(), rows = numbers<float>();
        const auto indices = numbers<int64_t>();
        const auto weights = numbers<float>(), rest = numbers<float>();
        const auto points = repeated(numbers<float>()), expected = repeated(numbers<float>());
        const hinr_shape shape = {HINR_ABI_VERSION, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5],
                                  scales.data(), resolutions.data(), offsets.data(), hashed.data()};
        const int64_t n_rows = sizes[6], row_length = int64_t(rows.size()) / n_rows, n_points = int64_t(points.size()) / sizes[0];
        for (int isa = 0; isa < HINR_ISA_COUNT; ++isa) {
            if (!hinr_isa_supported(isa)) continue;
            hinr_model *model = nullptr;
            std::vector<float> table(row_length + rest.size()), values(expected.size());
            const int64_t length = int64_t(table.size());
            int code = hinr_model_create(&shape, mlp.data(), int64_t(mlp.size()), isa, HINR_FLOAT32, &model);
            if (!code)
                code = hinr_blend(model, rows.data(), HINR_TYPE_FLOAT32, n_rows, row_length, indices.data(), weights.data(),
                                  int64_t(indices.size()), rest.empty() ? nullptr : rest.data(), table.data(), length);
            if (!code) code = hinr_sample(model, table.data(), length, points.data(), n_points, values.data());
            double furthest = code ? INFINITY : 0;
            for (size_t i = 0; i < values.size(); ++i) {
                const double error = std::fabs(double(values[i]) - expected[i]);
                if (!(error <= furthest)) furthest = std::isnan(error) ? INFINITY : error;
            }
            std::printf("%s %d %.3g\n", name.c_str(), isa, furthest);
            hinr_model_destroy(model);
        }
    }
    return 0;
}
