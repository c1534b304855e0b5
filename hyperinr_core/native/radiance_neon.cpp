// AArch64, which has NEON with fused multiply-adds and conversions of halves.
#define HINR_UNIT radiance_neon
#define HINR_RADIANCE_KERNELS kRadianceNeon
#define HINR_NEON
#include "radiance.inl"
