// Shadow volumes: checks, the geometry that all rays share, and the split into tasks. Values do not depend on the split.
#include "shadow.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "model.h"
#include "pool.h"
#include "processor.h"
#include "shadow_kernels.h"

using namespace hinr;

namespace {

constexpr int64_t kStripRays = 16;  // lattice rows of a task: their sums stay in the second cache
constexpr double kOnPoint = 1e-6;   // voxels: a shift so near to a whole number is one
constexpr int64_t kTileRows = 64, kTileColumns = 16;  // of the transposition

const ShadowKernels *find_shadow_kernels(int isa) {
    if (!hinr_isa_supported(isa)) return nullptr;
    isa = vector_isa(isa);
#ifdef HINR_X86
    if (isa == HINR_ISA_AVX2) return &kShadowAvx2;
    if (isa != HINR_ISA_GENERIC) return &kShadowAvx512;
#elif defined(HINR_ARM)
    if (isa == HINR_ISA_NEON) return &kShadowNeon;
#endif
    return &kShadowGeneric;
}

int check_volume(const float *tau, const int64_t *dims, const double *vector, double length, const float *out) {
    if (!tau || !dims || !vector || !out) return HINR_ERROR_NULL;
    for (int axis = 0; axis < 3; ++axis)
        if (dims[axis] < 1 || dims[axis] > (int64_t(1) << 20)) return HINR_ERROR_SIZE;
    double square = 0;
    for (int axis = 0; axis < 3; ++axis) square += vector[axis] * vector[axis];
    if (!std::isfinite(square) || square == 0 || !(length > 0) || !std::isfinite(length)) return HINR_ERROR_RANGE;
    return HINR_OK;
}

// Rounding may leave a shift a hair beside a whole number; it then must not ask for a neighbour beyond the grid.
Shift shift_of(double value) {
    const double nearest = std::round(value);
    if (std::abs(value - nearest) < kOnPoint) return {int64_t(nearest), 0, 0.0f};
    const double whole = std::floor(value);
    return {int64_t(whole), 1, float(value - whole)};
}

// First and one past the last of n places i for which i + shift and its neighbour lie in [0, limit).
void range_of(const Shift &shift, int64_t limit, int64_t &begin, int64_t &end) {
    begin = -shift.whole;
    end = limit - shift.whole - shift.more;
}

// The one ray that entered along an axis within the last step of `slope`, and the part of the step after.
void entry_of(const Shift &shift, double slope, int64_t begin, int64_t end, int64_t limit, int64_t &entry, float &part) {
    entry = slope > 0 ? begin : end - 1;
    const double place = double(entry + shift.whole) + shift.fraction;
    const double inside = slope > 0 ? place : double(limit - 1) - place;
    part = 1.0f;
    if (inside < std::abs(slope) - 2 * kOnPoint) part = float(std::max(inside, 0.0) / std::abs(slope));
    else entry = INT64_MIN;
}

// (n_outer, n_rows, n_columns) to (n_columns, n_outer, n_rows).
void transpose(const float *from, float *to, int64_t n_outer, int64_t n_rows, int64_t n_columns, bool back) {
    parallel_for(n_outer, num_threads(), [&](int64_t outer, int) {
        for (int64_t r0 = 0; r0 < n_rows; r0 += kTileRows)
            for (int64_t c0 = 0; c0 < n_columns; c0 += kTileColumns)
                for (int64_t c = c0; c < std::min(c0 + kTileColumns, n_columns); ++c)
                    for (int64_t r = r0; r < std::min(r0 + kTileRows, n_rows); ++r) {
                        const int64_t plain = (outer * n_rows + r) * n_columns + c;
                        const int64_t turned = (c * n_outer + outer) * n_rows + r;
                        if (back) to[plain] = from[turned];
                        else to[turned] = from[plain];
                    }
    });
}

// Slices of `slice_stride` from each other, rows of `row_stride`, points of a row side by side. `slope`: what a ray moves
// along x and y from slice to slice, away from the light.
// share: 0 sets `out`, another one adds so much of the transmittance to it.
void sweep(const ShadowKernels &kernels, const float *tau, float *out, int64_t nx, int64_t ny, int64_t n_slices,
           int64_t row_stride, int64_t slice_stride, bool light_is_last, double slope_x, double slope_y, double length,
           float share) {
    const double far_x = slope_x * double(n_slices - 1), far_y = slope_y * double(n_slices - 1);
    const int64_t u_first = int64_t(std::floor(std::min(0.0, -far_x))) - 1;
    const int64_t u_last = nx + int64_t(std::ceil(std::max(0.0, -far_x)));
    const int64_t v_first = int64_t(std::floor(std::min(0.0, -far_y))) - 1;
    const int64_t v_last = ny + int64_t(std::ceil(std::max(0.0, -far_y)));
    std::vector<Slice> slices(static_cast<size_t>(n_slices));
    for (int64_t k = 0; k < n_slices; ++k) {
        Slice &slice = slices[size_t(k)];
        slice.x = shift_of(slope_x * double(k));
        slice.y = shift_of(slope_y * double(k));
        range_of(slice.x, nx, slice.u_begin, slice.u_end);
        range_of(slice.y, ny, slice.v_begin, slice.v_end);
        entry_of(slice.x, slope_x, slice.u_begin, slice.u_end, nx, slice.u_entry, slice.u_part);
        entry_of(slice.y, slope_y, slice.v_begin, slice.v_end, ny, slice.v_entry, slice.v_part);
        const int64_t at = (light_is_last ? n_slices - 1 - k : k) * slice_stride;
        slice.tau = tau + at;
        slice.out = out + at;
    }
    const SweepPlan plan = {nx, ny, row_stride, n_slices, u_first, u_last - u_first + 1, slices.data(), float(length), share};
    const int64_t n_tasks = (v_last - v_first + kStripRays) / kStripRays;
    const int n_threads = int(std::min<int64_t>(num_threads(), n_tasks));
    const int64_t strip_floats = (kStripRays + 1) * plan.n_u;
    const Buffer memory(size_t(2 * strip_floats * n_threads));
    parallel_for(n_tasks, n_threads, [&](int64_t task, int thread) {
        float *sums = memory.data() + 2 * strip_floats * thread;
        const int64_t first = v_first + task * kStripRays;
        kernels.sweep_strip(plan, first, first + kStripRays, sums, sums + strip_floats);
    });
}

// The slices' axis: where rays climb fastest; z and y need no transposition.
int steepest(const double *towards) {
    int axis = 2;
    for (const int other : {1, 0})
        if (std::abs(towards[other]) > std::abs(towards[axis])) axis = other;
    return axis;
}

// One light's sweep of a volume as it lies or, for the axis x, turned: (nx, nz, ny).
void sweep_along(int axis, const ShadowKernels &kernels, const float *tau, float *out, const int64_t *dims,
                 const double *towards, double length, float share) {
    const double climb = std::abs(towards[axis]), way = length / climb;
    const bool last = towards[axis] > 0;
    const int64_t nx = dims[0], ny = dims[1], nz = dims[2];
    const double slope[3] = {-towards[0] / climb, -towards[1] / climb, -towards[2] / climb};
    if (axis == 2) sweep(kernels, tau, out, nx, ny, nz, nx, nx * ny, last, slope[0], slope[1], way, share);
    if (axis == 1) sweep(kernels, tau, out, nx, nz, ny, nx * ny, nx, last, slope[0], slope[2], way, share);
    if (axis == 0) sweep(kernels, tau, out, ny, nz, nx, ny, ny * nz, last, slope[1], slope[2], way, share);
}

// Memory that is not set to zero: it takes long.
std::unique_ptr<float[]> unset(int64_t n) { return std::unique_ptr<float[]>(new float[size_t(n)]); }

}  // namespace

int hinr_shadow_rays(int isa, const float *tau, const int64_t *dims, const double *step, double length, float *out) {
    if (const int error = check_volume(tau, dims, step, length, out)) return error;
    const ShadowKernels *kernels = find_shadow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        std::vector<RayStep> steps;
        for (;;) {
            const double k = double(steps.size()) + 0.5;
            RayStep next = {shift_of(k * step[0]), shift_of(k * step[1]), shift_of(k * step[2]), 0, 0};
            int64_t begin[3], end[3];
            range_of(next.x, dims[0], begin[0], end[0]);
            range_of(next.y, dims[1], begin[1], end[1]);
            range_of(next.z, dims[2], begin[2], end[2]);
            bool any = true;  // whether some voxel's ray is still in the grid
            for (int axis = 0; axis < 3; ++axis)
                any = any && std::max<int64_t>(begin[axis], 0) < std::min(end[axis], dims[axis]);
            if (!any) break;
            next.begin = std::max<int64_t>(begin[0], 0);
            next.end = std::min(end[0], dims[0]);
            steps.push_back(next);
        }
        const RayPlan plan = {tau, out, dims[0], dims[1], dims[2], int64_t(steps.size()), steps.data(), float(length)};
        parallel_for(dims[1] * dims[2], num_threads(),
                     [&](int64_t row, int) { kernels->ray_row(plan, row % dims[1], row / dims[1]); });
        return int(HINR_OK);
    });
}

int hinr_shadow_sweep(int isa, const float *tau, const int64_t *dims, const double *towards, double length, float *out) {
    if (const int error = check_volume(tau, dims, towards, length, out)) return error;
    const ShadowKernels *kernels = find_shadow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const int axis = steepest(towards);
        if (axis) {
            sweep_along(axis, *kernels, tau, out, dims, towards, length, 0);
        } else {
            const int64_t nx = dims[0], ny = dims[1], nz = dims[2];
            const std::unique_ptr<float[]> from = unset(nx * ny * nz), to = unset(nx * ny * nz);
            transpose(tau, from.get(), nz, ny, nx, false);
            sweep_along(0, *kernels, from.get(), to.get(), dims, towards, length, 0);
            transpose(to.get(), out, nz, ny, nx, true);
        }
        return int(HINR_OK);
    });
}

int hinr_shadow_sweeps(int isa, const float *tau, const int64_t *dims, const double *towards, int64_t n, float *out) {
    if (n < 1) return HINR_ERROR_SIZE;
    for (int64_t i = 0; i < n; ++i)
        if (const int error = check_volume(tau, dims, towards ? towards + 3 * i : nullptr, 1.0, out)) return error;
    const ShadowKernels *kernels = find_shadow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const int64_t nx = dims[0], ny = dims[1], nz = dims[2];
        std::vector<const double *> lights[3];
        for (int64_t i = 0; i < n; ++i) lights[steepest(towards + 3 * i)].push_back(towards + 3 * i);
        const float share = 1.0f / float(n);
        std::fill_n(out, nx * ny * nz, 0.0f);
        if (!lights[0].empty()) {
            const std::unique_ptr<float[]> from = unset(nx * ny * nz), to(new float[size_t(nx * ny * nz)]());
            transpose(tau, from.get(), nz, ny, nx, false);
            for (const double *light : lights[0]) sweep_along(0, *kernels, from.get(), to.get(), dims, light, 1.0, share);
            transpose(to.get(), out, nz, ny, nx, true);
        }
        for (const int axis : {1, 2})
            for (const double *light : lights[axis]) sweep_along(axis, *kernels, tau, out, dims, light, 1.0, share);
        return int(HINR_OK);
    });
}
