// Radiance fields: checks at the door, what is empty, and pictures.
#include "radiance.h"

#include <algorithm>
#include <cmath>

#include "model.h"
#include "pool.h"
#include "processor.h"
#include "radiance_door.h"

using namespace hinr;

namespace {

constexpr int64_t kMostPixels = 1 << 14;  // along a side of a picture
constexpr int64_t kFarthest = 255;

// Chebyshev distances to the nearest 0, by passes along each axis of what the axes before have found.
void widen(std::vector<uint8_t> &apart, const int64_t *blocks) {
    const int64_t strides[3] = {1, blocks[0], blocks[0] * blocks[1]};
    const int64_t n = blocks[0] * blocks[1] * blocks[2];
    std::vector<uint8_t> line(size_t(std::max({blocks[0], blocks[1], blocks[2]})));
    for (int a = 0; a < 3; ++a)
        for (int64_t start = 0; start < n; ++start) {
            if (start / strides[a] % blocks[a]) continue;
            for (int64_t i = 0; i < blocks[a]; ++i) line[size_t(i)] = apart[size_t(start + i * strides[a])];
            for (int64_t i = 0; i < blocks[a]; ++i) {
                int64_t least = line[size_t(i)];
                for (int64_t d = 1; d < least && d < blocks[a]; ++d) {
                    if (i >= d) least = std::min(least, std::max<int64_t>(d, line[size_t(i - d)]));
                    if (i + d < blocks[a]) least = std::min(least, std::max<int64_t>(d, line[size_t(i + d)]));
                }
                apart[size_t(start + i * strides[a])] = uint8_t(least);
            }
        }
}

bool finite(const float *numbers, int64_t n) {
    return std::all_of(numbers, numbers + n, [](float number) { return std::isfinite(number); });
}

}  // namespace

namespace hinr {

const RadianceKernels *find_radiance_kernels(int isa) {
    if (!hinr_isa_supported(isa)) return nullptr;
    isa = vector_isa(isa);
#ifdef HINR_X86
    if (isa == HINR_ISA_AVX2) return &kRadianceAvx2;
    if (isa != HINR_ISA_GENERIC) return &kRadianceAvx512;
#elif defined(HINR_ARM)
    if (isa == HINR_ISA_NEON) return &kRadianceNeon;
#endif
    return &kRadianceGeneric;
}

CheckedField::CheckedField(const hinr_radiance_field *field) : error(HINR_ERROR_NULL) {
    if (!field || !field->index || !field->values) return;
    error = HINR_ERROR_SIZE;
    int64_t n = 1;
    for (int a = 0; a < 3; ++a) {
        if (field->dims[a] < 2 || field->dims[a] > kMostDim) return;
        grid.dims[a] = field->dims[a];
        grid.blocks[a] = (field->dims[a] + 3) / 4;
        n *= grid.blocks[a];
    }
    if (field->n_blocks < 0 || field->n_blocks > n) return;
    error = HINR_ERROR_INDEX;
    apart.resize(size_t(n));
    for (int64_t i = 0; i < n; ++i) {
        if (field->index[i] < -1 || field->index[i] >= field->n_blocks) return;
        apart[size_t(i)] = field->index[i] < 0 ? uint8_t(kFarthest) : uint8_t(0);
    }
    widen(apart, grid.blocks);
    grid.index = field->index;
    grid.apart = apart.data();
    grid.values = field->values;
    error = HINR_OK;
}

RadianceRay ray_through(const hinr_radiance_camera &camera, int64_t width, int64_t height, int64_t pixel, float offset) {
    const float u = (float(pixel % width) + 0.5f - 0.5f * float(width)) * (2.0f / float(height));
    const float v = (float(pixel / width) + 0.5f - 0.5f * float(height)) * (2.0f / float(height));
    RadianceRay ray;
    float square = 0;
    for (int a = 0; a < 3; ++a) {
        ray.origin[a] = camera.origin[a] + u * camera.origin_u[a] + v * camera.origin_v[a];
        ray.direction[a] = camera.direction[a] + u * camera.direction_u[a] + v * camera.direction_v[a];
        ray.towards[a] = camera.towards[a];
        square += ray.direction[a] * ray.direction[a];
    }
    const float scale = 1 / std::sqrt(square);
    for (float &part : ray.direction) part *= scale;
    ray.offset = offset;
    return ray;
}

}  // namespace hinr

int hinr_radiance_render(int isa, const hinr_radiance_field *field, const hinr_radiance_camera *camera, int64_t width,
                         int64_t height, float *colors, float *depth) {
    if (!camera || !colors) return HINR_ERROR_NULL;
    if (width < 1 || height < 1 || width > kMostPixels || height > kMostPixels) return HINR_ERROR_SIZE;
    if (!finite(camera->origin, sizeof *camera / sizeof(float))) return HINR_ERROR_RANGE;
    const RadianceKernels *kernels = find_radiance_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const CheckedField checked(field);
        if (checked.error) return checked.error;
        parallel_for(height, num_threads(), [&](int64_t row, int) {
            for (int64_t pixel = row * width; pixel < (row + 1) * width; ++pixel) {
                RadianceSeen seen;
                kernels->see(checked.grid, ray_through(*camera, width, height, pixel, 0.5f), seen);
                std::copy(seen.color, seen.color + 4, colors + 4 * pixel);
                if (depth) depth[pixel] = seen.depth;
            }
        });
        return int(HINR_OK);
    });
}

int hinr_radiance_sample(int isa, const hinr_radiance_field *field, const float *points, int64_t n_points,
                         float *lines) {
    if (!points || !lines) return HINR_ERROR_NULL;
    if (n_points < 0) return HINR_ERROR_SIZE;
    const RadianceKernels *kernels = find_radiance_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const CheckedField checked(field);
        if (checked.error) return checked.error;
        constexpr int64_t kPart = 4096;
        parallel_for((n_points + kPart - 1) / kPart, num_threads(), [&](int64_t part, int) {
            const int64_t first = part * kPart, count = std::min(kPart, n_points - first);
            kernels->sample(checked.grid, points + 3 * first, count, lines + kLine * first);
        });
        return int(HINR_OK);
    });
}
