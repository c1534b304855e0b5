// x86 with AVX-512 F, BW, DQ and VL.
#define HINR_UNIT avx512
#define HINR_KERNELS kAvx512
#define HINR_AVX512
#include "unit.inl"
