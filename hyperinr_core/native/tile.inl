// Matrix products whose sums stay in registers: kTileRows rows by a few vectors of columns at a time.
//
// The sums are named variables: GCC 12 spills accumulators that live in an array, which takes twice as long.
// Every sum adds its products in the order of the steps, whatever tile it lies in, so that a sample's value
// does not depend on its neighbours.

#if defined(HINR_AVX512)
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

// epilogue(row, column, sums) for rows 0 to 5 and G vectors of columns of a * b,
// where a(row, step) lies at a[row * row_stride + step * step_stride] and b(step, column) at b[step * ldb + column].
template <int G, class M, class Epilogue>
HINR_INLINE void tile(const typename M::Elem *a, int64_t row_stride, int64_t step_stride, int64_t steps,
                      const typename M::Elem *b, int64_t ldb, const Epilogue &epilogue) {
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
    epilogue(r, 0, s##r##0); \
    if constexpr (G > 1) epilogue(r, W, s##r##1); \
    if constexpr (G > 2) epilogue(r, 2 * W, s##r##2); \
    if constexpr (G > 3) epilogue(r, 3 * W, s##r##3);
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

// epilogue(row, column, sums) for all of a * b; n_rows is rounded up to whole tiles, n_columns is a multiple of kPad.
template <class M, class Epilogue>
HINR_INLINE void multiply(const typename M::Elem *a, int64_t row_stride, int64_t step_stride, int64_t steps, int n_rows,
                          const typename M::Elem *b, int n_columns, const Epilogue &epilogue) {
    for (int row = 0; row < n_rows; row += kTileRows) {
        const auto *from = a + row * row_stride;
        for (int column = 0; column < n_columns; column += kChunk) {
            const auto emit = [&](int r, int c, Vec sums) HINR_LAMBDA { epilogue(row + r, column + c, sums); };
            const int groups = (n_columns - column) / W;
            if (groups >= kGroups)
                tile<kGroups, M>(from, row_stride, step_stride, steps, b + column, n_columns, emit);
            else if constexpr (kGroups == 4) {
                if (groups == 3)
                    tile<3, M>(from, row_stride, step_stride, steps, b + column, n_columns, emit);
                else if (groups == 2)
                    tile<2, M>(from, row_stride, step_stride, steps, b + column, n_columns, emit);
                else
                    tile<1, M>(from, row_stride, step_stride, steps, b + column, n_columns, emit);
            }
        }
    }
}

// Where a layer's sums go after the ReLU.
struct ReluFloat32 {
    float *out;
    int64_t stride;
    HINR_INLINE void operator()(int row, int column, Vec sums) const { store(out + row * stride + column, relu(sums)); }
};
struct PlainFloat32 {
    float *out;
    int64_t stride;
    HINR_INLINE void operator()(int row, int column, Vec sums) const { store(out + row * stride + column, sums); }
};
#ifdef HINR_BF16
HINR_INLINE void store_bf16(uint32_t *p, Vec a) { _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh(a)); }
struct ReluBFloat16 {
    uint32_t *out;
    int64_t stride;
    HINR_INLINE void operator()(int row, int column, Vec sums) const {
        store_bf16(out + row * stride + column / 2, relu(sums));
    }
};
#endif
