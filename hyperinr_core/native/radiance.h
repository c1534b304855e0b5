/* The C interface of radiance fields: what hyperinr_core/radiance/voxels.py calls through ctypes. Errors are those of
 * hyperinr_native.h.
 *
 * A voxel is a line of 16 float32: red, green, blue and a density, then three numbers of red, green and blue, each beside one
 * that is not used, for the directions x, y, z. Seen by a camera that stands in the unit direction w, a voxel's colour is
 * line[c] + sum of w[k] * line[4 * (k + 1) + c], and its optical depth along one voxel's length is exp(line[3]). Between
 * voxels lines are trilinear. Voxels lie in blocks of 4 x 4 x 4, x first; blocks that are empty are not stored. */
#ifndef HYPERINR_RADIANCE_H
#define HYPERINR_RADIANCE_H

#include "hyperinr_native.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int64_t dims[3];      /* voxels along x, y, z: 2 to 512 */
    int64_t n_blocks;     /* that are stored */
    const int32_t *index; /* (bz, by, bx), dims / 4 rounded up: number of the stored block, -1 for an empty one */
    float *values;        /* (n_blocks, 64, 16) */
} hinr_radiance_field;

/* Rays of a camera in voxels: pixel (u, v), of half heights from the centre, starts at origin + u * origin_u + v * origin_v
 * and goes along direction + u * direction_u + v * direction_v; towards is the unit direction of the camera itself. */
typedef struct {
    float origin[3], origin_u[3], origin_v[3], direction[3], direction_u[3], direction_v[3], towards[3];
} hinr_radiance_camera;

typedef struct {
    int64_t n_views, width, height, n_channels; /* 3, or 4 with an opacity that colours are not multiplied by */
    const hinr_radiance_camera *cameras;        /* (n_views) */
    const uint8_t *const *pictures;             /* (n_views) of (height, width, n_channels), the lowest row first */
    const float *background;                    /* (height, width, 3), 0 to 1; black behind pictures with an opacity */
} hinr_radiance_pictures;

typedef struct {
    int64_t batch_rays;               /* of one step */
    uint64_t seed;
    double rate_density, rate_color;  /* Adam's */
    double beta1, beta2;
    double smooth_density, smooth_color; /* weight of the differences of neighbours beside the squared errors' sum */
    double bend_density, bend_color;     /* differences up to which they count squared, then in proportion */
} hinr_radiance_settings;

/* colors (height, width, 4): red, green, blue of the field alone times opacity, and opacity; depth (height, width): mean
 * length of the rays in voxels, weighted as colours are and not divided by opacity, or null. */
HINR_API int hinr_radiance_render(int isa, const hinr_radiance_field *field, const hinr_radiance_camera *camera,
                                  int64_t width, int64_t height, float *colors, float *depth);

/* lines (n_points, 16) at points (n_points, 3) in voxels, x y z; what is empty or outside is as empty voxels are. */
HINR_API int hinr_radiance_sample(int isa, const hinr_radiance_field *field, const float *points, int64_t n_points,
                                  float *lines);

/* Steps first_step to first_step + n_steps - 1, each of one batch of rays drawn from all pictures. first and second: Adam's
 * moments, like values. loss: mean squared error of the last step's rays. */
HINR_API int hinr_radiance_fit(int isa, const hinr_radiance_field *field, float *first, float *second,
                               const hinr_radiance_pictures *pictures, const hinr_radiance_settings *settings,
                               int64_t first_step, int64_t n_steps, double *loss);

/* The gradient, like values, of the squared errors' sum over the rays of one step, over their number. */
HINR_API int hinr_radiance_gradient(int isa, const hinr_radiance_field *field, const hinr_radiance_pictures *pictures,
                                    int64_t batch_rays, uint64_t seed, int64_t step, float *gradient, double *loss);

/* The rays that a step draws: view, pixel (height * width) and offset of the first sample, 0 to 1, of each. */
HINR_API int hinr_radiance_draw(const hinr_radiance_pictures *pictures, int64_t batch_rays, uint64_t seed, int64_t step,
                                int64_t *views, int64_t *pixels, float *offsets);

#ifdef __cplusplus
}
#endif
#endif
