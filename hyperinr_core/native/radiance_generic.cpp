// Any processor that a C++17 compiler knows.
#define HINR_UNIT radiance_generic
#define HINR_RADIANCE_KERNELS kRadianceGeneric
#include "radiance.inl"
