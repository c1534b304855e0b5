// What the shadow units share with the code that calls them: plain data, no code (see kernels.h for why).
#ifndef HYPERINR_SHADOW_KERNELS_H
#define HYPERINR_SHADOW_KERNELS_H

#include <stdint.h>

namespace hinr {

// A shift by whole voxels and a fraction: `more` is 1 where there is a fraction and so an upper neighbour, else 0.
struct Shift {
    int64_t whole, more;
    float fraction;
};

// One step of all rays: voxel i reads extinction around i + shift. Voxels begin to end of a row stay in the grid.
struct RayStep {
    Shift x, y, z;
    int64_t begin, end;
};

struct RayPlan {
    const float *tau;
    float *out;
    int64_t nx, ny, nz, n_steps;
    const RayStep *steps;
    float length;
};

// How one slice lies on the lattice of rays: the ray (u, v) meets it at (u + x, v + y); rays within the ranges meet it.
// Rays u_entry and v_entry came in through a side after the slice before, and have u_part and v_part of their way inside.
struct Slice {
    Shift x, y;
    int64_t u_begin, u_end, v_begin, v_end;
    int64_t u_entry, v_entry;
    float u_part, v_part;
    const float *tau;
    float *out;
};

struct SweepPlan {
    int64_t nx, ny, row_stride, n_slices;
    int64_t u_first, n_u;  // the lattice's first ray along u, and how many
    const Slice *slices;   // the light's side first
    float length;          // of a ray's way between slices
    float share;           // 0 sets the voxels, another one adds so much of the transmittance to them
};

struct ShadowKernels {
    void (*ray_row)(const RayPlan &, int64_t y, int64_t z);
    // Rays v in [first, last]: writes the voxels whose lower ray is in [first, last). sums, values: (last - first + 1, n_u).
    void (*sweep_strip)(const SweepPlan &, int64_t first, int64_t last, float *sums, float *values);
};

extern const ShadowKernels kShadowGeneric;
#ifdef HINR_X86
extern const ShadowKernels kShadowAvx2, kShadowAvx512;
#elif defined(HINR_ARM)
extern const ShadowKernels kShadowNeon;
#endif

}  // namespace hinr
#endif
