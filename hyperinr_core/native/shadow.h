/* The C interface of the shadow kernels: what hyperinr_core/shadow.py calls through ctypes. Errors are those of
 * hyperinr_native.h. Volumes are float32 in NumPy's order (nz, ny, nx). */
#ifndef HYPERINR_SHADOW_H
#define HYPERINR_SHADOW_H

#include "hyperinr_native.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out = exp(-length * sum of tau at voxel + (k + 1/2) * step, k = 0, 1, ... while within the grid), trilinear.
 * step (3): one step towards the light in voxels, x y z; length: its length in tau's unit. */
HINR_API int hinr_shadow_rays(int isa, const float *tau, const int64_t *dims, const double *step, double length,
                              float *out);

/* The same by one pass over the slices, from the light side on; towards (3): the light's direction in voxels, any
 * length; length: that vector's length in tau's unit. */
HINR_API int hinr_shadow_sweep(int isa, const float *tau, const int64_t *dims, const double *towards, double length,
                               float *out);

/* The mean of n sweeps: of a light that is wide, or of a whole sky. towards (n, 3): as above, each of length 1 in tau's
 * unit. */
HINR_API int hinr_shadow_sweeps(int isa, const float *tau, const int64_t *dims, const double *towards, int64_t n,
                                float *out);

/* Light that arrives at voxels directly and after scattering: out (n_voxels) = direct + the mean over n_paths random paths
 * from each. direct (nz, ny, nx): transmittance; spacing (3); towards (3): unit vector to the light along the grid's axes;
 * albedo, g: share that is scattered and not absorbed, and the mean cosine of its angle (Henyey-Greenstein); voxels: places
 * in tau. */
HINR_API int hinr_shadow_scatter(const float *tau, const float *direct, const int64_t *dims, const double *spacing,
                                 const double *towards, double albedo, double g, const int64_t *voxels,
                                 int64_t n_voxels, int64_t n_paths, uint64_t seed, float *out);

#ifdef __cplusplus
}
#endif
#endif
