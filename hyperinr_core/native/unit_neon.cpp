// AArch64, which has NEON with fused multiply-adds and conversions of halves.
#define HINR_UNIT neon
#define HINR_KERNELS kNeon
#define HINR_NEON
#include "unit.inl"
