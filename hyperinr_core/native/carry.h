/* The C interface of motion: what motion/native.py calls through ctypes. Errors are those of hyperinr_native.h. Axes are z, y, x;
 * a plane has one point along z. */
#ifndef HYPERINR_CARRY_H
#define HYPERINR_CARRY_H

#include "hyperinr_native.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fields of 16 numbers as cubic B-splines over the nodes of a coarse lattice: `Nodes` of splines.py. */
typedef struct {
    int64_t n[3];              /* points of the training grid */
    int32_t wraps[3];          /* whether the point after the last is the first */
    int32_t reserved;
    int64_t size[3];           /* of the coefficients */
    double scale[3];           /* nodes per point; 0 along an axis of one node */
    const float *coefficients; /* size times 16 */
} hinr_nodes;

/* A time between steps: `Moment` of motion.py. */
typedef struct {
    int64_t start[3];         /* the point that the steps' arrays begin at, which may lie before the grid's first */
    int64_t size[3];          /* of the steps' arrays */
    int64_t first_place[3];   /* where the steps have values: from there ... */
    int64_t last_place[3];    /* ... to there, which other places are taken for that lie beyond */
    int64_t turn[3];          /* after how many points they repeat; 0 for never */
    const float *const *steps;  /* n_steps times n_components arrays of spline coefficients */
    const float *const *values; /* as many of the values themselves: at points of the grid, and for steps beyond the gap */
    int32_t n_steps;          /* 2 to 4 */
    int32_t first;            /* the gap's first end among them */
    int32_t n_components;
    int32_t at_step;          /* whether nothing moves */
    double weights[4];        /* of the steps */
    double share, bend;
} hinr_moment;

/* Spline coefficients (size[a] - 2 * HINR_SPLINE_REACH along each axis of more than one point) of values (size), by a finite
 * filter: what a coefficient is depends on the values around it alone. */
#define HINR_SPLINE_REACH 12
HINR_API int hinr_spline(int isa, const float *values, const int64_t *size, float *coefficients);

/* The 16 numbers of nodes at n points z[i], y[i], x[i] of the training grid; results (n, 16). */
HINR_API int hinr_channels(int isa, const hinr_nodes *nodes, const float *z, const float *y, const float *x, int64_t n,
                           float *channels);

/* Coefficients (size times 16) of the nodes of what is at each node now, of nodes by where paths are in the middle of their gap:
 * n_steps offsets, which become those from there, and the other numbers. `on_path` weighs the offsets to how far a path is from
 * its middle. */
HINR_API int hinr_now(int isa, const hinr_nodes *nodes, const double *on_path, int n_steps, float *coefficients);

/* Values (nz, ny, nx, n_components) at every combination of coordinates in points, or, where `scattered`, (nx, n_components) at
 * nx points z[i], y[i], x[i]. The nodes hold where what is at a point now is at each step, less the point, z, y, x; then trust. */
HINR_API int hinr_carry(int isa, const hinr_nodes *nodes, const hinr_moment *moment, const float *z, int64_t nz,
                        const float *y, int64_t ny, const float *x, int64_t nx, int scattered, float *values);

#ifdef __cplusplus
}
#endif
#endif
