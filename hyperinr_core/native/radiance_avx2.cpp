// x86 with AVX2, FMA and F16C.
#define HINR_UNIT radiance_avx2
#define HINR_RADIANCE_KERNELS kRadianceAvx2
#define HINR_AVX2
#include "radiance.inl"
