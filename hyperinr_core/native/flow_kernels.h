// What the flow units share with the code that calls them: plain data, no code (see kernels.h for why).
#ifndef HYPERINR_FLOW_KERNELS_H
#define HYPERINR_FLOW_KERNELS_H

#include <stdint.h>

namespace hinr {

constexpr int64_t kFlowPad = 3;  // points that a cubic spline needs beyond the cell of a sample

// Axes z, y, x; a plane has one point along z and two components of motion, y and x.
struct FlowAxes {
    int64_t n[3];
    uint8_t wraps[3];
};

// A volume with a border of kFlowPad on each axis but a plane's z, and what its samples lie between.
struct FlowVolume {
    const float *padded;
    int64_t row, plane;  // strides
    FlowAxes axes;
    int cubic;
};

constexpr int kCarrySteps = 4, kCarryChannels = 16, kCarryTrust = 3, kCarryGroup = 8, kFixedPoint = 3;

// hinr_nodes and hinr_moment in single precision.
struct NodesJob {
    int64_t n[3], size[3];
    bool wraps[3];
    float scale[3], per_turn[3];
    const float *coefficients;
};

struct CarryJob {
    int64_t start[3], size[3];
    float first_place[3], last_place[3], turn[3];
    const float *const *steps, *const *values;
    int n_steps, first, n_components;
    bool at_step;
    float weights[kCarrySteps], share, bend;
};

struct FlowKernels {
    // Values at positions (n) along z, y, x, in points; beyond a border the border's, around a periodic axis.
    void (*sample)(const FlowVolume &, const float *z, const float *y, const float *x, int64_t n, float *out);
    // Values (n) of a cubic volume into out[0], and their slopes along z, y, x into out[1] to out[3].
    void (*slopes)(const FlowVolume &, const float *z, const float *y, const float *x, int64_t n, float *const *out);
    // out (n) = sum of weights[k] * rows[k][i].
    void (*combine)(const float *const *rows, const float *weights, int64_t n_rows, int64_t n, float *out);
    // out (n) = sum of weights[k] * row[i + k]; the row holds n + n_weights - 1.
    void (*smooth)(const float *row, const float *weights, int64_t n_weights, int64_t n, float *out);
    // Adds one channel's equations of a row: slopes (D rows), change = start - end, motion (D rows).
    // matrix: the D (D + 1) / 2 rows of the upper triangle of g g^T; right: D rows of g (g . motion + change).
    void (*equations)(int n_axes, const float *const *slopes, const float *change, const float *const *motion, int64_t n,
                      float *const *matrix, float *const *right);
    // Solves the row's systems; matrix and right are used up.
    void (*solve)(int n_axes, float *const *matrix, float *const *right, float pull, int64_t n, float *const *motion);
    // The kCarryChannels numbers of nodes at positions (n).
    void (*channels)(const NodesJob &, const float *z, const float *y, const float *x, int64_t n, float *channels);
    // The numbers of nodes (n), at x and the one z and y, of paths that are there now: see lattice.inl.
    void (*now)(const NodesJob &, const float *travelled, const float *on_path, int n_steps, float z, float y, const float *x,
                int64_t n, float *channels);
    // Carried values (ny, nx, components) at every combination of y and x in the plane z, with room for a plane of nodes,
    // a line of them, and kCarryGroup times components.
    void (*carry_rows)(const NodesJob &, const CarryJob &, float z, const float *y, int64_t ny, const float *x, int64_t nx,
                       float *room, float *values);
    // The same (n, components) at positions (n), with room for kCarryGroup times components.
    void (*carry_points)(const NodesJob &, const CarryJob &, const float *z, const float *y, const float *x, int64_t n, float *room,
                         float *values);
};

// Those of an instruction set of hyperinr_native.h; null where the processor or the build lacks it.
const FlowKernels *find_flow_kernels(int isa);

extern const FlowKernels kFlowGeneric;
#ifdef HINR_X86
extern const FlowKernels kFlowAvx2, kFlowAvx512;
#elif defined(HINR_ARM)
extern const FlowKernels kFlowNeon;
#endif

}  // namespace hinr
#endif
