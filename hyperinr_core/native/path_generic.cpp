// Any processor that a C++17 compiler knows.
#define HINR_UNIT path_generic
#define HINR_PATH_KERNELS kPathGeneric
#include "path.inl"
