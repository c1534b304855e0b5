// Lanes of the path tracer: numbers F, whole numbers I, masks M, W at a time, and what it does with them. Included inside the
// unit's namespace. Operators are the compiler's own; without AVX or NEON there is one lane.

#if defined(HINR_AVX512)

constexpr int W = 16;
using F = __m512;
typedef int32_t I __attribute__((vector_size(64)));
typedef uint32_t U __attribute__((vector_size(64)));
using M = __mmask16;
HINR_INLINE F load(const float *p) { return _mm512_loadu_ps(p); }
HINR_INLINE I load(const int32_t *p) { return (I)_mm512_loadu_si512(p); }
HINR_INLINE void store(float *p, F a) { _mm512_storeu_ps(p, a); }
HINR_INLINE void store(int32_t *p, I a) { _mm512_storeu_si512(p, (__m512i)a); }
HINR_INLINE F set(float a) { return _mm512_set1_ps(a); }
HINR_INLINE I iset(int32_t a) { return (I)_mm512_set1_epi32(a); }
HINR_INLINE M less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
HINR_INLINE M upto(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
HINR_INLINE M less(I a, I b) { return _mm512_cmp_epi32_mask((__m512i)a, (__m512i)b, _MM_CMPINT_LT); }
HINR_INLINE F select(M m, F yes, F no) { return _mm512_mask_mov_ps(no, m, yes); }
HINR_INLINE I select(M m, I yes, I no) { return (I)_mm512_mask_mov_epi32((__m512i)no, m, (__m512i)yes); }
HINR_INLINE F madd(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
HINR_INLINE F least(F a, F b) { return _mm512_min_ps(a, b); }  // b where a is NaN
HINR_INLINE F most(F a, F b) { return _mm512_max_ps(a, b); }
HINR_INLINE F root(F a) { return _mm512_sqrt_ps(a); }
HINR_INLINE I whole(F a) { return (I)_mm512_cvttps_epi32(a); }
HINR_INLINE F real(I a) { return _mm512_cvtepi32_ps((__m512i)a); }
HINR_INLINE F gather(const float *base, I at) { return _mm512_i32gather_ps((__m512i)at, base, 4); }
// Numbers at `at` and after it: one load brings both.
HINR_INLINE void gather_two(const float *base, I at, F &a, F &b) {
    const __m512 low = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_castsi512_si256((__m512i)at), base, 4));
    const __m512 high = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_extracti64x4_epi64((__m512i)at, 1), base, 4));
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    a = _mm512_permutex2var_ps(low, even, high);
    b = _mm512_permutex2var_ps(low, odd, high);
}
HINR_INLINE uint32_t bits(M m) { return m; }
HINR_INLINE M mask_of(uint32_t b) { return M(b); }

#elif defined(HINR_AVX2)

constexpr int W = 8;
using F = __m256;
typedef int32_t I __attribute__((vector_size(32)));
typedef uint32_t U __attribute__((vector_size(32)));
using M = I;
HINR_INLINE F load(const float *p) { return _mm256_loadu_ps(p); }
HINR_INLINE I load(const int32_t *p) { return (I)_mm256_loadu_si256((const __m256i *)p); }
HINR_INLINE void store(float *p, F a) { _mm256_storeu_ps(p, a); }
HINR_INLINE void store(int32_t *p, I a) { _mm256_storeu_si256((__m256i *)p, (__m256i)a); }
HINR_INLINE F set(float a) { return _mm256_set1_ps(a); }
HINR_INLINE I iset(int32_t a) { return (I)_mm256_set1_epi32(a); }
HINR_INLINE M less(F a, F b) { return (M)_mm256_cmp_ps(a, b, _CMP_LT_OQ); }
HINR_INLINE M upto(F a, F b) { return (M)_mm256_cmp_ps(a, b, _CMP_LE_OQ); }
HINR_INLINE M less(I a, I b) { return (M)_mm256_cmpgt_epi32((__m256i)b, (__m256i)a); }
HINR_INLINE F select(M m, F yes, F no) { return _mm256_blendv_ps(no, yes, (F)m); }
HINR_INLINE I select(M m, I yes, I no) { return (I)_mm256_blendv_epi8((__m256i)no, (__m256i)yes, (__m256i)m); }
HINR_INLINE F madd(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
HINR_INLINE F least(F a, F b) { return _mm256_min_ps(a, b); }
HINR_INLINE F most(F a, F b) { return _mm256_max_ps(a, b); }
HINR_INLINE F root(F a) { return _mm256_sqrt_ps(a); }
HINR_INLINE I whole(F a) { return (I)_mm256_cvttps_epi32(a); }
HINR_INLINE F real(I a) { return _mm256_cvtepi32_ps((__m256i)a); }
HINR_INLINE F gather(const float *base, I at) { return _mm256_i32gather_ps(base, (__m256i)at, 4); }
HINR_INLINE void gather_two(const float *base, I at, F &a, F &b) {
    a = gather(base, at);
    b = gather(base + 1, at);
}
HINR_INLINE uint32_t bits(M m) { return uint32_t(_mm256_movemask_ps((F)m)); }
HINR_INLINE M mask_of(uint32_t b) {
    const I lane = {1, 2, 4, 8, 16, 32, 64, 128};
    return (iset(int32_t(b)) & lane) != 0;
}

#elif defined(HINR_NEON)

constexpr int W = 4;
using F = float32x4_t;
typedef int32_t I __attribute__((vector_size(16)));
typedef uint32_t U __attribute__((vector_size(16)));
using M = I;
HINR_INLINE F load(const float *p) { return vld1q_f32(p); }
HINR_INLINE I load(const int32_t *p) { return (I)vld1q_s32(p); }
HINR_INLINE void store(float *p, F a) { vst1q_f32(p, a); }
HINR_INLINE void store(int32_t *p, I a) { vst1q_s32(p, (int32x4_t)a); }
HINR_INLINE F set(float a) { return vdupq_n_f32(a); }
HINR_INLINE I iset(int32_t a) { return (I)vdupq_n_s32(a); }
HINR_INLINE M less(F a, F b) { return (M)vcltq_f32(a, b); }
HINR_INLINE M upto(F a, F b) { return (M)vcleq_f32(a, b); }
HINR_INLINE M less(I a, I b) { return (M)vcltq_s32((int32x4_t)a, (int32x4_t)b); }
HINR_INLINE F select(M m, F yes, F no) { return vbslq_f32((uint32x4_t)m, yes, no); }
HINR_INLINE I select(M m, I yes, I no) { return (I)vbslq_s32((uint32x4_t)m, (int32x4_t)yes, (int32x4_t)no); }
HINR_INLINE F madd(F a, F b, F c) { return vfmaq_f32(c, a, b); }
HINR_INLINE F least(F a, F b) { return vminnmq_f32(a, b); }
HINR_INLINE F most(F a, F b) { return vmaxnmq_f32(a, b); }
HINR_INLINE F root(F a) { return vsqrtq_f32(a); }
HINR_INLINE I whole(F a) { return (I)vcvtq_s32_f32(a); }
HINR_INLINE F real(I a) { return vcvtq_f32_s32((int32x4_t)a); }
HINR_INLINE F gather(const float *base, I at) {
    F r = vld1q_dup_f32(base + at[0]);
    r = vld1q_lane_f32(base + at[1], r, 1);
    r = vld1q_lane_f32(base + at[2], r, 2);
    return vld1q_lane_f32(base + at[3], r, 3);
}
HINR_INLINE void gather_two(const float *base, I at, F &a, F &b) {
    const F low = vcombine_f32(vld1_f32(base + at[0]), vld1_f32(base + at[1]));
    const F high = vcombine_f32(vld1_f32(base + at[2]), vld1_f32(base + at[3]));
    a = vuzp1q_f32(low, high);
    b = vuzp2q_f32(low, high);
}
HINR_INLINE uint32_t bits(M m) {
    const U lane = {1, 2, 4, 8};
    return vaddvq_u32((uint32x4_t)((U)m & lane));
}
HINR_INLINE M mask_of(uint32_t b) {
    const I lane = {1, 2, 4, 8};
    return (iset(int32_t(b)) & lane) != 0;
}

#else

constexpr int W = 1;
using F = float;
using I = int32_t;
using U = uint32_t;
using M = int32_t;  // 0 or -1
HINR_INLINE F load(const float *p) { return *p; }
HINR_INLINE I load(const int32_t *p) { return *p; }
HINR_INLINE void store(float *p, F a) { *p = a; }
HINR_INLINE void store(int32_t *p, I a) { *p = a; }
HINR_INLINE F set(float a) { return a; }
HINR_INLINE I iset(int32_t a) { return a; }
HINR_INLINE M less(F a, F b) { return -(a < b); }
HINR_INLINE M upto(F a, F b) { return -(a <= b); }
HINR_INLINE M less(I a, I b) { return -(a < b); }
HINR_INLINE F select(M m, F yes, F no) { return m ? yes : no; }
HINR_INLINE I select(M m, I yes, I no) { return m ? yes : no; }
HINR_INLINE F madd(F a, F b, F c) { return a * b + c; }
HINR_INLINE F least(F a, F b) { return a < b ? a : b; }
HINR_INLINE F most(F a, F b) { return a > b ? a : b; }
HINR_INLINE F root(F a) { return sqrtf(a); }
HINR_INLINE I whole(F a) { return int32_t(a); }
HINR_INLINE F real(I a) { return float(a); }
HINR_INLINE F gather(const float *base, I at) { return base[at]; }
HINR_INLINE void gather_two(const float *base, I at, F &a, F &b) {
    a = base[at];
    b = base[at + 1];
}
HINR_INLINE uint32_t bits(M m) { return uint32_t(m) & 1; }
HINR_INLINE M mask_of(uint32_t b) { return -int32_t(b & 1); }

#endif

HINR_INLINE F as_real(I a) {
    F r;
    memcpy(&r, &a, sizeof r);
    return r;
}
HINR_INLINE I as_whole(F a) {
    I r;
    memcpy(&r, &a, sizeof r);
    return r;
}
HINR_INLINE M none_of(M m) { return M(~m); }
#if defined(HINR_NEON)
HINR_INLINE bool any(M m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
HINR_INLINE int count(M m) { return -vaddvq_s32((int32x4_t)m); }
#else
HINR_INLINE bool any(M m) { return bits(m) != 0; }
HINR_INLINE int count(M m) {
    uint32_t b = bits(m);
    int n = 0;
    for (; b; b &= b - 1) ++n;
    return n;
}
#endif

// -log(u) for u in (0, 1]: Cephes' polynomial, to 1e-7.
HINR_INLINE F minus_log(F u) {
    const I whole_bits = as_whole(u);
    I exponent = (I)((U)whole_bits >> 23) - 126;
    F m = as_real((whole_bits & iset(0x007fffff)) | iset(0x3f000000));  // in [1/2, 1)
    const M low = less(m, set(0.70710678f));
    exponent = select(low, exponent - 1, exponent);
    m = select(low, m + m, m) - set(1.0f);
    F p = set(7.0376836292e-2f);
    p = madd(p, m, set(-1.1514610310e-1f));
    p = madd(p, m, set(1.1676998740e-1f));
    p = madd(p, m, set(-1.2420140846e-1f));
    p = madd(p, m, set(1.4249322787e-1f));
    p = madd(p, m, set(-1.6668057665e-1f));
    p = madd(p, m, set(2.0000714765e-1f));
    p = madd(p, m, set(-2.4999993993e-1f));
    p = madd(p, m, set(3.3333331174e-1f));
    const F square = m * m;
    const F log_m = m + (p * m * square - square * set(0.5f));
    return set(0.0f) - madd(real(exponent), set(0.69314718f), log_m);
}

// sin(2 pi x) for |x| <= 1/4.
HINR_INLINE F sine(F x) {
    const F a = x * set(6.28318531f), s = a * a;
    F p = madd(s, set(-2.5052108e-8f), set(2.7557319e-6f));
    p = madd(p, s, set(-1.9841270e-4f));
    p = madd(p, s, set(8.3333333e-3f));
    p = madd(p, s, set(-1.6666667e-1f));
    return madd(p * s, a, a);
}

struct V {
    F x, y, z;
};
HINR_INLINE V vector(const float *p) { return {set(p[0]), set(p[1]), set(p[2])}; }
HINR_INLINE F dot(const V &a, const V &b) { return madd(a.x, b.x, madd(a.y, b.y, a.z * b.z)); }
HINR_INLINE V along(const V &p, const V &d, F t) { return {madd(t, d.x, p.x), madd(t, d.y, p.y), madd(t, d.z, p.z)}; }
HINR_INLINE V times(const V &a, F k) { return {a.x * k, a.y * k, a.z * k}; }
HINR_INLINE V times(const V &a, const V &b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
HINR_INLINE V select(M m, const V &a, const V &b) { return {select(m, a.x, b.x), select(m, a.y, b.y), select(m, a.z, b.z)}; }
HINR_INLINE F largest(const V &a) { return most(a.x, most(a.y, a.z)); }

// A unit vector at an angle of a given cosine to another, turned by u of a turn (Duff et al., 2017).
HINR_INLINE V turned(const V &v, F cosine, F u) {
    const F side = root(most(set(1.0f) - cosine * cosine, set(0.0f)));
    const F x = u - set(0.5f), away = select(less(x, set(0.0f)), set(0.0f) - x, x);
    const F half = select(less(set(0.25f), away), set(0.5f) - away, away);
    const F sin_u = select(less(x, set(0.0f)), set(0.0f) - sine(half), sine(half)), cos_u = sine(set(0.25f) - away);
    const F sign = select(less(v.z, set(0.0f)), set(-1.0f), set(1.0f));
    const F a = set(-1.0f) / (sign + v.z), b = v.x * v.y * a, p = side * cos_u, q = side * sin_u;
    return {madd(p, madd(sign * v.x * v.x, a, set(1.0f)), madd(q, b, cosine * v.x)),
            madd(p, sign * b, madd(q, madd(v.y * v.y, a, sign), cosine * v.y)),
            madd(set(0.0f) - p, sign * v.x, madd(set(0.0f) - q, v.y, cosine * v.z))};
}
