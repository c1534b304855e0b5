// Points side by side, one in each lane: included by flow.inl, whose units it is part of.

// A quad is a row of a cubic spline's stencil; a group has a point in each lane. Eight points: a wider group would lie in more
// cells, which costs what it gains.
#if defined(HINR_AVX512) || defined(HINR_AVX2)
using Quad = __m128;
using Group = __m256;
constexpr int kGroup = 8;
HINR_INLINE Quad quad(float a) { return _mm_set1_ps(a); }
HINR_INLINE Quad load_quad(const float *p) { return _mm_loadu_ps(p); }
HINR_INLINE Quad times(Quad a, Quad b) { return _mm_mul_ps(a, b); }
HINR_INLINE Quad fused(Quad a, Quad b, Quad c) { return _mm_fmadd_ps(a, b, c); }
HINR_INLINE Group group(float a) { return _mm256_set1_ps(a); }
HINR_INLINE Group load_group(const float *p) { return _mm256_loadu_ps(p); }
HINR_INLINE void store_group(float *p, Group a) { _mm256_storeu_ps(p, a); }
HINR_INLINE Group times(Group a, Group b) { return _mm256_mul_ps(a, b); }
HINR_INLINE Group plus(Group a, Group b) { return _mm256_add_ps(a, b); }
HINR_INLINE Group less(Group a, Group b) { return _mm256_sub_ps(a, b); }
HINR_INLINE Group fused(Group a, Group b, Group c) { return _mm256_fmadd_ps(a, b, c); }
HINR_INLINE Group least(Group a, Group b) { return _mm256_min_ps(a, b); }
HINR_INLINE Group most(Group a, Group b) { return _mm256_max_ps(a, b); }  // b where a is NaN
HINR_INLINE Group floored(Group a) { return _mm256_floor_ps(a); }
HINR_INLINE Group where_equal(Group a, Group b, Group c) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ), c); }
HINR_INLINE Group where(Group a, Group b, Group c, Group d) {  // c where a == b, else d
    return _mm256_blendv_ps(d, c, _mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}
HINR_INLINE float highest(Group a) {
    Quad q = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
// The lowest and, less, the highest lane of whole numbers.
HINR_INLINE void range_of(Group a, int *low, int *range) {
    const Quad x = _mm256_castps256_ps128(a), y = _mm256_extractf128_ps(a, 1);
    const Quad m = _mm_min_ps(x, y), n = _mm_sub_ps(_mm_setzero_ps(), _mm_max_ps(x, y));
    Quad q = _mm_min_ps(_mm_unpacklo_ps(m, n), _mm_unpackhi_ps(m, n));
    q = _mm_min_ps(q, _mm_movehl_ps(q, q));
    const __m128i whole = _mm_cvttps_epi32(q);
    *low = _mm_cvtsi128_si32(whole);
    *range = -_mm_extract_epi32(whole, 1) - *low;
}
// The two numbers from array[offsets[lane]] on.
HINR_INLINE Quad two_pairs(const float *a, const float *b) {
    return _mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)a)), (const __m64 *)b);
}
HINR_INLINE void pairs_at(const float *array, const int32_t *offsets, Group &first, Group &second) {
    const Group a = _mm256_insertf128_ps(_mm256_castps128_ps256(two_pairs(array + offsets[0], array + offsets[1])),
                                         two_pairs(array + offsets[4], array + offsets[5]), 1);
    const Group b = _mm256_insertf128_ps(_mm256_castps128_ps256(two_pairs(array + offsets[2], array + offsets[3])),
                                         two_pairs(array + offsets[6], array + offsets[7]), 1);
    first = _mm256_shuffle_ps(a, b, 0x88);
    second = _mm256_shuffle_ps(a, b, 0xdd);
}
// (z * height + y) * width + x of whole numbers.
HINR_INLINE void offsets_of(Group z, Group y, Group x, int32_t height, int32_t width, int32_t *offsets) {
    __m256i at = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_cvttps_epi32(z), _mm256_set1_epi32(height)), _mm256_cvttps_epi32(y));
    at = _mm256_add_epi32(_mm256_mullo_epi32(at, _mm256_set1_epi32(width)), _mm256_cvttps_epi32(x));
    _mm256_storeu_si256((__m256i *)offsets, at);
}
// Lane i of each of four quads, for i = 0 to 3.
HINR_INLINE void turned(const Quad *rows, Group *columns) {
    for (int half = 0; half < 2; ++half) {
        Quad a = rows[4 * half], b = rows[4 * half + 1], c = rows[4 * half + 2], d = rows[4 * half + 3];
        _MM_TRANSPOSE4_PS(a, b, c, d);
        const Quad found[4] = {a, b, c, d};
        for (int i = 0; i < 4; ++i)
            columns[i] = half ? _mm256_insertf128_ps(columns[i], found[i], 1) : _mm256_castps128_ps256(found[i]);
    }
}
#elif defined(HINR_NEON)
using Quad = Vec;
struct Group {
    Quad low, high;
};
constexpr int kGroup = 8;
HINR_INLINE Quad quad(float a) { return set1(a); }
HINR_INLINE Quad load_quad(const float *p) { return load(p); }
HINR_INLINE Quad times(Quad a, Quad b) { return mul(a, b); }
HINR_INLINE Quad fused(Quad a, Quad b, Quad c) { return madd(a, b, c); }
HINR_INLINE Group group(float a) { return {set1(a), set1(a)}; }
HINR_INLINE Group load_group(const float *p) { return {load(p), load(p + 4)}; }
HINR_INLINE void store_group(float *p, Group a) { store(p, a.low), store(p + 4, a.high); }
HINR_INLINE Group times(Group a, Group b) { return {mul(a.low, b.low), mul(a.high, b.high)}; }
HINR_INLINE Group plus(Group a, Group b) { return {add(a.low, b.low), add(a.high, b.high)}; }
HINR_INLINE Group less(Group a, Group b) { return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)}; }
HINR_INLINE Group fused(Group a, Group b, Group c) { return {madd(a.low, b.low, c.low), madd(a.high, b.high, c.high)}; }
HINR_INLINE Group least(Group a, Group b) {
    return {vbslq_f32(vcltq_f32(a.low, b.low), a.low, b.low), vbslq_f32(vcltq_f32(a.high, b.high), a.high, b.high)};
}
HINR_INLINE Group most(Group a, Group b) {  // b where a is NaN
    return {vbslq_f32(vcgtq_f32(a.low, b.low), a.low, b.low), vbslq_f32(vcgtq_f32(a.high, b.high), a.high, b.high)};
}
HINR_INLINE Group floored(Group a) { return {vrndmq_f32(a.low), vrndmq_f32(a.high)}; }
HINR_INLINE Group where(Group a, Group b, Group c, Group d) {  // c where a == b, else d
    return {vbslq_f32(vceqq_f32(a.low, b.low), c.low, d.low), vbslq_f32(vceqq_f32(a.high, b.high), c.high, d.high)};
}
HINR_INLINE float highest(Group a) { return vmaxvq_f32(vmaxq_f32(a.low, a.high)); }
// The lowest and, less, the highest lane of whole numbers.
HINR_INLINE void range_of(Group a, int *low, int *range) {
    *low = int(vminvq_f32(vminq_f32(a.low, a.high)));
    *range = int(highest(a)) - *low;
}
// The two numbers from array[offsets[lane]] on.
HINR_INLINE Quad two_pairs(const float *a, const float *b) { return vcombine_f32(vld1_f32(a), vld1_f32(b)); }
HINR_INLINE void pairs_at(const float *array, const int32_t *offsets, Group &first, Group &second) {
    const Quad a = two_pairs(array + offsets[0], array + offsets[1]), b = two_pairs(array + offsets[2], array + offsets[3]);
    const Quad c = two_pairs(array + offsets[4], array + offsets[5]), d = two_pairs(array + offsets[6], array + offsets[7]);
    first = {vuzp1q_f32(a, b), vuzp1q_f32(c, d)};
    second = {vuzp2q_f32(a, b), vuzp2q_f32(c, d)};
}
// (z * height + y) * width + x of whole numbers.
HINR_INLINE int32x4_t offsets_of(Quad z, Quad y, Quad x, int32_t height, int32_t width) {
    const int32x4_t row = vmlaq_n_s32(vcvtq_s32_f32(y), vcvtq_s32_f32(z), height);
    return vmlaq_n_s32(vcvtq_s32_f32(x), row, width);
}
HINR_INLINE void offsets_of(Group z, Group y, Group x, int32_t height, int32_t width, int32_t *offsets) {
    vst1q_s32(offsets, offsets_of(z.low, y.low, x.low, height, width));
    vst1q_s32(offsets + 4, offsets_of(z.high, y.high, x.high, height, width));
}
// Lane i of each of four quads, for i = 0 to 3.
HINR_INLINE void turned(const Quad *rows, Quad *columns) {
    const float32x4x2_t a = vzipq_f32(rows[0], rows[2]), b = vzipq_f32(rows[1], rows[3]);
    const float32x4x2_t low = vzipq_f32(a.val[0], b.val[0]), high = vzipq_f32(a.val[1], b.val[1]);
    columns[0] = low.val[0], columns[1] = low.val[1], columns[2] = high.val[0], columns[3] = high.val[1];
}
HINR_INLINE void turned(const Quad *rows, Group *columns) {
    Quad low[4], high[4];
    turned(rows, low);
    turned(rows + 4, high);
    for (int i = 0; i < 4; ++i) columns[i] = {low[i], high[i]};
}
#else
using Quad = Vec;  // the generic unit is as wide
using Group = Vec;
constexpr int kGroup = 4;
static_assert(W == 4, "the generic unit has four lanes");
HINR_INLINE Quad quad(float a) { return set1(a); }
HINR_INLINE Quad load_quad(const float *p) { return load(p); }
HINR_INLINE Group group(float a) { return set1(a); }
HINR_INLINE Group load_group(const float *p) { return load(p); }
HINR_INLINE void store_group(float *p, Group a) { store(p, a); }
HINR_INLINE Group times(Group a, Group b) { return mul(a, b); }
HINR_INLINE Group plus(Group a, Group b) { return add(a, b); }
HINR_INLINE Group fused(Group a, Group b, Group c) { return madd(a, b, c); }
template <class F> HINR_INLINE Group by_lane(const F &f) {
    const float lanes[4] = {f(0), f(1), f(2), f(3)};
    return load(lanes);
}
HINR_INLINE Group less(Group a, Group b) {
    return by_lane([&](int i) { return a[i] - b[i]; });
}
HINR_INLINE Group least(Group a, Group b) {
    return by_lane([&](int i) { return a[i] < b[i] ? a[i] : b[i]; });
}
HINR_INLINE Group most(Group a, Group b) {
    return by_lane([&](int i) { return a[i] > b[i] ? a[i] : b[i]; });
}
HINR_INLINE Group floored(Group a) {
    return by_lane([&](int i) { return floorf(a[i]); });
}
HINR_INLINE Group where_equal(Group a, Group b, Group c) {
    return by_lane([&](int i) { return a[i] == b[i] ? c[i] : 0.0f; });
}
HINR_INLINE Group where(Group a, Group b, Group c, Group d) {
    return by_lane([&](int i) { return a[i] == b[i] ? c[i] : d[i]; });
}
HINR_INLINE float highest(Group a) { return fmaxf(fmaxf(a[0], a[1]), fmaxf(a[2], a[3])); }
HINR_INLINE void range_of(Group a, int *low, int *range) {
    *low = int(fminf(fminf(a[0], a[1]), fminf(a[2], a[3])));
    *range = int(highest(a)) - *low;
}
HINR_INLINE void pairs_at(const float *array, const int32_t *offsets, Group &first, Group &second) {
    first = by_lane([&](int i) { return array[offsets[i]]; });
    second = by_lane([&](int i) { return array[offsets[i] + 1]; });
}
HINR_INLINE void offsets_of(Group z, Group y, Group x, int32_t height, int32_t width, int32_t *offsets) {
    for (int i = 0; i < 4; ++i) offsets[i] = (int32_t(z[i]) * height + int32_t(y[i])) * width + int32_t(x[i]);
}
HINR_INLINE void turned(const Quad *rows, Group *columns) {
    for (int i = 0; i < 4; ++i) columns[i] = by_lane([&](int row) { return rows[row][i]; });
}
#endif
