// What the instruction set units share with the code that calls them: plain data, no code.
//
// The units are compiled with different instruction sets, so neither this header nor they may contain inline
// functions of the standard library: the linker keeps one copy of those, and could keep the one that needs AVX-512.
#ifndef HYPERINR_KERNELS_H
#define HYPERINR_KERNELS_H

#include <stdint.h>

namespace hinr {

constexpr int kTileRows = 6;     // samples whose sums live in registers at a time; divides a block of samples
constexpr int kPad = 16;         // matrices are padded with zeros to a multiple of this many columns, or of Kernels::pad
constexpr int kMaxLevels = 32;
constexpr int kMaxLayers = 9;
constexpr int kMaxOutputs = 16;

struct Level {
    float scale;
    uint32_t resolution;
    uint32_t size;  // entries; a power of two where the level is hashed
    bool hashed;
    int64_t offset;  // of the level's first entry
};

// One matrix, padded: n_in and n_out are the true sizes.
struct Layer {
    int n_in, n_out, in_pad, out_pad;
    float *forward;         // (in_pad, out_pad)
    float *backward;        // (out_pad, in_pad)
    int64_t grad_floats;    // of the memory that its gradient is summed in, (out_pad + kTileRows, in_pad)
    // pairs of bfloat16, the even row in the low half; null where nothing multiplies those
    uint32_t *forward_bf16;  // (in_pad / 2, out_pad)
    uint32_t *backward_bf16; // (out_pad / 2, in_pad), of hidden layers
};

struct Kernels;

struct Model {
    int n_pos_dims, n_levels, n_features, n_outputs;
    int n_layers;
    int precision;
    int max_pad;  // widest padded layer
    int64_t n_entries, n_mlp_params;
    Level levels[kMaxLevels];
    Layer layers[kMaxLayers];
    const Kernels *kernels;
};

// How the samples of a row lie on one level: made once, used by every row of a grid.
struct LevelPlan {
    const uint32_t *groups;  // first vertices of the aligned groups that the row touches, ascending
    int64_t n_groups;
    const uint32_t *slots;  // (nx) where each sample's lower vertex lies in row_buffer + row_offset, in floats
    const float *fractions; // (nx)
    int64_t row_offset;
};

struct GridPlan {
    const float *y, *z;  // z is null in 2-D
    int64_t nx, ny;
    int64_t row_floats;  // length of the row buffer
    LevelPlan levels[kMaxLevels];
};

// A thread's own memory, 64-byte aligned.
struct Scratch {
    float *features;    // (Kernels::block, in_pad of the first layer)
    float *a, *b;       // (Kernels::block, the widest in_pad) activations, with slack for reads past the last row
    float *row_buffer;  // GridPlan::row_floats
    float *activations; // training: (n_layers, Kernels::block, the widest in_pad)
};

// One group of training samples: all within one table.
struct TrainTask {
    const float *table, *points, *targets;
    float weight;            // scale of the loss and of its gradient
    int kind;
    int64_t n;
    float *grad_features;    // (L, n of the whole table, F): here offset to the group's first sample
    int64_t feature_stride;  // floats between levels
    float *grad_mlp;         // Layer::grad_floats of each layer one after the other, added to
    double loss;
};

// One step of Adam; see adam.h. Where keep_zeros, params that are zero stay so.
struct AdamStep {
    float grad_scale, step_size, root_bias, beta1, beta2, eps;
    bool keep_zeros;
};

// What an instruction set unit offers, in one precision.
struct Kernels {
    int width;  // floats in a vector
    int block;  // samples that pass through the network together, so that they stay in L1
    int pad;    // inputs and outputs of hidden layers are padded to a multiple of this
    void (*locate)(float scale, const float *x, int64_t n, uint32_t *corner, float *fraction);
    void (*blend)(const Model &, const void *const *rows, int row_type, const float *weights, int64_t n_weights,
                  int64_t begin, int64_t end, void *table);
    void (*sample)(const Model &, const void *table, const float *points, int64_t n, float *values, const Scratch &);
    void (*sample_rows)(const Model &, const void *table, const GridPlan &, int64_t row_begin, int64_t row_end,
                        float *out, const float *scale, const float *offset, const Scratch &);
    int64_t (*peak)(int64_t steps, float *result);
    // where tables are float32; null elsewhere
    void (*train)(const Model &, TrainTask &, const Scratch &);
    void (*scatter)(const Model &, int level, const float *points, const float *grad_features, int64_t n, float *grad);
    void (*adam)(float *params, const float *grad, float *m, float *v, int64_t n, const AdamStep &);
};

extern const Kernels kGeneric;
#ifdef HINR_X86
extern const Kernels kAvx2, kAvx512, kAvx512Bf16;
#endif
#if defined(HINR_AMX) || defined(HINR_TILES_MODEL)
extern const Kernels kAmxBf16, kAmxMixed;
#endif
#ifdef HINR_ARM
extern const Kernels kNeon;
#endif

}  // namespace hinr
#endif
