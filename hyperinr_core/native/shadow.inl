// Transmittance through a volume of extinction, for one instruction set. A unit defines HINR_UNIT, HINR_SHADOW_KERNELS
// and, where the processor fuses, HINR_FAST_FMA; then it includes this file.
//
// All voxels of a row lie alike between the points that their rays read, so weights are shared and nothing is gathered.
// The loops are plain so that the compiler turns them into vectors; each value is computed by the same operations
// wherever it lies in a row, so neither vectors nor threads change a bit.
#include <string.h>

#include "shadow_kernels.h"

#if defined(__GNUC__)
#define HINR_INLINE inline __attribute__((always_inline))
#else
#define HINR_INLINE inline
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

// exp(-x) for x >= 0, to 2e-7 of 1: 2^whole by the exponent's bits, 2^rest by its series.
HINR_INLINE float decay(float x) {
    const float t = (x < 80.0f ? x : 80.0f) * -1.44269504f;
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

// Bilinear between four rows at equal places: weights of row a, row a one further in x, row b, row b one further.
struct Corners {
    float a, a1, b, b1;
    Corners(float fx, float fy) : a((1 - fx) * (1 - fy)), a1(fx * (1 - fy)), b((1 - fx) * fy), b1(fx * fy) {}
    HINR_INLINE float at(const float *row_a, const float *row_a1, const float *row_b, const float *row_b1,
                         int64_t i) const {
        return madd(a, row_a[i], madd(a1, row_a1[i], madd(b, row_b[i], b1 * row_b1[i])));
    }
};

static bool within(const Shift &shift, int64_t i, int64_t n) {
    return i + shift.whole >= 0 && i + shift.whole + shift.more < n;
}

static void ray_row(const RayPlan &plan, int64_t y, int64_t z) {
    float *__restrict out = plan.out + (z * plan.ny + y) * plan.nx;
    for (int64_t x = 0; x < plan.nx; ++x) out[x] = 0;
    for (int64_t k = 0; k < plan.n_steps; ++k) {
        const RayStep &step = plan.steps[k];
        if (!within(step.y, y, plan.ny) || !within(step.z, z, plan.nz)) break;
        const float *row = plan.tau + ((z + step.z.whole) * plan.ny + y + step.y.whole) * plan.nx + step.x.whole;
        const int64_t dy = step.y.more * plan.nx, dz = step.z.more * plan.ny * plan.nx, dx = step.x.more;
        const Corners corners(step.x.fraction, step.y.fraction);
        const float *a = row, *b = row + dy, *c = row + dz, *d = row + dz + dy, far = step.z.fraction, near = 1 - far;
        for (int64_t x = step.begin; x < step.end; ++x)
            out[x] += madd(near, corners.at(a, a + dx, b, b + dx, x), far * corners.at(c, c + dx, d, d + dx, x));
    }
    for (int64_t x = 0; x < plan.nx; ++x) out[x] = decay(out[x] * plan.length);
}

static void sweep_strip(const SweepPlan &plan, int64_t first, int64_t last, float *sums, float *values) {
    const int64_t n_u = plan.n_u, u0 = plan.u_first;
    const float share = plan.share;
    memset(sums, 0, sizeof(float) * size_t((last - first + 1) * n_u));
    for (int64_t k = 0; k < plan.n_slices; ++k) {
        const Slice &slice = plan.slices[k];
        const int64_t v_begin = slice.v_begin > first ? slice.v_begin : first;
        const int64_t v_end = slice.v_end < last + 1 ? slice.v_end : last + 1;
        // The trapezoid rule: half a way's extinction before the slice, half behind it; none before the first. A ray
        // that enters through a side has only a part of its way before the slice within the grid.
        const float half = plan.length * 0.5f, usual = k ? half : 0.0f;
        const Corners slice_corners(slice.x.fraction, slice.y.fraction);
        const int64_t dx = slice.x.more, dy = slice.y.more * plan.row_stride;
        for (int64_t v = v_begin; v < v_end; ++v) {
            const float before = k && v == slice.v_entry ? plan.length * slice.v_part : usual;
            const float *a = slice.tau + (v + slice.y.whole) * plan.row_stride + slice.x.whole, *b = a + dy;
            float *__restrict sum = sums + (v - first) * n_u - u0, *__restrict value = values + (v - first) * n_u - u0;
            for (int64_t u = slice.u_begin; u < slice.u_end; ++u) {
                value[u] = slice_corners.at(a, a + dx, b, b + dx, u);
                sum[u] = madd(before, value[u], sum[u]);
            }
            if (k && slice.u_entry >= slice.u_begin && slice.u_entry < slice.u_end) {
                const float whole = v == slice.v_entry ? slice.v_part : 1.0f;
                const float part = plan.length * (slice.u_part < whole ? slice.u_part : whole);
                sum[slice.u_entry] = madd(part - before, value[slice.u_entry], sum[slice.u_entry]);
            }
        }
        // Voxel x lies between the rays x - whole - more and x - whole; from the lower one it is 1 - fraction away.
        const int64_t up_x = slice.x.whole + slice.x.more, up_y = slice.y.whole + slice.y.more;
        const Corners ray_corners(slice.x.more ? 1 - slice.x.fraction : 0.0f, slice.y.more ? 1 - slice.y.fraction : 0.0f);
        const int64_t y_begin = first + up_y > 0 ? first + up_y : 0;
        const int64_t y_end = last + up_y < plan.ny ? last + up_y : plan.ny;
        for (int64_t y = y_begin; y < y_end; ++y) {
            const float *a = sums + (y - up_y - first) * n_u - u0 - up_x, *b = a + slice.y.more * n_u;
            float *__restrict out = slice.out + y * plan.row_stride;
            if (share == 0)
                for (int64_t x = 0; x < plan.nx; ++x) out[x] = decay(ray_corners.at(a, a + dx, b, b + dx, x));
            else
                for (int64_t x = 0; x < plan.nx; ++x)
                    out[x] = madd(share, decay(ray_corners.at(a, a + dx, b, b + dx, x)), out[x]);
        }
        for (int64_t v = v_begin; v < v_end; ++v) {
            float *__restrict sum = sums + (v - first) * n_u - u0, *__restrict value = values + (v - first) * n_u - u0;
            for (int64_t u = slice.u_begin; u < slice.u_end; ++u) sum[u] = madd(half, value[u], sum[u]);
        }
    }
}

}  // namespace HINR_UNIT

const ShadowKernels HINR_SHADOW_KERNELS = {HINR_UNIT::ray_row, HINR_UNIT::sweep_strip};

}  // namespace hinr
