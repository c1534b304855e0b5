// x86 with AVX-512.
#define HINR_UNIT shadow_avx512
#define HINR_SHADOW_KERNELS kShadowAvx512
#define HINR_FAST_FMA
#include "shadow.inl"
