// The rows of optical flow, for one instruction set. A unit defines HINR_UNIT, HINR_FLOW_KERNELS and, where it has them,
// HINR_AVX2, HINR_AVX512 or HINR_NEON; then it includes this file. Each value is computed by the same operations wherever it lies in a
// row, so neither vectors nor threads change a bit.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "flow_kernels.h"

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

HINR_INLINE float madd(float a, float b, float c) {
#if defined(HINR_FAST_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

#include "simd.inl"

// The point before a position, in the padded volume, and the fraction after it.
struct Place {
    int64_t whole;
    float fraction;
};

HINR_INLINE Place place_of(float p, int64_t n, bool wraps) {
    const float length = float(n);
    if (wraps) {
        const float turns = p / length;
        int64_t whole_turns = int64_t(turns);
        if (float(whole_turns) > turns) --whole_turns;
        p -= length * float(whole_turns);
    } else {
        p = p > 0.0f ? p : 0.0f;  // NaN, which nothing here makes, would become the first point
        p = p < length - 1.0f ? p : length - 1.0f;
    }
    const int64_t whole = int64_t(p);
    return {whole + kFlowPad, p - float(whole)};
}

HINR_INLINE void cubic_weights(float f, float *w) {
    const float g = 1.0f - f, f2 = f * f, f3 = f2 * f;
    w[0] = g * g * g * (1.0f / 6.0f);
    w[1] = (3.0f * f3 - 6.0f * f2 + 4.0f) * (1.0f / 6.0f);
    w[2] = (3.0f * (f + f2 - f3) + 1.0f) * (1.0f / 6.0f);
    w[3] = f3 * (1.0f / 6.0f);
}

template <bool kPlane> void sample_cubic(const FlowVolume &v, const float *z, const float *y, const float *x, int64_t n,
                                         float *out) {
    for (int64_t i = 0; i < n; ++i) {
        const Place px = place_of(x[i], v.axes.n[2], v.axes.wraps[2]), py = place_of(y[i], v.axes.n[1], v.axes.wraps[1]);
        float wx[4], wy[4], wz[4] = {1.0f, 0.0f, 0.0f, 0.0f};
        cubic_weights(px.fraction, wx);
        cubic_weights(py.fraction, wy);
        const float *corner = v.padded + (py.whole - 1) * v.row + px.whole - 1;
        if (!kPlane) {
            const Place pz = place_of(z[i], v.axes.n[0], v.axes.wraps[0]);
            cubic_weights(pz.fraction, wz);
            corner += (pz.whole - 1) * v.plane;
        }
        float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int c = 0; c < (kPlane ? 1 : 4); ++c)
            for (int b = 0; b < 4; ++b) {
                const float weight = wz[c] * wy[b];
                const float *row = corner + c * v.plane + b * v.row;
                for (int a = 0; a < 4; ++a) sums[a] = madd(weight, row[a], sums[a]);
            }
        out[i] = (sums[0] * wx[0] + sums[1] * wx[1]) + (sums[2] * wx[2] + sums[3] * wx[3]);
    }
}

// Of cubic_weights, by f.
HINR_INLINE void cubic_slopes(float f, float *w) {
    const float g = 1.0f - f;
    w[0] = -0.5f * g * g;
    w[1] = f * (1.5f * f - 2.0f);
    w[2] = 0.5f + f * (1.0f - 1.5f * f);
    w[3] = 0.5f * f * f;
}

template <bool kPlane> void slopes_cubic(const FlowVolume &v, const float *z, const float *y, const float *x, int64_t n,
                                         float *const *out) {
    for (int64_t i = 0; i < n; ++i) {
        const Place px = place_of(x[i], v.axes.n[2], v.axes.wraps[2]), py = place_of(y[i], v.axes.n[1], v.axes.wraps[1]);
        float wx[4], wy[4], wz[4] = {1.0f, 0.0f, 0.0f, 0.0f}, dx[4], dy[4], dz[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        cubic_weights(px.fraction, wx);
        cubic_weights(py.fraction, wy);
        cubic_slopes(px.fraction, dx);
        cubic_slopes(py.fraction, dy);
        const float *corner = v.padded + (py.whole - 1) * v.row + px.whole - 1;
        if (!kPlane) {
            const Place pz = place_of(z[i], v.axes.n[0], v.axes.wraps[0]);
            cubic_weights(pz.fraction, wz);
            cubic_slopes(pz.fraction, dz);
            corner += (pz.whole - 1) * v.plane;
        }
        float sums[4] = {}, along_y[4] = {}, along_z[4] = {};
        for (int c = 0; c < (kPlane ? 1 : 4); ++c)
            for (int b = 0; b < 4; ++b) {
                const float weight = wz[c] * wy[b], weight_y = wz[c] * dy[b], weight_z = dz[c] * wy[b];
                const float *row = corner + c * v.plane + b * v.row;
                for (int a = 0; a < 4; ++a) {
                    sums[a] = madd(weight, row[a], sums[a]);
                    along_y[a] = madd(weight_y, row[a], along_y[a]);
                    if (!kPlane) along_z[a] = madd(weight_z, row[a], along_z[a]);
                }
            }
        const auto sum = [](const float *s, const float *w) { return (s[0] * w[0] + s[1] * w[1]) + (s[2] * w[2] + s[3] * w[3]); };
        out[0][i] = sum(sums, wx);
        out[1][i] = kPlane ? 0.0f : sum(along_z, wx);
        out[2][i] = sum(along_y, wx);
        out[3][i] = sum(sums, dx);
    }
}

template <bool kPlane> void sample_linear(const FlowVolume &v, const float *z, const float *y, const float *x, int64_t n,
                                          float *out) {
    for (int64_t i = 0; i < n; ++i) {
        const Place px = place_of(x[i], v.axes.n[2], v.axes.wraps[2]), py = place_of(y[i], v.axes.n[1], v.axes.wraps[1]);
        const float *corner = v.padded + py.whole * v.row + px.whole;
        const float gx = 1.0f - px.fraction, gy = 1.0f - py.fraction;
        if (kPlane) {
            out[i] = gy * (gx * corner[0] + px.fraction * corner[1]) +
                     py.fraction * (gx * corner[v.row] + px.fraction * corner[v.row + 1]);
            continue;
        }
        const Place pz = place_of(z[i], v.axes.n[0], v.axes.wraps[0]);
        corner += pz.whole * v.plane;
        float part[2];
        for (int c = 0; c < 2; ++c, corner += v.plane)
            part[c] = gy * (gx * corner[0] + px.fraction * corner[1]) +
                      py.fraction * (gx * corner[v.row] + px.fraction * corner[v.row + 1]);
        out[i] = (1.0f - pz.fraction) * part[0] + pz.fraction * part[1];
    }
}

static void sample(const FlowVolume &v, const float *z, const float *y, const float *x, int64_t n, float *out) {
    const bool plane = v.axes.n[0] == 1;
    if (v.cubic) plane ? sample_cubic<true>(v, z, y, x, n, out) : sample_cubic<false>(v, z, y, x, n, out);
    else plane ? sample_linear<true>(v, z, y, x, n, out) : sample_linear<false>(v, z, y, x, n, out);
}

static void slopes(const FlowVolume &v, const float *z, const float *y, const float *x, int64_t n, float *const *out) {
    v.axes.n[0] == 1 ? slopes_cubic<true>(v, z, y, x, n, out) : slopes_cubic<false>(v, z, y, x, n, out);
}

// out[i] = sum of weights[k] * row_at(k)[i], as many at a time as registers hold.
template <class RowAt> HINR_INLINE void weighted_sum(const RowAt &row_at, const float *weights, int64_t count, int64_t n, float *out) {
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) {
        Vec a = set1(0), b = set1(0), c = set1(0), d = set1(0);
        for (int64_t k = 0; k < count; ++k) {
            const float *row = row_at(k) + i;
            const Vec weight = set1(weights[k]);
            a = madd(weight, load(row), a);
            b = madd(weight, load(row + W), b);
            c = madd(weight, load(row + 2 * W), c);
            d = madd(weight, load(row + 3 * W), d);
        }
        store(out + i, a);
        store(out + i + W, b);
        store(out + i + 2 * W, c);
        store(out + i + 3 * W, d);
    }
    for (; i + W <= n; i += W) {
        Vec a = set1(0);
        for (int64_t k = 0; k < count; ++k) a = madd(set1(weights[k]), load(row_at(k) + i), a);
        store(out + i, a);
    }
    for (; i < n; ++i) {
        float a = 0;
        for (int64_t k = 0; k < count; ++k) a = madd(weights[k], row_at(k)[i], a);
        out[i] = a;
    }
}

static void combine(const float *const *rows, const float *weights, int64_t n_rows, int64_t n, float *out) {
    weighted_sum([rows](int64_t k) { return rows[k]; }, weights, n_rows, n, out);
}

static void smooth(const float *row, const float *weights, int64_t n_weights, int64_t n, float *out) {
    weighted_sum([row](int64_t k) { return row + k; }, weights, n_weights, n, out);
}

// Lanes of rows: a vector, or one float at a row's end, by the same operations.
struct Wide {
    using Value = Vec;
    static constexpr int64_t kSize = W;
    static HINR_INLINE Vec load_from(const float *p) { return load(p); }
    static HINR_INLINE void store_to(float *p, Vec a) { store(p, a); }
    static HINR_INLINE Vec product(Vec a, Vec b) { return mul(a, b); }
    static HINR_INLINE Vec quotient(Vec a, Vec b) { return div(a, b); }
    static HINR_INLINE Vec sum_of(Vec a, Vec b) { return add(a, b); }
    static HINR_INLINE Vec fused(Vec a, Vec b, Vec c) { return madd(a, b, c); }
    static HINR_INLINE Vec of(float a) { return set1(a); }
};
struct Single {
    using Value = float;
    static constexpr int64_t kSize = 1;
    static HINR_INLINE float load_from(const float *p) { return *p; }
    static HINR_INLINE void store_to(float *p, float a) { *p = a; }
    static HINR_INLINE float product(float a, float b) { return a * b; }
    static HINR_INLINE float quotient(float a, float b) { return a / b; }
    static HINR_INLINE float sum_of(float a, float b) { return a + b; }
    static HINR_INLINE float fused(float a, float b, float c) { return madd(a, b, c); }
    static HINR_INLINE float of(float a) { return a; }
};

template <class L, int D> HINR_INLINE void equations_at(int64_t i, const float *const *slopes, const float *change,
                                                        const float *const *motion, float *const *matrix, float *const *right) {
    typename L::Value g[D], r = L::load_from(change + i);
    for (int a = 0; a < D; ++a) {
        g[a] = L::load_from(slopes[a] + i);
        r = L::fused(g[a], L::load_from(motion[a] + i), r);
    }
    for (int a = 0, p = 0; a < D; ++a) {
        for (int b = a; b < D; ++b, ++p) L::store_to(matrix[p] + i, L::fused(g[a], g[b], L::load_from(matrix[p] + i)));
        L::store_to(right[a] + i, L::fused(g[a], r, L::load_from(right[a] + i)));
    }
}

template <int D> void equations_of(const float *const *slopes, const float *change, const float *const *motion, int64_t n,
                                   float *const *matrix, float *const *right) {
    int64_t i = 0;
    for (; i + W <= n; i += W) equations_at<Wide, D>(i, slopes, change, motion, matrix, right);
    for (; i < n; ++i) equations_at<Single, D>(i, slopes, change, motion, matrix, right);
}

static void equations(int n_axes, const float *const *slopes, const float *change, const float *const *motion, int64_t n,
                      float *const *matrix, float *const *right) {
    if (n_axes == 3) equations_of<3>(slopes, change, motion, n, matrix, right);
    else equations_of<2>(slopes, change, motion, n, matrix, right);
}

// Gaussian elimination; symmetric and positive definite, so no pivots are needed.
template <class L, int D> HINR_INLINE void solve_at(int64_t i, float *const *matrix, float *const *right, float pull,
                                                    float *const *motion) {
    typename L::Value m[D][D], r[D];
    for (int a = 0, p = 0; a < D; ++a) {
        r[a] = L::load_from(right[a] + i);
        for (int b = a; b < D; ++b, ++p) m[a][b] = L::load_from(matrix[p] + i);
        m[a][a] = L::sum_of(m[a][a], L::of(pull));
    }
    for (int a = 0; a < D; ++a)
        for (int b = a + 1; b < D; ++b) {
            const typename L::Value factor = L::product(L::quotient(m[a][b], m[a][a]), L::of(-1.0f));
            for (int c = b; c < D; ++c) m[b][c] = L::fused(factor, m[a][c], m[b][c]);
            r[b] = L::fused(factor, r[a], r[b]);
        }
    for (int a = D - 1; a >= 0; --a) {
        for (int b = a + 1; b < D; ++b) r[a] = L::fused(L::product(m[a][b], L::of(-1.0f)), r[b], r[a]);
        r[a] = L::quotient(r[a], m[a][a]);
        L::store_to(motion[a] + i, r[a]);
    }
}

template <int D> void solve_of(float *const *matrix, float *const *right, float pull, int64_t n, float *const *motion) {
    int64_t i = 0;
    for (; i + W <= n; i += W) solve_at<Wide, D>(i, matrix, right, pull, motion);
    for (; i < n; ++i) solve_at<Single, D>(i, matrix, right, pull, motion);
}

static void solve(int n_axes, float *const *matrix, float *const *right, float pull, int64_t n, float *const *motion) {
    if (n_axes == 3) solve_of<3>(matrix, right, pull, n, motion);
    else solve_of<2>(matrix, right, pull, n, motion);
}

#include "groups.inl"
#include "lattice.inl"
#include "carry.inl"

}  // namespace HINR_UNIT

const FlowKernels HINR_FLOW_KERNELS = {HINR_UNIT::sample, HINR_UNIT::slopes, HINR_UNIT::combine, HINR_UNIT::smooth,
                                       HINR_UNIT::equations, HINR_UNIT::solve, HINR_UNIT::channels, HINR_UNIT::now,
                                       HINR_UNIT::carry_rows, HINR_UNIT::carry_points};

}  // namespace hinr
