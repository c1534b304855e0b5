// x86 with AVX-512.
#define HINR_UNIT flow_avx512
#define HINR_FLOW_KERNELS kFlowAvx512
#define HINR_AVX512
#include "flow.inl"
