// AArch64, which has NEON with fused multiply-adds and conversions of halves.
#define HINR_UNIT flow_neon
#define HINR_FLOW_KERNELS kFlowNeon
#define HINR_NEON
#include "flow.inl"
