// What the path tracer's units share with path.cpp: plain data, no code (see kernels.h).
#ifndef HYPERINR_PATH_KERNELS_H
#define HYPERINR_PATH_KERNELS_H

#include <stdint.h>

namespace hinr {

constexpr int32_t kPathBlock = 4;  // cells along an edge of a block that has one bound
constexpr int32_t kPathTile = 32;  // pixels along an edge of a task
constexpr int64_t kFilmReach = 6, kFilmPatch = 2;  // pixels around one: that count; that are compared
constexpr int kPathChannels = 10;  // HINR_FILM_CHANNELS

struct PathMedium {
    const float *values, *extinction, *colors;
    const float *bounds;  // with a layer of empty blocks around
    int32_t dims[3], blocks[3];  // blocks: without that layer
    float spacing[3], low, scale;
    int32_t n_rows;
};

struct PathView {
    float g, surface, gloss;
    float light[3], light_color[3], light_cosine;
    float below[3], above[3], axes[9];
    const float *image;
    int32_t image_width, image_height;
    float camera[18], lens[6], focus;
    int32_t width, height, n_bounces;
    bool is_lit, is_surrounded, has_lens;
};

struct PathTile {
    int32_t x_begin, x_end, y_begin, y_end;
    uint32_t sample;
    uint32_t run[2], pixels[2];  // random numbers that the seed gives with the sample, and without it
    float *film;
};

// A film to be smoothed: planes, each at its first pixel, with a margin of kFilmReach + kFilmPatch around.
struct FilmPlan {
    int64_t width, stride;
    const float *colors[4], *noise[3];   // radiance and opacity; variance of the mean of each of three colours
    const float *guides[4], *guide_noise;
    float *out;
};

struct PathKernels {
    void (*tile)(const PathMedium &, const PathView &, const PathTile &);
    void (*film_band)(const FilmPlan &, int64_t first, int64_t last, float *memory);
};

const PathKernels *find_path_kernels(int isa);

extern const PathKernels kPathGeneric;
#ifdef HINR_X86
extern const PathKernels kPathAvx2, kPathAvx512;
#elif defined(HINR_ARM)
extern const PathKernels kPathNeon;
#endif

}  // namespace hinr
#endif
