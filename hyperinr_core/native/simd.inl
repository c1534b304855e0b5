// Vectors of the unit's width, and the few operations that the kernels need. Included inside the unit's namespace.

#if defined(HINR_AVX512)

using Vec = __m512;
constexpr int W = 16;
HINR_INLINE Vec load(const float *p) { return _mm512_loadu_ps(p); }
HINR_INLINE Vec load(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
HINR_INLINE void store(float *p, Vec a) { _mm512_storeu_ps(p, a); }
HINR_INLINE void store(uint16_t *p, Vec a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
HINR_INLINE Vec set1(float a) { return _mm512_set1_ps(a); }
HINR_INLINE Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
HINR_INLINE Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
HINR_INLINE Vec madd(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
HINR_INLINE Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
HINR_INLINE Vec root(Vec a) { return _mm512_sqrt_ps(a); }
HINR_INLINE Vec relu(Vec a) { return _mm512_max_ps(a, _mm512_setzero_ps()); }
HINR_INLINE Vec where_positive(Vec x, Vec a) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), a);
}
HINR_INLINE float sum(Vec a) {
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
using Lanes = __m512i;
HINR_INLINE Lanes lanes_from(const uint32_t *p) { return _mm512_loadu_si512(p); }
HINR_INLINE Vec permute(Vec a, Lanes lanes) { return _mm512_permutexvar_ps(lanes, a); }

#elif defined(HINR_AVX2)

using Vec = __m256;
constexpr int W = 8;
HINR_INLINE Vec load(const float *p) { return _mm256_loadu_ps(p); }
HINR_INLINE Vec load(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
HINR_INLINE void store(float *p, Vec a) { _mm256_storeu_ps(p, a); }
HINR_INLINE Vec set1(float a) { return _mm256_set1_ps(a); }
HINR_INLINE Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
HINR_INLINE Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
HINR_INLINE Vec madd(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
HINR_INLINE Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
HINR_INLINE Vec root(Vec a) { return _mm256_sqrt_ps(a); }
HINR_INLINE Vec relu(Vec a) { return _mm256_max_ps(a, _mm256_setzero_ps()); }
HINR_INLINE Vec where_positive(Vec x, Vec a) {
    return _mm256_and_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ), a);
}
HINR_INLINE float sum(Vec a) {
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
using Lanes = __m256i;
HINR_INLINE Lanes lanes_from(const uint32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
HINR_INLINE Vec permute(Vec a, Lanes lanes) { return _mm256_permutevar8x32_ps(a, lanes); }

#elif defined(HINR_NEON)

using Vec = float32x4_t;
constexpr int W = 4;
HINR_INLINE Vec load(const float *p) { return vld1q_f32(p); }
HINR_INLINE Vec load(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
HINR_INLINE void store(float *p, Vec a) { vst1q_f32(p, a); }
HINR_INLINE Vec set1(float a) { return vdupq_n_f32(a); }
HINR_INLINE Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
HINR_INLINE Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
HINR_INLINE Vec madd(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
HINR_INLINE Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
HINR_INLINE Vec root(Vec a) { return vsqrtq_f32(a); }
HINR_INLINE Vec relu(Vec a) { return vmaxnmq_f32(a, vdupq_n_f32(0)); }  // 0 where a is NaN, as elsewhere
HINR_INLINE Vec where_positive(Vec x, Vec a) {
    return vreinterpretq_f32_u32(vandq_u32(vcgtzq_f32(x), vreinterpretq_u32_f32(a)));
}
HINR_INLINE float sum(Vec a) { return vaddvq_f32(a); }
using Lanes = uint8x16_t;  // the bytes of the lanes
HINR_INLINE Lanes lanes_from(const uint32_t *p) {
    return vreinterpretq_u8_u32(vmlaq_n_u32(vdupq_n_u32(0x03020100), vld1q_u32(p), 0x04040404));
}
HINR_INLINE Vec permute(Vec a, Lanes lanes) {
    return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(a), lanes));
}

#else  // any processor: four lanes, as the compiler's own vectors where it has them

HINR_INLINE float half_to_float(uint16_t h) {
    // Shifting a half into a float's fields leaves the exponent 112 too low; multiplying mends denormals as well.
    const uint32_t magnitude = uint32_t(h & 0x7fff) << 13;
    float value;
    memcpy(&value, &magnitude, 4);
    value *= 5.192296858534828e33f;  // 2^112
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((h & 0x7c00) == 0x7c00) bits = magnitude | 0x7f800000u;
    bits |= uint32_t(h & 0x8000) << 16;
    memcpy(&value, &bits, 4);
    return value;
}
HINR_INLINE float as_float(float a) { return a; }
HINR_INLINE float as_float(uint16_t a) { return half_to_float(a); }

constexpr int W = 4;
struct Lanes { uint32_t lane[W]; };
#if defined(__GNUC__)
using Vec = float __attribute__((vector_size(16)));
HINR_INLINE Vec set1(float a) { return Vec{a, a, a, a}; }
HINR_INLINE Vec add(Vec a, Vec b) { return a + b; }
HINR_INLINE Vec mul(Vec a, Vec b) { return a * b; }
HINR_INLINE Vec div(Vec a, Vec b) { return a / b; }
HINR_INLINE Vec relu(Vec a) { return a > 0 ? a : set1(0); }
HINR_INLINE Vec where_positive(Vec x, Vec a) { return x > 0 ? a : set1(0); }
#define HINR_LANES(expression) return Vec{expression(0), expression(1), expression(2), expression(3)}
#else
struct Vec {
    float lane[W];
    HINR_INLINE float operator[](int i) const { return lane[i]; }
};
#define HINR_LANES(expression) return Vec{{expression(0), expression(1), expression(2), expression(3)}}
#define HINR_ONE(i) a
HINR_INLINE Vec set1(float a) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#define HINR_ONE(i) a[i] + b[i]
HINR_INLINE Vec add(Vec a, Vec b) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#define HINR_ONE(i) a[i] * b[i]
HINR_INLINE Vec mul(Vec a, Vec b) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#define HINR_ONE(i) a[i] / b[i]
HINR_INLINE Vec div(Vec a, Vec b) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#define HINR_ONE(i) (x[i] > 0 ? a[i] : 0.0f)
HINR_INLINE Vec where_positive(Vec x, Vec a) { HINR_LANES(HINR_ONE); }
HINR_INLINE Vec relu(Vec a) { return where_positive(a, a); }
#undef HINR_ONE
#endif
#if defined(HINR_FAST_FMA)
#define HINR_ONE(i) madd(a[i], b[i], c[i])
HINR_INLINE Vec madd(Vec a, Vec b, Vec c) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#else
HINR_INLINE Vec madd(Vec a, Vec b, Vec c) { return add(mul(a, b), c); }
#endif
#define HINR_ONE(i) half_to_float(p[i])
HINR_INLINE Vec load(const uint16_t *p) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#define HINR_ONE(i) sqrtf(a[i])
HINR_INLINE Vec root(Vec a) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#define HINR_ONE(i) a[int(lanes.lane[i])]
HINR_INLINE Vec permute(Vec a, Lanes lanes) { HINR_LANES(HINR_ONE); }
#undef HINR_ONE
#undef HINR_LANES
HINR_INLINE Vec load(const float *p) {
    Vec r;
    memcpy(&r, p, sizeof r);
    return r;
}
HINR_INLINE void store(float *p, Vec a) { memcpy(p, &a, sizeof a); }
#if defined(HINR_TILES_MODEL) && defined(HINR_HALF_TABLES)
HINR_INLINE uint16_t float_to_half(float value) {  // to nearest even
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return uint16_t(sign | 0x7e00);
    if (magnitude >= 0x477ff000) return uint16_t(sign | 0x7c00);
    if (magnitude >= 0x38800000) return uint16_t(sign | ((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13));
    float small;  // a denormal is so many times 2^-24: adding 0.5 leaves them in the lowest bits
    memcpy(&small, &magnitude, 4);
    small += 0.5f;
    memcpy(&bits, &small, 4);
    return uint16_t(sign | (bits - 0x3f000000));
}
HINR_INLINE void store(uint16_t *p, Vec a) {
    for (int i = 0; i < W; ++i) p[i] = float_to_half(a[i]);
}
#endif
HINR_INLINE float sum(Vec a) { return (a[0] + a[2]) + (a[1] + a[3]); }
HINR_INLINE Lanes lanes_from(const uint32_t *p) {
    Lanes r;
    memcpy(&r, p, sizeof r);
    return r;
}

#endif
