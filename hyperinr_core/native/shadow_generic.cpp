// Any processor that a C++17 compiler knows.
#define HINR_UNIT shadow_generic
#define HINR_SHADOW_KERNELS kShadowGeneric
#include "shadow.inl"
