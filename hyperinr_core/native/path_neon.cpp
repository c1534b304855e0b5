// AArch64, which has NEON with fused multiply-adds and conversions of halves.
#define HINR_UNIT path_neon
#define HINR_PATH_KERNELS kPathNeon
#define HINR_NEON
#include "path.inl"
