// Products of pairs of bfloat16 with float32 sums, a block of 32 by 32 at a time: by tiles, or by their model in plain C++, through which
// everything around them is tested where no processor has tiles. And blocks of sums rounded for the next product.

constexpr int kSide = 32;         // rows and columns of a block
constexpr int kPairs = kSide / 2; // numbers of a block's row, two in one

HINR_INLINE int64_t whole_blocks(int64_t n) { return (n + kSide - 1) / kSide * kSide; }

#if defined(HINR_TILES_MODEL)

#define HINR_TILES_HELD

HINR_INLINE uint32_t to_bfloat16(float value) {  // to nearest even
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 0x40;
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
HINR_INLINE float from_bfloat16(uint32_t half) {
    const uint32_t bits = half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
HINR_INLINE uint32_t to_pair(float even, float odd) { return to_bfloat16(even) | to_bfloat16(odd) << 16; }
HINR_INLINE float positive(float a) { return a > 0 ? a : 0; }

// sums (32, 32) of a (32, depth) times b (depth, 32); depth counts pairs, and is a multiple of kPairs.
static void multiply_block(const uint32_t *a, int64_t a_stride, int64_t depth, const uint32_t *b, int64_t b_stride, float *sums) {
    memset(sums, 0, kSide * kSide * sizeof(float));
    for (int r = 0; r < kSide; ++r)
        for (int64_t k = 0; k < depth; ++k) {
            const uint32_t x = a[r * a_stride + k], *row = b + k * b_stride;
            const float even = from_bfloat16(x & 0xffff), odd = from_bfloat16(x >> 16);
            for (int c = 0; c < kSide; ++c) {
                float &sum = sums[r * kSide + c];
                sum += even * from_bfloat16(row[c] & 0xffff);
                sum += odd * from_bfloat16(row[c] >> 16);
            }
        }
}

// One row of 32 numbers as pairs of neighbours, of two rows as pairs of what lies above each other.
template <bool Relu> HINR_INLINE void round_row(const float *row, uint32_t *out) {
    for (int i = 0; i < kPairs; ++i)
        out[i] = Relu ? to_pair(positive(row[2 * i]), positive(row[2 * i + 1])) : to_pair(row[2 * i], row[2 * i + 1]);
}
template <bool Relu> HINR_INLINE void round_rows(const float *even, const float *odd, uint32_t *out) {
    for (int i = 0; i < kSide; ++i) out[i] = Relu ? to_pair(positive(even[i]), positive(odd[i])) : to_pair(even[i], odd[i]);
}
HINR_INLINE void relu_row(const float *row, float *out) {
    for (int i = 0; i < kSide; ++i) out[i] = positive(row[i]);
}
// Zero where the 32 numbers of `pairs` are not positive.
HINR_INLINE void mask_row(float *row, const uint32_t *pairs) {
    for (int i = 0; i < kSide; ++i) {
        const uint32_t half = pairs[i / 2] >> 16 * (i % 2) & 0xffff;
        if (!(half && half < 0x8000)) row[i] = 0;
    }
}
// (kPairs, kPairs), to rows of `to_stride`.
HINR_INLINE void transpose(const uint32_t *from, int64_t stride, uint32_t *to, int64_t to_stride) {
    for (int i = 0; i < kPairs; ++i)
        for (int j = 0; j < kPairs; ++j) to[j * to_stride + i] = from[i * stride + j];
}

#else

// A thread's eight tiles, each 16 rows of 64 bytes, while it computes; given back they cost nothing where the system changes threads.
struct TileShapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
alignas(64) static const TileShapes kTileShapes = {
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
struct HeldTiles {
    HINR_INLINE HeldTiles() { _tile_loadconfig(&kTileShapes); }
    HINR_INLINE ~HeldTiles() { _tile_release(); }
};
#define HINR_TILES_HELD const HeldTiles tiles;

// sums (32, 32) of a (32, depth) times b (depth, 32); depth counts pairs, and is a multiple of kPairs.
HINR_INLINE void multiply_block(const uint32_t *a, int64_t a_stride, int64_t depth, const uint32_t *b, int64_t b_stride, float *sums) {
    __asm__ volatile("" ::: "memory");  // GCC does not know that tiles read memory
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t k = 0; k < depth; k += kPairs) {
        _tile_loadd(4, a + k, a_stride * 4);
        _tile_loadd(6, b + k * b_stride, b_stride * 4);
        _tile_loadd(7, b + k * b_stride + 16, b_stride * 4);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a + 16 * a_stride + k, a_stride * 4);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, kSide * 4);
    _tile_stored(1, sums + 16, kSide * 4);
    _tile_stored(2, sums + 16 * kSide, kSide * 4);
    _tile_stored(3, sums + 16 * kSide + 16, kSide * 4);
    __asm__ volatile("" ::: "memory");
}

// What lies in two vectors as one of bfloat16; negative ones are negative integers too, so that the ReLU takes both at once.
template <bool Relu> HINR_INLINE __m512i rounded(Vec low, Vec high) {
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    return Relu ? _mm512_max_epi16(both, _mm512_setzero_si512()) : both;
}
// One row of 32 numbers as pairs of neighbours, of two rows as pairs of what lies above each other.
template <bool Relu> HINR_INLINE void round_row(const float *row, uint32_t *out) {
    _mm512_storeu_si512(out, rounded<Relu>(load(row), load(row + W)));
}
template <bool Relu> HINR_INLINE void round_rows(const float *even, const float *odd, uint32_t *out) {
    alignas(64) static const uint16_t kLanes[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                                    8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i lanes = _mm512_load_si512(kLanes);
    for (int half = 0; half < 2; ++half)
        _mm512_storeu_si512(out + half * W, _mm512_permutexvar_epi16(lanes, rounded<Relu>(load(even + half * W), load(odd + half * W))));
}
HINR_INLINE void relu_row(const float *row, float *out) {
    store(out, relu(load(row)));
    store(out + W, relu(load(row + W)));
}
// Zero where the 32 numbers of `pairs` are not positive.
HINR_INLINE void mask_row(float *row, const uint32_t *pairs) {
    const __mmask32 above = _mm512_cmpgt_epi16_mask(_mm512_loadu_si512(pairs), _mm512_setzero_si512());
    store(row, _mm512_maskz_mov_ps(__mmask16(above), load(row)));
    store(row + W, _mm512_maskz_mov_ps(__mmask16(above >> 16), load(row + W)));
}
// (kPairs, kPairs), to rows of `to_stride`: pairs of rows, of those, and so on change places.
HINR_INLINE void transpose(const uint32_t *from, int64_t stride, uint32_t *to, int64_t to_stride) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(from + i * stride);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; ++j) {  // a[i + c]: column c of each quarter, of four rows
            a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + j + 2]);
            a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + j + 2]);
        }
    for (int i = 0; i < 16; i += 8)
        for (int c = 0; c < 4; ++c) {  // quarters 0 and 2, and 1 and 3, of eight rows
            b[i + c] = _mm512_shuffle_i32x4(a[i + c], a[i + c + 4], 0x88);
            b[i + c + 4] = _mm512_shuffle_i32x4(a[i + c], a[i + c + 4], 0xdd);
        }
    for (int c = 0; c < 4; ++c)
        for (int odd = 0; odd < 2; ++odd) {
            const __m512i upper = b[c + 4 * odd], lower = b[8 + c + 4 * odd];
            _mm512_storeu_si512(to + (c + 4 * odd) * to_stride, _mm512_shuffle_i32x4(upper, lower, 0x88));
            _mm512_storeu_si512(to + (c + 4 * odd + 8) * to_stride, _mm512_shuffle_i32x4(upper, lower, 0xdd));
        }
}

#endif

// All of a times b, block by block to out(row, column, sums), which may change the sums; rows and columns are multiples of kSide.
template <class Out>
HINR_INLINE void multiply_blocks(const uint32_t *a, int64_t a_stride, int64_t depth, int64_t n_rows, const uint32_t *b,
                                 int64_t n_columns, const Out &out) {
    alignas(64) float sums[kSide * kSide];
    for (int64_t row = 0; row < n_rows; row += kSide)
        for (int64_t column = 0; column < n_columns; column += kSide) {
            multiply_block(a + row * a_stride, a_stride, depth, b + column, n_columns, sums);
            out(row, column, sums);
        }
}

// A block as pairs of neighbours in a row, in rows of `to_stride`.
template <bool Relu> HINR_INLINE void round_block(const float *from, int64_t stride, uint32_t *to, int64_t to_stride) {
    for (int r = 0; r < kSide; ++r) round_row<Relu>(from + r * stride, to + r * to_stride);
}
// A block as pairs of rows.
template <bool Relu> HINR_INLINE void pair_block(const float *from, int64_t stride, uint32_t *to, int64_t to_stride) {
    for (int r = 0; r < kPairs; ++r) round_rows<Relu>(from + 2 * r * stride, from + (2 * r + 1) * stride, to + r * to_stride);
}

// Where blocks of sums go.
struct ReluPairs {
    uint32_t *out;
    int64_t stride;
    HINR_INLINE void operator()(int64_t row, int64_t column, const float *sums) const {
        round_block<true>(sums, kSide, out + row * stride + column / 2, stride);
    }
};
struct ReluFloats {
    float *out;
    int64_t stride;
    HINR_INLINE void operator()(int64_t row, int64_t column, const float *sums) const {
        for (int r = 0; r < kSide; ++r) relu_row(sums + r * kSide, out + (row + r) * stride + column);
    }
};
