// The kernels of one instruction set. A unit defines HINR_UNIT (its namespace), HINR_KERNELS (the name of its table)
// and one of HINR_AVX2, HINR_AVX512, HINR_NEON, or nothing; HINR_HALF_TABLES where tables are float16; HINR_BF16 or HINR_TILES where
// the network multiplies pairs of bfloat16, one vector or one tile at a time; then it includes this file.
#include <math.h>
#include <string.h>

#include "hyperinr_native.h"
#include "kernels.h"

#if defined(HINR_AVX2) || defined(HINR_AVX512)
#include <immintrin.h>
#define HINR_FAST_FMA
#elif defined(HINR_NEON)
#include <arm_neon.h>
#define HINR_FAST_FMA
#elif defined(__FP_FAST_FMAF)
#define HINR_FAST_FMA
#endif
#if defined(__GNUC__)
#define HINR_INLINE inline __attribute__((always_inline))
#define HINR_PREFETCH(p) __builtin_prefetch(p)
#else
#define HINR_INLINE inline
#define HINR_PREFETCH(p) (void)(p)
#endif

namespace hinr {
namespace HINR_UNIT {

// Fused where the processor does it at once. The compiler itself fuses nothing (-ffp-contract=off), else it could
// fuse in one of two loops that must agree.
HINR_INLINE float madd(float a, float b, float c) {
#if defined(HINR_FAST_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

#ifdef HINR_TILES
constexpr int kBlock = 96, kHiddenPad = 32;
#else
constexpr int kBlock = 48, kHiddenPad = kPad;
#endif
#ifdef HINR_HALF_TABLES
using Number = uint16_t;  // of a table: a float16
#else
using Number = float;
#endif

#include "simd.inl"
#include "tile.inl"
#ifdef HINR_TILES
#include "blocks.inl"
#else
#define HINR_TILES_HELD
#endif
#include "encode.inl"
#include "decode.inl"
#ifndef HINR_HALF_TABLES  // training is of float32
#include "train.inl"
#endif
#include "peak.inl"

}  // namespace HINR_UNIT

const Kernels HINR_KERNELS = {
    HINR_UNIT::W,     HINR_UNIT::kBlock,  HINR_UNIT::kHiddenPad, HINR_UNIT::locate, HINR_UNIT::blend, HINR_UNIT::sample,
    HINR_UNIT::sample_rows, HINR_UNIT::peak,
#ifndef HINR_HALF_TABLES
    HINR_UNIT::train, HINR_UNIT::scatter, HINR_UNIT::adam,
#else
    nullptr,          nullptr,            nullptr,
#endif
};

}  // namespace hinr
