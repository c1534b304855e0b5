// x86 with AVX-512.
#define HINR_UNIT radiance_avx512
#define HINR_RADIANCE_KERNELS kRadianceAvx512
#define HINR_AVX512
#include "radiance.inl"
