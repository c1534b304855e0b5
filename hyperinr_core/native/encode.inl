// Hash encoding: whole rows of a grid without gathers, scattered points with them, and the gradient of the tables.
//
// Both ways do the same arithmetic: a vertex's (y, z) corners are summed in one order, then one lerp in x. So a point
// has the same features bit for bit whether it is sampled alone, in a row, or in a part of a row.

constexpr uint32_t kPrimeY = 2654435761u, kPrimeZ = 805459861u;

// ---- the features of one vertex ----
#if defined(HINR_AVX2) || defined(HINR_AVX512)
template <int F> struct Features { using type = __m128; };
template <> struct Features<8> { using type = __m256; };
HINR_INLINE __m128 splat(float a, __m128) { return _mm_set1_ps(a); }
HINR_INLINE __m256 splat(float a, __m256) { return _mm256_set1_ps(a); }
HINR_INLINE __m128 madd(__m128 a, __m128 b, __m128 c) { return _mm_fmadd_ps(a, b, c); }
HINR_INLINE __m128 mul(__m128 a, __m128 b) { return _mm_mul_ps(a, b); }
HINR_INLINE __m128 sub(__m128 a, __m128 b) { return _mm_sub_ps(a, b); }
#if defined(HINR_AVX512)
HINR_INLINE __m256 madd(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
HINR_INLINE __m256 mul(__m256 a, __m256 b) { return _mm256_mul_ps(a, b); }
#endif
HINR_INLINE __m256 sub(__m256 a, __m256 b) { return _mm256_sub_ps(a, b); }
template <int F, class T> HINR_INLINE typename Features<F>::type load_features(const T *p) {
    constexpr bool half = sizeof(T) == 2;
    if constexpr (F == 8) {
        if constexpr (half) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
        else return _mm256_loadu_ps(p);
    } else if constexpr (F == 4) {
        if constexpr (half) return _mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)p));
        else return _mm_loadu_ps(p);
    } else if constexpr (F == 2) {
        if constexpr (half) return _mm_cvtph_ps(_mm_loadu_si32(p));
        else return _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)p));
    } else {
        if constexpr (half) return _mm_cvtph_ps(_mm_loadu_si16(p));
        else return _mm_load_ss(p);
    }
}
template <int F> HINR_INLINE void store_features(float *p, typename Features<F>::type a) {
    if constexpr (F == 8) _mm256_storeu_ps(p, a);
    else if constexpr (F == 4) _mm_storeu_ps(p, a);
    else if constexpr (F == 2) _mm_storel_epi64((__m128i *)p, _mm_castps_si128(a));
    else _mm_store_ss(p, a);
}
#elif defined(HINR_NEON)
struct Eight { Vec low, high; };
template <int F> struct Features { using type = Vec; };
template <> struct Features<8> { using type = Eight; };
template <> struct Features<2> { using type = float32x2_t; };
template <> struct Features<1> { using type = float; };
HINR_INLINE float splat(float a, float) { return a; }
HINR_INLINE float mul(float a, float b) { return a * b; }
HINR_INLINE float sub(float a, float b) { return a - b; }
HINR_INLINE float32x2_t splat(float a, float32x2_t) { return vdup_n_f32(a); }
HINR_INLINE float32x2_t madd(float32x2_t a, float32x2_t b, float32x2_t c) { return vfma_f32(c, a, b); }
HINR_INLINE float32x2_t mul(float32x2_t a, float32x2_t b) { return vmul_f32(a, b); }
HINR_INLINE float32x2_t sub(float32x2_t a, float32x2_t b) { return vsub_f32(a, b); }
HINR_INLINE Vec splat(float a, Vec) { return set1(a); }
HINR_INLINE Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
HINR_INLINE Eight splat(float a, Eight) { return {set1(a), set1(a)}; }
HINR_INLINE Eight madd(Eight a, Eight b, Eight c) { return {madd(a.low, b.low, c.low), madd(a.high, b.high, c.high)}; }
HINR_INLINE Eight mul(Eight a, Eight b) { return {mul(a.low, b.low), mul(a.high, b.high)}; }
HINR_INLINE Eight sub(Eight a, Eight b) { return {sub(a.low, b.low), sub(a.high, b.high)}; }
template <int F> HINR_INLINE typename Features<F>::type load_features(const float *p) {
    if constexpr (F == 8) return {load(p), load(p + 4)};
    else if constexpr (F == 4) return load(p);
    else if constexpr (F == 2) return vld1_f32(p);
    else return *p;
}
template <int F> HINR_INLINE void store_features(float *p, typename Features<F>::type a) {
    if constexpr (F == 8) store(p, a.low), store(p + 4, a.high);
    else if constexpr (F == 4) store(p, a);
    else if constexpr (F == 2) vst1_f32(p, a);
    else *p = a;
}
#else
template <int F> struct Array { float lane[F]; };
template <int F> struct Features { using type = Array<F>; };
#define HINR_EACH(expression) do { Array<F> r; for (int i = 0; i < F; ++i) r.lane[i] = (expression); return r; } while (0)
template <int F> HINR_INLINE Array<F> splat(float a, Array<F>) { HINR_EACH(a); }
template <int F> HINR_INLINE Array<F> madd(Array<F> a, Array<F> b, Array<F> c) {
    HINR_EACH(madd(a.lane[i], b.lane[i], c.lane[i]));
}
template <int F> HINR_INLINE Array<F> mul(Array<F> a, Array<F> b) { HINR_EACH(a.lane[i] * b.lane[i]); }
template <int F> HINR_INLINE Array<F> sub(Array<F> a, Array<F> b) { HINR_EACH(a.lane[i] - b.lane[i]); }
template <int F, class T> HINR_INLINE Array<F> load_features(const T *p) { HINR_EACH(as_float(p[i])); }
template <int F> HINR_INLINE void store_features(float *p, Array<F> a) { memcpy(p, a.lane, sizeof a.lane); }
#undef HINR_EACH
#endif

// Lower vertex and fraction of coordinates in [0, 1] on a level.
HINR_INLINE void locate_one(float scale, float x, uint32_t &corner, float &fraction) {
#ifdef HINR_FAST_FMA
    const float position = madd(x, scale, 0.5f);
#else
    const float position = float(double(x) * double(scale) + 0.5);  // one rounding, as a fused multiply-add has
#endif
    const int32_t floor = int32_t(position);  // not below 0.5
    corner = uint32_t(floor);
    fraction = position - float(floor);
}
static void locate(float scale, const float *x, int64_t n, uint32_t *corner, float *fraction) {
    for (int64_t i = 0; i < n; ++i) locate_one(scale, x[i], corner[i], fraction[i]);
}

// The part of the index that y and z decide: combined with x by ^ in a hashed level, by + in a dense one.
template <bool Hashed> HINR_INLINE uint32_t yz_index(const Level &level, uint32_t y, uint32_t z) {
    return Hashed ? (y * kPrimeY) ^ (z * kPrimeZ) : (y + z * level.resolution) * level.resolution;
}

// ---- rows ----
// Corners of all vertices of a row's groups, summed over y (and z): group g to out[g * E * F ...].
template <int F, int N, class T>
HINR_INLINE void combine_level(const Level &level, const T *table, const float *weights, const uint32_t *bases,
                               const uint32_t *groups, int64_t n_groups, float *out) {
    constexpr uint32_t E = F >= W ? 1 : W / F;  // entries in a group: consecutive in x
    constexpr int V = F >= W ? F / W : 1;       // vectors in a group
    const T *entries = table + level.offset * F;
    if (level.hashed && level.size >= E) {
        // x is hashed by 1 and groups are aligned, so a group's entries are one aligned line in permuted order.
        const uint32_t mask = level.size - 1;
        uint32_t lines[N];
        Lanes lanes[N];
        Vec w[N];
        for (int j = 0; j < N; ++j) {
            lines[j] = bases[j] & mask & ~(E - 1);
            uint32_t lane[W];
            for (uint32_t i = 0; i < W; ++i) lane[i] = V > 1 ? i : ((i / F) ^ (bases[j] & (E - 1))) * F + i % F;
            lanes[j] = lanes_from(lane);
            w[j] = set1(weights[j]);
        }
        for (int64_t g = 0; g < n_groups; ++g) {
            const uint32_t x = groups[g] & mask;
            for (int v = 0; v < V; ++v) {
                Vec total = set1(0);
                for (int j = 0; j < N; ++j) {
                    const T *line = entries + size_t(x ^ lines[j]) * F + v * W;
                    const Vec entry = E > 1 ? permute(load(line), lanes[j]) : load(line);
                    total = j ? madd(w[j], entry, total) : mul(w[j], entry);
                }
                store(out + (g * V + v) * W, total);
            }
        }
        return;
    }
    for (int64_t g = 0; g < n_groups; ++g) {
        const uint32_t x = groups[g];
        bool inside = !level.hashed;
        for (int j = 0; j < N; ++j) inside = inside && bases[j] + x + E <= level.size;
        if (inside) {
            for (int v = 0; v < V; ++v) {
                Vec total = set1(0);
                for (int j = 0; j < N; ++j) {
                    const Vec entry = load(entries + int64_t(bases[j] + x) * F + v * W);
                    total = j ? madd(set1(weights[j]), entry, total) : mul(set1(weights[j]), entry);
                }
                store(out + (g * V + v) * W, total);
            }
        } else {  // at the level's end, where indices wrap
            for (uint32_t e = 0; e < E; ++e) {
                using Feature = typename Features<F>::type;
                Feature total = splat(0, Feature());
                for (int j = 0; j < N; ++j) {
                    const uint32_t index = (level.hashed ? bases[j] ^ (x + e) : bases[j] + x + e) % level.size;
                    const Feature entry = load_features<F>(entries + int64_t(index) * F);
                    const Feature weight = splat(weights[j], Feature());
                    total = j ? madd(weight, entry, total) : mul(weight, entry);
                }
                store_features<F>(out + (g * E + e) * F, total);
            }
        }
    }
}

template <int F, class T>
HINR_INLINE void combine_row(const Model &model, const T *table, const GridPlan &plan, int64_t row, float *buffer) {
    const bool volume = model.n_pos_dims == 3;
    for (int l = 0; l < model.n_levels; ++l) {
        const Level &level = model.levels[l];
        const LevelPlan &p = plan.levels[l];
        uint32_t y, z = 0;
        float fy, fz = 0;
        locate_one(level.scale, plan.y[row % plan.ny], y, fy);
        if (volume) locate_one(level.scale, plan.z[row / plan.ny], z, fz);
        const float wy[2] = {1 - fy, fy}, wz[2] = {1 - fz, fz};
        float weights[4];
        uint32_t bases[4];
        for (uint32_t j = 0; j < 4; ++j) {
            weights[j] = volume ? wy[j & 1] * wz[j >> 1] : wy[j & 1];
            const uint32_t corner_y = y + (j & 1), corner_z = z + (j >> 1);
            bases[j] = level.hashed ? yz_index<true>(level, corner_y, corner_z) : yz_index<false>(level, corner_y, corner_z);
        }
        float *out = buffer + p.row_offset;
        if (volume) combine_level<F, 4>(level, table, weights, bases, p.groups, p.n_groups, out);
        else combine_level<F, 2>(level, table, weights, bases, p.groups, p.n_groups, out);
    }
}

// Features of samples [begin, begin + n) of the row.
template <int F>
HINR_INLINE void lerp_row(const Model &model, const GridPlan &plan, const float *buffer, int64_t begin, int n,
                          float *features, int64_t stride) {
    for (int l = 0; l < model.n_levels; ++l) {
        const LevelPlan &p = plan.levels[l];
        const float *vertices = buffer + p.row_offset;
        const uint32_t *slots = p.slots + begin;
        const float *fractions = p.fractions + begin;
        for (int i = 0; i < n; ++i) {
            const auto lower = load_features<F>(vertices + slots[i]), upper = load_features<F>(vertices + slots[i] + F);
            store_features<F>(features + i * stride + l * F, madd(splat(fractions[i], lower), sub(upper, lower), lower));
        }
    }
}

// ---- scattered points ----
struct Located {
    uint32_t index[8][kBlock];  // entries of the corners: 2 * j for the lower x of corner j in (y, z), then the upper
    float weight[4][kBlock];    // of the corners in (y, z)
    float fraction[kBlock];     // in x
};

// The corners of a block of points on a level; coordinates (D, kBlock). Loops are kept simple enough to be vectorised.
template <int D, bool Hashed>
HINR_INLINE void locate_block(const Level &level, const float (*coordinates)[kBlock], int n, Located &at) {
    constexpr int N = D == 3 ? 4 : 2;
    const uint32_t mask = level.size - 1, size = level.size;
    const float scale = level.scale;
    uint32_t corner[3][kBlock], base[4][kBlock];
    float fraction[3][kBlock];
    for (int d = 0; d < D; ++d)
        for (int i = 0; i < n; ++i) locate_one(scale, coordinates[d][i], corner[d][i], fraction[d][i]);
    for (int i = 0; i < n; ++i) {
        const float fy = fraction[1][i], fz = D == 3 ? fraction[2][i] : 0;
        const float wy[2] = {1 - fy, fy}, wz[2] = {1 - fz, fz};
        at.fraction[i] = fraction[0][i];
        for (uint32_t j = 0; j < N; ++j) {
            at.weight[j][i] = D == 3 ? wy[j & 1] * wz[j >> 1] : wy[j & 1];
            base[j][i] = yz_index<Hashed>(level, corner[1][i] + (j & 1), D == 3 ? corner[2][i] + (j >> 1) : 0);
        }
    }
    for (uint32_t j = 0; j < N; ++j) {
        for (uint32_t k = 0; k < 2; ++k) {
            for (int i = 0; i < n; ++i) {
                const uint32_t x = corner[0][i] + k, dense = base[j][i] + x;
                // a dense index lies within two sizes, since points lie in [0, 1]
                at.index[2 * j + k][i] = Hashed ? (base[j][i] ^ x) & mask : dense - (dense >= size ? size : 0);
            }
        }
    }
}

// No inline function, as points and training, which call it at every level, need it once: it is most of their code.
template <int D>
static void locate_block(const Level &level, const float (*coordinates)[kBlock], int n, Located &at) {
    if (level.hashed) locate_block<D, true>(level, coordinates, n, at);
    else locate_block<D, false>(level, coordinates, n, at);
}

template <int D> HINR_INLINE void split_coordinates(const float *points, int n, float (*coordinates)[kBlock]) {
    for (int i = 0; i < n; ++i)
        for (int d = 0; d < D; ++d) coordinates[d][i] = points[i * D + d];
}

// A level that does not stay in the nearest cache is asked for while the one before is worked on.
template <int D, int F, class T> HINR_INLINE void prefetch(const Level &level, const T *table, const Located &at, int n) {
    if (level.size * sizeof(T) * F < (1 << 14)) return;
    const T *entries = table + level.offset * F;
    for (int j = 0; j < (D == 3 ? 8 : 4); ++j)
        for (int i = 0; i < n; ++i) HINR_PREFETCH(entries + size_t(at.index[j][i]) * F);
}

template <int D, int F, class T>
static void encode_points(const Model &model, const T *table, const float *points, int n, float *features,
                          int64_t stride) {
    using Feature = typename Features<F>::type;
    constexpr int N = D == 3 ? 4 : 2;
    float coordinates[D][kBlock];
    Located located[2];
    split_coordinates<D>(points, n, coordinates);
    locate_block<D>(model.levels[0], coordinates, n, located[0]);
    for (int l = 0; l < model.n_levels; ++l) {
        const Located &at = located[l & 1];
        if (l + 1 < model.n_levels) {
            locate_block<D>(model.levels[l + 1], coordinates, n, located[(l + 1) & 1]);
            prefetch<D, F>(model.levels[l + 1], table, located[(l + 1) & 1], n);
        }
        const T *entries = table + model.levels[l].offset * F;
        for (int i = 0; i < n; ++i) {
            Feature side[2];
            for (int k = 0; k < 2; ++k) {
                side[k] = mul(splat(at.weight[0][i], Feature()), load_features<F>(entries + size_t(at.index[k][i]) * F));
                for (int j = 1; j < N; ++j)
                    side[k] = madd(splat(at.weight[j][i], Feature()),
                                   load_features<F>(entries + size_t(at.index[2 * j + k][i]) * F), side[k]);
            }
            store_features<F>(features + i * stride + l * F,
                              madd(splat(at.fraction[i], Feature()), sub(side[1], side[0]), side[0]));
        }
    }
}

// Adds the gradient of one level's features (n, F) to that level's entries.
template <int D, int F>
HINR_INLINE void scatter_points(const Level &level, const float *points, const float *grad_features, int64_t n,
                                float *grad) {
    using Feature = typename Features<F>::type;
    constexpr int N = D == 3 ? 4 : 2;
    Located at;
    for (int64_t begin = 0; begin < n; begin += kBlock) {
        const int count = int(n - begin < kBlock ? n - begin : kBlock);
        float coordinates[D][kBlock];
        split_coordinates<D>(points + begin * D, count, coordinates);
        locate_block<D>(level, coordinates, count, at);
        for (int i = 0; i < count; ++i) {
            const Feature g = load_features<F>(grad_features + (begin + i) * F);
            const float side[2] = {1 - at.fraction[i], at.fraction[i]};
            for (int j = 0; j < N; ++j) {
                for (int k = 0; k < 2; ++k) {
                    float *entry = grad + int64_t(at.index[2 * j + k][i]) * F;
                    const Feature weight = splat(at.weight[j][i] * side[k], Feature());
                    store_features<F>(entry, madd(weight, g, load_features<F>(entry)));
                }
            }
        }
    }
}
