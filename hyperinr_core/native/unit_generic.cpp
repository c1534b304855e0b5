// Any processor that a C++17 compiler knows.
#define HINR_UNIT generic
#define HINR_KERNELS kGeneric
#include "unit.inl"
