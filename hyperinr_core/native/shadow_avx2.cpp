// x86 with AVX2 and FMA.
#define HINR_UNIT shadow_avx2
#define HINR_SHADOW_KERNELS kShadowAvx2
#define HINR_FAST_FMA
#include "shadow.inl"
