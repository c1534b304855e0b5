// x86 with AVX-512.
#define HINR_UNIT path_avx512
#define HINR_PATH_KERNELS kPathAvx512
#define HINR_AVX512
#include "path.inl"
