// x86 with AVX-512 and its products of bfloat16 pairs.
#define HINR_UNIT avx512_bf16
#define HINR_KERNELS kAvx512Bf16
#define HINR_AVX512
#define HINR_BF16
#define HINR_HALF_TABLES
#include "unit.inl"
