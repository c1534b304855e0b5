// x86 with AVX2, FMA and F16C.
#define HINR_UNIT path_avx2
#define HINR_PATH_KERNELS kPathAvx2
#define HINR_AVX2
#include "path.inl"
