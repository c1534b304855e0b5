// What the two halves of the radiance fields' door share.
#ifndef HYPERINR_RADIANCE_DOOR_H
#define HYPERINR_RADIANCE_DOOR_H

#include <vector>

#include "radiance.h"
#include "radiance_kernels.h"

namespace hinr {

const RadianceKernels *find_radiance_kernels(int isa);

// A checked field with how far apart from stored blocks its empty ones are.
struct CheckedField {
    VoxelGrid grid{};
    std::vector<uint8_t> apart;
    int error;
    explicit CheckedField(const hinr_radiance_field *field);
};

// Pixel (u, v) of a picture as a ray in voxels.
RadianceRay ray_through(const hinr_radiance_camera &camera, int64_t width, int64_t height, int64_t pixel, float offset);

}  // namespace hinr
#endif
