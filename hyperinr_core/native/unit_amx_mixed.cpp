// x86 with AVX-512 and tiles of bfloat16, or their model in plain C++: float32 tables, and training.
#define HINR_UNIT amx_mixed
#define HINR_KERNELS kAmxMixed
#ifndef HINR_TILES_MODEL
#define HINR_AVX512
#endif
#define HINR_TILES
#include "unit.inl"
