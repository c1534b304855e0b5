/* The C interface of the path tracer: what hyperinr_core/tracing/path_native.py calls through ctypes. Errors are those of
 * hyperinr_native.h. Lengths are in units of the box's diagonal, vectors along the grid's own axes, the first point at 0. */
#ifndef HYPERINR_PATH_H
#define HYPERINR_PATH_H

#include "hyperinr_native.h"

/* Numbers of a pixel of a film, sums over its samples: radiance (red, green, blue) of light that was scattered, how many rays
 * met something, colour (3) and distance of what they met first, squared luminance, samples. */
enum { HINR_FILM_CHANNELS = 10 };

#ifdef __cplusplus
extern "C" {
#endif

/* A field of float32 values (nz, ny, nx), at least 2 points along each axis; NaN is empty. rows: of the tables, the first at
 * value low, 1 / scale of a row apart; values beyond have the row at that end. extinction (n_rows) per length, colors
 * (n_rows, 4): red, green, blue share of light that is scattered, and a number that is not read. bounds: what
 * hinr_path_bounds gives. */
typedef struct {
    const float *values, *extinction, *colors, *bounds;
    int64_t dims[3];
    double spacing[3];
    int64_t n_rows;
    double low, scale;
} hinr_path_medium;

/* g: Henyey and Greenstein's mean cosine. surface: of a change by one row's share of all rows in one length unit, how much it
 * looks like a surface, 0 for none. light: towards it; light_color: irradiance; light_cosine: of its disc's half angle.
 * Environment: radiance below (3) and above (3), linear in the cosine to axes[2]; or, where image is not null, an image
 * (image_height, image_width, 3) that runs around axes[2] from -axes[0], the row at axes[2] first, times `above`. Camera: as
 * hinr_radiance_camera has it (7, 3), without the last; lens: two radii of a thin lens (2, 3), focus: distance at which it is
 * sharp. */
typedef struct {
    double g, surface, gloss;
    double light[3], light_color[3], light_cosine;
    double below[3], above[3], axes[9];
    const float *image;
    int64_t image_width, image_height;
    double camera[18], lens[6], focus;
    int64_t width, height, n_bounces;
    uint64_t seed;
} hinr_path_view;

/* Floats of the bounds of a field with these dims. */
HINR_API int64_t hinr_path_bounds_size(const int64_t *dims);

/* The largest extinction of each block of cells. */
HINR_API int hinr_path_bounds(const hinr_path_medium *medium, float *bounds);

/* Tiles of a picture. */
HINR_API int64_t hinr_path_tiles(int64_t width, int64_t height);

/* Adds sample number `sample` of the pixels of tiles [first, first + n) to the film (height, width, HINR_FILM_CHANNELS), whose
 * lowest row comes first. What is added depends on the seed, the pixel and the sample alone. */
HINR_API int hinr_path_trace(int isa, const hinr_path_medium *medium, const hinr_path_view *view, int64_t sample,
                             int64_t first, int64_t n, float *film);

/* out (height, width, 4): radiance and opacity of a film without its noise. */
HINR_API int hinr_path_denoise(const float *film, int64_t width, int64_t height, float *out);

#ifdef __cplusplus
}
#endif
#endif
