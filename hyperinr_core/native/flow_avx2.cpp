// x86 with AVX2 and FMA.
#define HINR_UNIT flow_avx2
#define HINR_FLOW_KERNELS kFlowAvx2
#define HINR_AVX2
#include "flow.inl"
