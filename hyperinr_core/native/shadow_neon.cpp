// AArch64, which has NEON with fused multiply-adds.
#define HINR_UNIT shadow_neon
#define HINR_SHADOW_KERNELS kShadowNeon
#define HINR_FAST_FMA
#include "shadow.inl"
