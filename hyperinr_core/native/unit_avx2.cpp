// x86 with AVX2, FMA and F16C.
#define HINR_UNIT avx2
#define HINR_KERNELS kAvx2
#define HINR_AVX2
#include "unit.inl"
