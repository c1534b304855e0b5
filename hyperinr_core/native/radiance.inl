// Rays through a sparse grid of voxels, for one instruction set. A unit defines HINR_UNIT, HINR_RADIANCE_KERNELS and, where
// it has them, HINR_AVX2, HINR_AVX512 or HINR_NEON; then it includes this file.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "radiance_kernels.h"

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

constexpr float kOpaque = 1e-3f;  // light that is left where a ray ends
constexpr float kMostLog = 4.0f;  // a density's logarithm counts up to here
constexpr int kVecs = kLine / W;

// exp(x) for x of -80 to 80, to 2e-7 of it: 2^whole by the exponent's bits, 2^rest by its series.
HINR_INLINE float exponential(float x) {
    const float t = (x < -80.0f ? -80.0f : x) * 1.44269504f;
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number, which its low bits then hold
    const float shifted = t + magic;
    const float rest = t - (shifted - magic);
    float p = madd(rest, 1.5403530e-4f, 1.3333558e-3f);
    p = madd(p, rest, 9.6181291e-3f);
    p = madd(p, rest, 5.5504109e-2f);
    p = madd(p, rest, 2.4022651e-1f);
    p = madd(p, rest, 6.9314718e-1f);
    p = madd(p, rest, 1.0f);
    uint32_t exponent, bits;
    memcpy(&exponent, &shifted, 4);
    memcpy(&bits, &p, 4);
    bits += exponent << 23;
    memcpy(&p, &bits, 4);
    return p;
}

struct Line {
    Vec part[kVecs];
};
HINR_INLINE Line load_line(const float *p) {
    Line line;
    for (int k = 0; k < kVecs; ++k) line.part[k] = load(p + k * W);
    return line;
}

// An empty voxel: no colour, and next to no density.
alignas(64) const float kEmptyLine[kLine] = {0, 0, 0, -10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

// 1 beside the colours and the density, a direction's parts beside the others.
struct Basis {
    Line line;
    explicit HINR_INLINE Basis(const float *towards) {
        float numbers[kLine];
        for (int c = 0; c < 4; ++c) {
            numbers[c] = 1;
            for (int k = 0; k < 3; ++k) numbers[4 * (k + 1) + c] = c < 3 ? towards[k] : 0.0f;
        }
        line = load_line(numbers);
    }
};

// The four sums of a line's numbers that stand four apart.
HINR_INLINE void fold(const Line &line, float *out) {
#if defined(HINR_AVX512)
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(line.part[0]), _mm512_extractf32x8_ps(line.part[0], 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
#elif defined(HINR_AVX2)
    const __m256 half = _mm256_add_ps(line.part[0], line.part[1]);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
#else
    store(out, add(add(line.part[0], line.part[2]), add(line.part[1], line.part[3])));
#endif
}

// A line that repeats four numbers.
HINR_INLINE Line repeated(const float *four) {
    Line line;
#if defined(HINR_AVX512)
    line.part[0] = _mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(four));
#elif defined(HINR_AVX2)
    line.part[0] = line.part[1] = _mm256_broadcast_ps((const __m128 *)four);
#else
    for (int k = 0; k < kVecs; ++k) line.part[k] = load(four);
#endif
    return line;
}

// Places of the eight corners of a cell, in voxels of the stored blocks; -1 for what is not stored.
struct Corners {
    int64_t at[8];
    HINR_INLINE Corners(const VoxelGrid &grid, int64_t x, int64_t y, int64_t z) {
        const int64_t by = grid.blocks[0], bz = grid.blocks[0] * grid.blocks[1];
        const int32_t *block = grid.index + (z >> 2) * bz + (y >> 2) * by + (x >> 2);
        const int64_t inside = (z & 3) * 16 + (y & 3) * 4 + (x & 3);
        if ((x & 3) < 3 && (y & 3) < 3 && (z & 3) < 3) {
            const int64_t first = *block < 0 ? -kVoxels : *block * kVoxels + inside;
            for (int k = 0; k < 8; ++k) at[k] = first + (k & 1) + (k >> 1 & 1) * 4 + (k >> 2) * 16;
            return;
        }
        const int64_t step[3] = {(x & 3) < 3 ? 1 : -3, (y & 3) < 3 ? 4 : -12, (z & 3) < 3 ? 16 : -48};
        const int64_t next[3] = {step[0] < 0, step[1] < 0 ? by : 0, step[2] < 0 ? bz : 0};
        for (int k = 0; k < 8; ++k) {
            int64_t place = inside, which = 0;
            for (int a = 0; a < 3; ++a)
                if (k >> a & 1) place += step[a], which += next[a];
            at[k] = block[which] < 0 ? -kVoxels : block[which] * kVoxels + place;
        }
    }
};

HINR_INLINE void weights_of(const float *f, float *weights) {
    const float x0 = 1 - f[0], y0 = 1 - f[1], z0 = 1 - f[2];
    const float a = y0 * z0, b = f[1] * z0, c = y0 * f[2], d = f[1] * f[2];
    weights[0] = x0 * a; weights[1] = f[0] * a; weights[2] = x0 * b; weights[3] = f[0] * b;
    weights[4] = x0 * c; weights[5] = f[0] * c; weights[6] = x0 * d; weights[7] = f[0] * d;
}

HINR_INLINE Line blended(const VoxelGrid &grid, const Corners &corners, const float *fraction) {
    float weights[8];
    weights_of(fraction, weights);
    Line sum;
    for (int k = 0; k < kVecs; ++k) sum.part[k] = set1(0);
    for (int corner = 0; corner < 8; ++corner) {
        const int64_t at = corners.at[corner];
        const float *line = at < 0 ? kEmptyLine : grid.values + at * kLine;
        const Vec weight = set1(weights[corner]);
        for (int k = 0; k < kVecs; ++k) sum.part[k] = madd(weight, load(line + k * W), sum.part[k]);
    }
    return sum;
}

// Where a ray is inside of the grid, in lengths along it; false where it passes by.
HINR_INLINE bool clip(const VoxelGrid &grid, const RadianceRay &ray, float &begin, float &end) {
    begin = 0;
    end = 1e30f;
    for (int a = 0; a < 3; ++a) {
        const float high = float(grid.dims[a] - 1);
        if (ray.direction[a] == 0) {
            if (!(ray.origin[a] >= 0 && ray.origin[a] <= high)) return false;
            continue;
        }
        const float inverse = 1 / ray.direction[a];
        const float t0 = -ray.origin[a] * inverse, t1 = (high - ray.origin[a]) * inverse;
        begin = fmaxf(begin, fminf(t0, t1));
        end = fminf(end, fmaxf(t0, t1));
    }
    return begin < end;
}

// Calls visit(cell, fraction, length) at each step of a ray inside of stored blocks, until it returns false.
template <class Visit> HINR_INLINE void march(const VoxelGrid &grid, const RadianceRay &ray, const Visit &visit) {
    float begin, end;
    if (!clip(grid, ray, begin, end)) return;
    float inverse[3];
    for (int a = 0; a < 3; ++a) inverse[a] = ray.direction[a] == 0 ? 1e30f : 1 / ray.direction[a];
    for (int64_t k = 0; k < kMostSamples;) {
        const float t = begin + (float(k) + ray.offset);
        if (!(t < end)) return;
        int64_t cell[3];
        float place[3], fraction[3];
        for (int a = 0; a < 3; ++a) {
            place[a] = madd(t, ray.direction[a], ray.origin[a]);
            const float most = float(grid.dims[a] - 1);
            place[a] = place[a] < 0 ? 0 : place[a] > most ? most : place[a];
            cell[a] = int64_t(place[a]);
            if (cell[a] > grid.dims[a] - 2) cell[a] = grid.dims[a] - 2;
            fraction[a] = place[a] - float(cell[a]);
        }
        const int64_t apart =
            grid.apart[((cell[2] >> 2) * grid.blocks[1] + (cell[1] >> 2)) * grid.blocks[0] + (cell[0] >> 2)];
        if (apart) {  // on to the end of the cube of blocks that is empty
            float leave = 1e30f;
            for (int a = 0; a < 3; ++a) {
                const int64_t block = cell[a] >> 2;
                const float wall = float(4 * (ray.direction[a] > 0 ? block + apart : block - apart + 1));
                if (ray.direction[a] != 0) leave = fminf(leave, (wall - place[a]) * inverse[a]);
            }
            const int64_t skipped = int64_t(ceilf(leave));
            k += skipped > 1 ? skipped : 1;
            continue;
        }
        ++k;
        if (!visit(cell, fraction, t)) return;
    }
}

static void see(const VoxelGrid &grid, const RadianceRay &ray, RadianceSeen &seen) {
    const Basis basis(ray.towards);
    float clear = 1;
    seen = {};
    march(grid, ray, [&](const int64_t *cell, const float *fraction, float t) {
        Line line = blended(grid, Corners(grid, cell[0], cell[1], cell[2]), fraction);
        for (int k = 0; k < kVecs; ++k) line.part[k] = mul(line.part[k], basis.line.part[k]);
        float color[4];
        fold(line, color);
        const float after = clear * exponential(-exponential(fminf(color[3], kMostLog)));
        const float share = clear - after;
        for (int c = 0; c < 3; ++c) seen.color[c] = madd(share, color[c], seen.color[c]);
        seen.depth = madd(share, t, seen.depth);
        clear = after;
        return clear > kOpaque;
    });
    seen.color[3] = 1 - clear;
}

static int64_t learn(const VoxelGrid &grid, const RadianceRay &ray, const RadianceTarget &target,
                     RadianceSample *samples, double &loss) {
    struct Passed {
        float color[4], depth, after;
    };
    Passed passed[kMostSamples];
    const Basis basis(ray.towards);
    float clear = 1, sums[4] = {};
    int64_t n = 0;
    march(grid, ray, [&](const int64_t *cell, const float *fraction, float) {
        Line line = blended(grid, Corners(grid, cell[0], cell[1], cell[2]), fraction);
        for (int k = 0; k < kVecs; ++k) line.part[k] = mul(line.part[k], basis.line.part[k]);
        Passed &here = passed[n];
        fold(line, here.color);
        here.depth = exponential(fminf(here.color[3], kMostLog));
        here.after = clear * exponential(-here.depth);
        here.color[3] = 1;
        for (int c = 0; c < 4; ++c) sums[c] = madd(clear - here.after, here.color[c], sums[c]);
        clear = here.after;
        RadianceSample &sample = samples[n++];
        memcpy(sample.fraction, fraction, sizeof sample.fraction);
        sample.cell = uint32_t(cell[0] | cell[1] << 10 | cell[2] << 20);
        return clear > kOpaque;
    });
    float slope[4];
    for (int c = 0; c < 4; ++c) {
        sums[c] = madd(clear, target.background[c], sums[c]);
        const float error = sums[c] - target.color[c];
        loss += double(target.scale[c] * error * error);
        slope[c] = 2 * target.scale[c] * error;
    }
    float before = 1, left[4];  // what comes from behind the sample
    memcpy(left, sums, sizeof left);
    for (int64_t i = 0; i < n; ++i) {
        const Passed &here = passed[i];
        const float share = before - here.after;
        float by_depth = 0;
        for (int c = 0; c < 4; ++c) {
            left[c] -= share * here.color[c];
            by_depth = madd(slope[c], here.after * here.color[c] - left[c], by_depth);
            samples[i].gradient[c] = share * slope[c];
        }
        samples[i].gradient[3] = by_depth * here.depth;
        before = here.after;
    }
    return n;
}

#include "radiance_step.inl"

static void sample(const VoxelGrid &grid, const float *points, int64_t n_points, float *lines) {
    for (int64_t i = 0; i < n_points; ++i) {
        const float *point = points + 3 * i;
        float *out = lines + kLine * i, fraction[3];
        int64_t cell[3];
        bool inside = true;
        for (int a = 0; a < 3; ++a) {
            inside = inside && point[a] >= 0 && point[a] <= float(grid.dims[a] - 1);
            cell[a] = inside ? int64_t(point[a]) : 0;
            if (cell[a] > grid.dims[a] - 2) cell[a] = grid.dims[a] - 2;
            fraction[a] = inside ? point[a] - float(cell[a]) : 0.0f;
        }
        if (!inside) {
            memcpy(out, kEmptyLine, sizeof kEmptyLine);
            continue;
        }
        const Line line = blended(grid, Corners(grid, cell[0], cell[1], cell[2]), fraction);
        for (int k = 0; k < kVecs; ++k) store(out + k * W, line.part[k]);
    }
}

}  // namespace HINR_UNIT

const RadianceKernels HINR_RADIANCE_KERNELS = {
    HINR_UNIT::see, HINR_UNIT::learn, HINR_UNIT::spread, HINR_UNIT::step, HINR_UNIT::sample,
};

}  // namespace hinr
