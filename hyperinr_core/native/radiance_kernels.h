// What the radiance units share with the code that calls them: plain data, no code (see kernels.h for why).
#ifndef HYPERINR_RADIANCE_KERNELS_H
#define HYPERINR_RADIANCE_KERNELS_H

#include <stdint.h>

namespace hinr {

constexpr int kLine = 16;          // floats of a voxel
constexpr int64_t kVoxels = 64;     // voxels of a block
constexpr int64_t kMostDim = 512;  // voxels along an axis
constexpr int64_t kMostSamples = 1024;  // of a ray: longer than the diagonal of the largest grid

struct VoxelGrid {
    int64_t dims[3], blocks[3];
    const int32_t *index;
    const uint8_t *apart;  // how many blocks away the nearest stored one is, 0 for itself
    const float *values;
};

struct RadianceRay {
    float origin[3], direction[3];  // the direction of length 1
    float towards[3];
    float offset;  // of the first sample from where the ray enters, in steps
};

// What a ray sees, before any background: colours times opacity, opacity, and length times opacity.
struct RadianceSeen {
    float color[4], depth;
};

// One sample's gradient by its colour as it is seen and by its logarithmic density, and where it is.
struct RadianceSample {
    float gradient[4], fraction[3];
    uint32_t cell;  // x + y * 2^10 + z * 2^20
    uint32_t view;
};

struct RadianceTarget {
    float color[4], background[4], scale[4];  // the error of each channel counts that much
};

struct RadianceStep {
    float rate[kLine], smooth[kLine], bend[kLine];  // bend: 1 over the difference up to which it counts squared
    float beta1, beta2;
};

struct RadianceKernels {
    void (*see)(const VoxelGrid &, const RadianceRay &, RadianceSeen &);
    // Writes the samples of a ray, at most kMostSamples; returns how many, and adds the ray's squared error.
    int64_t (*learn)(const VoxelGrid &, const RadianceRay &, const RadianceTarget &, RadianceSample *, double &loss);
    // Adds a sample's gradient to those of its corners that lie in layer z / 4 == layer.
    void (*spread)(const VoxelGrid &, const float *towards, const RadianceSample &, int64_t layer, float *gradient,
                   uint8_t *touched);
    // Adam for the voxels of block (x, y, z) that have a gradient, which is 0 afterwards.
    void (*step)(const VoxelGrid &, int64_t x, int64_t y, int64_t z, const RadianceStep &, float *values,
                 float *gradient, float *first, float *second);
    void (*sample)(const VoxelGrid &, const float *points, int64_t n_points, float *lines);
};

extern const RadianceKernels kRadianceGeneric;
#ifdef HINR_X86
extern const RadianceKernels kRadianceAvx2, kRadianceAvx512;
#elif defined(HINR_ARM)
extern const RadianceKernels kRadianceNeon;
#endif

}  // namespace hinr
#endif
