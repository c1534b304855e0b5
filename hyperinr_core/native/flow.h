/* The C interface of the optical flow: what training/teachers/flow_native.py calls through ctypes. Errors are those of
 * hyperinr_native.h. Volumes are float32 in NumPy's order (nz, ny, nx), planes (ny, nx). */
#ifndef HYPERINR_FLOW_H
#define HYPERINR_FLOW_H

#include "hyperinr_native.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Settings of optical_flow.py, under the same names. */
typedef struct {
    double window, pull;
    int64_t n_coarse, n_linear, n_cubic, smallest;
} hinr_flow_settings;

/* Displacement at the middle of two volumes of n_channels each: before(x - motion / 2) matches after(x + motion / 2).
 * shape (n_axes), 2 or 3, slowest first; periodic (n_axes): whether an axis goes on at its other end; every: 1, motion at each
 * point, or 2, on a lattice of (n + 1) / 2 points over the same box along axes of at least 2 * smallest;
 * motion: n_axes volumes on that lattice, in points of the volumes. */
HINR_API int hinr_flow(int isa, const float *before, const float *after, int64_t n_channels, int n_axes,
                       const int64_t *shape, const uint8_t *periodic, const hinr_flow_settings *settings, int every,
                       float *motion);

#ifdef __cplusplus
}
#endif
#endif
