// Any processor that a C++17 compiler knows.
#define HINR_UNIT flow_generic
#define HINR_FLOW_KERNELS kFlowGeneric
#include "flow.inl"
