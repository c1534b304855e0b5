// Matrix products whose sums stay in registers: kTileRows rows by a few vectors of columns at a time.
//
// The sums are named variables: GCC 12 spills accumulators that live in an array, which takes twice as long.
// Every sum adds its products in the order of the steps, whatever tile it lies in, so that a sample's value
// does not depend on its neighbours.

#if defined(HINR_AVX512) || defined(HINR_NEON)
constexpr int kGroups = 4;  // 24 sums of 32 registers
#else
constexpr int kGroups = 2;  // 12 sums of 16 registers
#endif
constexpr int kChunk = kGroups * W;

struct Float32 {
    using Elem = float;
    static constexpr int depth = 1;  // inputs in an element
    HINR_INLINE static Vec load(const float *p) { return HINR_UNIT::load(p); }
    HINR_INLINE static Vec broadcast(const float *p) { return set1(*p); }
    HINR_INLINE static Vec mac(Vec a, Vec b, Vec c) { return madd(a, b, c); }
};

#ifdef HINR_BF16
struct BFloat16 {
    using Elem = uint32_t;
    static constexpr int depth = 2;
    HINR_INLINE static __m512bh load(const uint32_t *p) { return (__m512bh)_mm512_loadu_si512(p); }
    HINR_INLINE static __m512bh broadcast(const uint32_t *p) { return (__m512bh)_mm512_set1_epi32(int(*p)); }
    HINR_INLINE static Vec mac(__m512bh a, __m512bh b, Vec c) { return _mm512_dpbf16_ps(c, a, b); }
};
#endif

// Gives rows 0 to 5 and G vectors of columns of a * b to `out`, where a(row, step) lies at
// a[row * row_stride + step * step_stride] and b(step, column) at b[step * ldb + column].
template <int G, class M, class Out>
HINR_INLINE void tile(const typename M::Elem *a, int64_t row_stride, int64_t step_stride, int64_t steps,
                      const typename M::Elem *b, int64_t ldb, const Out &out) {
#define HINR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define HINR_DECLARE(r) \
    Vec s##r##0 = set1(0), s##r##1 = s##r##0, s##r##2 = s##r##0, s##r##3 = s##r##0; \
    const auto *a##r = a + r * row_stride;
#define HINR_MAC(r) { \
        const auto x = M::broadcast(a##r); \
        s##r##0 = M::mac(x, w0, s##r##0); \
        if constexpr (G > 1) s##r##1 = M::mac(x, w1, s##r##1); \
        if constexpr (G > 2) s##r##2 = M::mac(x, w2, s##r##2); \
        if constexpr (G > 3) s##r##3 = M::mac(x, w3, s##r##3); \
        a##r += step_stride; \
    }
#define HINR_EMIT(r) \
    if constexpr (G == 1) out.one(r, 0, s##r##0); \
    if constexpr (G > 1) out.two(r, 0, s##r##0, s##r##1); \
    if constexpr (G == 3) out.one(r, 2 * W, s##r##2); \
    if constexpr (G == 4) out.two(r, 2 * W, s##r##2, s##r##3);
    HINR_ROWS(HINR_DECLARE)
    for (int64_t step = 0; step < steps; ++step, b += ldb) {
        const auto w0 = M::load(b), w1 = M::load(b + (G > 1 ? W : 0));
        const auto w2 = M::load(b + (G > 2 ? 2 * W : 0)), w3 = M::load(b + (G > 3 ? 3 * W : 0));
        (void)w1, (void)w2, (void)w3;
        HINR_ROWS(HINR_MAC)
    }
    HINR_ROWS(HINR_EMIT)
#undef HINR_ROWS
#undef HINR_DECLARE
#undef HINR_MAC
#undef HINR_EMIT
}

// All of a * b to `out`; n_rows is rounded up to whole tiles, n_columns is a multiple of kPad.
template <class M, class Out>
HINR_INLINE void multiply(const typename M::Elem *a, int64_t row_stride, int64_t step_stride, int64_t steps,
                          int64_t n_rows, const typename M::Elem *b, int64_t n_columns, const Out &out) {
    for (int64_t row = 0; row < n_rows; row += kTileRows) {
        const auto *from = a + row * row_stride;
        for (int64_t column = 0; column < n_columns; column += kChunk) {
            const Out part = out.at(row, column);
            const int64_t groups = (n_columns - column) / W;
            if (groups >= kGroups)
                tile<kGroups, M>(from, row_stride, step_stride, steps, b + column, n_columns, part);
            else if constexpr (kGroups == 4) {
                if (groups == 3)
                    tile<3, M>(from, row_stride, step_stride, steps, b + column, n_columns, part);
                else if (groups == 2)
                    tile<2, M>(from, row_stride, step_stride, steps, b + column, n_columns, part);
                else
                    tile<1, M>(from, row_stride, step_stride, steps, b + column, n_columns, part);
            }
        }
    }
}

// Where sums go: `at` moves to a tile, `one` and `two` take one and two vectors of a row.
template <class Derived> struct Output {
    HINR_INLINE void two(int64_t row, int64_t column, Vec low, Vec high) const {
        static_cast<const Derived *>(this)->one(row, column, low);
        static_cast<const Derived *>(this)->one(row, column + W, high);
    }
};
struct ReluFloat32 : Output<ReluFloat32> {
    float *out;
    int64_t stride;
    HINR_INLINE ReluFloat32(float *o, int64_t s) : out(o), stride(s) {}
    HINR_INLINE ReluFloat32 at(int64_t row, int64_t column) const { return {out + row * stride + column, stride}; }
    HINR_INLINE void one(int64_t row, int64_t column, Vec sums) const { store(out + row * stride + column, relu(sums)); }
};
struct PlainFloat32 : Output<PlainFloat32> {
    float *out;
    int64_t stride;
    HINR_INLINE PlainFloat32(float *o, int64_t s) : out(o), stride(s) {}
    HINR_INLINE PlainFloat32 at(int64_t row, int64_t column) const { return {out + row * stride + column, stride}; }
    HINR_INLINE void one(int64_t row, int64_t column, Vec sums) const { store(out + row * stride + column, sums); }
};
#ifdef HINR_BF16
struct ReluBFloat16 {
    uint32_t *out;
    int64_t stride;
    HINR_INLINE ReluBFloat16 at(int64_t row, int64_t column) const { return {out + row * stride + column / 2, stride}; }
    HINR_INLINE void one(int64_t row, int64_t column, Vec sums) const {
        const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(relu(sums));
        _mm256_storeu_si256((__m256i *)(out + row * stride + column / 2), rounded);
    }
    HINR_INLINE void two(int64_t row, int64_t column, Vec low, Vec high) const {
        // Negative bfloat16 are negative integers too, so the ReLU takes both vectors at once.
        const __m512i rounded = _mm512_max_epi16((__m512i)_mm512_cvtne2ps_pbh(high, low), _mm512_setzero_si512());
        _mm512_storeu_si512(out + row * stride + column / 2, rounded);
    }
};
#endif
