// A unit of the kernel under the name that the command line gives it, tiles or their model.
#ifdef HINR_AVX512
#include <immintrin.h>

// Bochs 3.0 and 3.1 take the upper half of this one's numbers from behind the register; the one for a single vector it does well.
static inline __attribute__((always_inline)) __m512bh two_at_once(__m512 high, __m512 low) {
    const __m512i lower = _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh(low));
    return (__m512bh)_mm512_inserti64x4(lower, (__m256i)_mm512_cvtneps_pbh(high), 1);
}
#define _mm512_cvtne2ps_pbh two_at_once
#endif

namespace hinr {
struct Kernels;
extern const Kernels HINR_KERNELS;
}

#include "unit.inl"
