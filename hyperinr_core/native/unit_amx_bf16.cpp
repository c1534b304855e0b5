// x86 with AVX-512 and tiles of bfloat16, or their model in plain C++: float16 tables.
#define HINR_UNIT amx_bf16
#define HINR_KERNELS kAmxBf16
#ifndef HINR_TILES_MODEL
#define HINR_AVX512
#endif
#define HINR_TILES
#define HINR_HALF_TABLES
#include "unit.inl"
