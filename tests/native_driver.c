// Samples models with the CPU kernel of this system, and prints how far the values are from those expected: for systems that the
// tests have no Python for. In C, as the kernel's interface is, so that no C++ library has to be made for it.
// usage: native_driver LIBRARY < CASES, which tests/native_cases.py writes.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../hyperinr_core/native/hyperinr_native.h"

#if defined(_WIN32)
#include <windows.h>
static void *open_library(const char *path) { return (void *)LoadLibraryA(path); }
static void *find(void *library, const char *name) { return (void *)GetProcAddress((HMODULE)library, name); }
#else
#include <dlfcn.h>
static void *open_library(const char *path) { return dlopen(path, RTLD_NOW); }
static void *find(void *library, const char *name) { return dlsym(library, name); }
#endif

enum { kThreads = 3, kTimes = 1000 };

#define FUNCTION(name) const __typeof__(&name) call_##name = (__typeof__(&name))find(library, #name)

// An array from the standard input, how many numbers and then each, `times` over; it stays until the end.
#define READ(type, name, times)                                              \
    const size_t n_##name = (size_t)read_number();                           \
    type *const name = memory(n_##name * (times) * sizeof(type));            \
    for (size_t i = 0; i < n_##name; ++i) name[i] = (type)read_number();     \
    for (size_t i = n_##name; i < n_##name * (times); ++i) name[i] = name[i - n_##name]

static double read_number(void) {
    double number = 0;
    if (scanf("%lf", &number) != 1) exit(1);
    return number;
}

static void *memory(size_t n_bytes) {
    void *bytes = malloc(n_bytes + 1);
    if (!bytes) exit(1);
    return bytes;
}

int main(int n_words, char **words) {
    void *library = n_words == 2 ? open_library(words[1]) : NULL;
    if (!library) return fprintf(stderr, "no library that loads: %s\n", n_words == 2 ? words[1] : "none named"), 1;
    FUNCTION(hinr_set_num_threads);
    FUNCTION(hinr_isa_supported);
    FUNCTION(hinr_model_create);
    FUNCTION(hinr_model_destroy);
    FUNCTION(hinr_blend);
    FUNCTION(hinr_sample);
    call_hinr_set_num_threads(kThreads);
    for (char name[64]; scanf("%63s", name) == 1;) {
        READ(int32_t, sizes, 1);
        READ(float, scales, 1);
        READ(int64_t, resolutions, 1);
        READ(int64_t, offsets, 1);
        READ(uint8_t, hashed, 1);
        READ(float, mlp, 1);
        READ(float, rows, 1);
        READ(int64_t, indices, 1);
        READ(float, weights, 1);
        READ(float, rest, 1);
        READ(float, points, kTimes);  // so often that every thread has some
        READ(float, expected, kTimes);
        const hinr_shape shape = {HINR_ABI_VERSION, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5],
                                  scales, resolutions, offsets, hashed};
        const int64_t row_length = (int64_t)n_rows / sizes[6], length = row_length + (int64_t)n_rest;
        const int64_t n_many = (int64_t)(kTimes * n_points) / sizes[0];
        const size_t n_values = kTimes * n_expected;
        float *table = memory(length * sizeof(float)), *values = memory(n_values * sizeof(float));
        for (int isa = 0; isa < HINR_ISA_COUNT; ++isa) {
            if (!call_hinr_isa_supported(isa)) continue;
            hinr_model *model = NULL;
            for (int64_t i = 0; i < length; ++i) table[i] = 0;
            for (size_t i = 0; i < n_values; ++i) values[i] = 0;
            int code = call_hinr_model_create(&shape, mlp, (int64_t)n_mlp, isa, HINR_FLOAT32, &model);
            if (!code)
                code = call_hinr_blend(model, rows, HINR_TYPE_FLOAT32, sizes[6], row_length, indices, weights,
                                       (int64_t)n_indices, n_rest ? rest : NULL, table, length);
            if (!code) code = call_hinr_sample(model, table, length, points, n_many, values);
            double furthest = code ? INFINITY : 0;
            for (size_t i = 0; i < n_values; ++i) {
                const double error = fabs((double)values[i] - expected[i]);
                if (!(error <= furthest)) furthest = isnan(error) ? INFINITY : error;
            }
            printf("%s %d %.3g\n", name, isa, furthest);
            call_hinr_model_destroy(model);
        }
        free(table);
        free(values);
    }
    return 0;
}
