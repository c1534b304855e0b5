/* The C interface of the CPU kernel: what backends/native.py and training/evaluators/native.py call through ctypes.
 *
 * Every function that can fail returns 0 or a HINR_ERROR_*; nothing throws and nothing is written on an error.
 * Arrays are C-contiguous. Sizes are passed beside every pointer, so that a wrong one is an error and not a crash.
 */
#ifndef HYPERINR_NATIVE_H
#define HYPERINR_NATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#define HINR_API __declspec(dllexport)
#else
#define HINR_API __attribute__((visibility("default")))
#endif

#define HINR_ABI_VERSION 10

enum {
    HINR_ISA_GENERIC = 0,
    HINR_ISA_AVX2 = 1,
    HINR_ISA_AVX512 = 2,
    HINR_ISA_AVX512_BF16 = 3,
    HINR_ISA_NEON = 4,
    HINR_ISA_AMX_BF16 = 5,
    HINR_ISA_COUNT = 6
};

/* float32: float32 tables and network. bfloat16: float16 tables, bfloat16 network with float32 sums. mixed: float32 tables, and the
 * hidden layers' products rounded to bfloat16, in training too; where there are tiles alone. */
enum { HINR_FLOAT32 = 0, HINR_BFLOAT16 = 1, HINR_MIXED = 2 };

/* Element types of encoder rows and of tables. */
enum { HINR_TYPE_FLOAT32 = 0, HINR_TYPE_FLOAT16 = 1 };

/* What hinr_backward differentiates: the mean of weights[s] * |values - targets|, the same squared,
 * or the sum of values * targets (targets then are the gradients of the values). */
enum { HINR_LOSS_L1 = 0, HINR_LOSS_L2 = 1, HINR_LOSS_DOT = 2 };

enum {
    HINR_OK = 0,
    HINR_ERROR_NULL = 1,    /* a null pointer */
    HINR_ERROR_SIZE = 2,    /* an array whose length does not fit the model */
    HINR_ERROR_RANGE = 3,   /* a coordinate that is not within [0, 1], or NaN */
    HINR_ERROR_INDEX = 4,   /* an encoder that does not exist */
    HINR_ERROR_CONFIG = 5,  /* a grid or network outside what the kernel knows */
    HINR_ERROR_ISA = 6,     /* an instruction set or precision that this processor or build lacks */
    HINR_ERROR_MEMORY = 7,  /* out of memory */
    HINR_ERROR_THREADS = 8, /* a thread count that is not 1 to 1024 */
    HINR_ERROR_VERSION = 9  /* built for another version of this header */
};

#ifdef __cplusplus
extern "C" {
#endif

/* An encoder's geometry (HashGrid of encoding.py) and the network's sizes. */
typedef struct {
    int32_t abi_version;
    int32_t n_pos_dims, n_levels, n_features_per_level;
    int32_t n_neurons, n_hidden_layers, n_output_dims;
    const float *scales;        /* (L) */
    const int64_t *resolutions; /* (L) */
    const int64_t *offsets;     /* (L + 1) */
    const uint8_t *hashed;      /* (L) */
} hinr_shape;

typedef struct hinr_model hinr_model;

HINR_API int hinr_abi_version(void); /* HINR_ABI_VERSION of the build */

HINR_API int hinr_isa_supported(int isa);

/* 1 where a network is faster in bfloat16 than in float32. By the processor's maker, so that equal processors choose alike:
 * AMD's multiply bfloat16 twice as fast as float32 (Zen 4 and 5), Intel's at half the rate (Sapphire Rapids, measured), but for tiles. */
HINR_API int hinr_bfloat16_pays(int isa);

/* 1 where the processor has tiles that the system does not let this program use. */
HINR_API int hinr_tiles_refused(void);

HINR_API int hinr_set_num_threads(int n_threads);
HINR_API int hinr_num_threads(void);

/* mlp_params: the weight matrices one after the other, each (outputs, inputs) row by row. */
HINR_API int hinr_model_create(const hinr_shape *shape, const float *mlp_params, int64_t n_mlp_params, int isa,
                               int precision, hinr_model **model);
HINR_API int hinr_model_set_mlp(hinr_model *model, const float *mlp_params, int64_t n_mlp_params);
HINR_API void hinr_model_destroy(hinr_model *model);

/* The first row_length numbers of table = sum of weights[k] * rows[indices[k]], the others those of rest, or as they were
 * where rest is null; the table's type follows the model's precision. */
HINR_API int hinr_blend(const hinr_model *model, const void *rows, int row_type, int64_t n_rows, int64_t row_length,
                        const int64_t *indices, const float *weights, int64_t n_weights, const float *rest,
                        void *table, int64_t table_length);

/* values (n_points, C) at points (n_points, D). */
HINR_API int hinr_sample(const hinr_model *model, const void *table, int64_t table_length, const float *points,
                         int64_t n_points, float *values);

/* out (nz, ny, nx, C) = values * scale + offset at every combination of axes[0] = x, y (, z). */
HINR_API int hinr_sample_grid(const hinr_model *model, const void *table, int64_t table_length,
                              const float *const *axes, const int64_t *dims, float *out, const float *scale,
                              const float *offset);

/* Loss and its gradients for S tables (S, M) and points (S, B, D), targets (S, B, C), weights (S);
 * grad_tables (S, M) and grad_mlp (W) are overwritten. Needs a float32 or mixed model. */
HINR_API int hinr_backward(const hinr_model *model, const float *tables, int64_t n_tables, int64_t table_length,
                           const float *points, int64_t n_points, const float *targets, const float *weights, int kind,
                           double *loss, float *grad_tables, float *grad_mlp, int64_t n_mlp_params);

/* One step of Adam in place with grad_scale * grad. */
HINR_API int hinr_adam(int isa, float *params, const float *grad, double grad_scale, float *m, float *v, int64_t n,
                       int64_t step, double lr, double beta1, double beta2, double eps);

/* What a run of training changes in place: encoders (N, M) and the network (W) with Adam's moments, and how many steps each
 * encoder took part in (N). */
typedef struct {
    float *tables, *tables_m, *tables_v;
    int64_t *table_steps;
    int64_t n_rows, row_length;
    float *mlp, *mlp_m, *mlp_v;
    int64_t n_mlp_params;
    double lr_tables, lr_mlp, beta1, beta2, eps; /* rates at the first iteration; they fall to zero along a cosine */
    int64_t n_iterations;                        /* of the whole run */
    int32_t kind, keep_zeros;                    /* a HINR_LOSS_*; whether numbers of tables that are zero stay so */
    const float *steps; /* (n_levels) what tables are rounded to multiples of where they are evaluated; null: of nothing */
    const float *rates; /* (n_levels) by which a number of a table that is above 0 adds to its gradient, and takes off it one
                           that is below; null: none */
    int64_t n_levels;   /* that rows have */
} hinr_learner;

/* What is known at one theta: values (n, C) at points (n, D), or at points of the grid where points is null: `first` plus
 * numbers (n). The latter are drawn by runs of 512 values, the last of which may be shorter: run r of each batch as often as
 * bounds[r + 1] - bounds[r] is large; these (runs + 1) ascend from 0 to 1. Its table is the sum of weights[k] * encoder
 * rows[k] (K), followed by rest, the numbers that it has besides. */
typedef struct {
    const float *values, *points;
    const int32_t *numbers;
    const double *bounds;
    int64_t n, first;
    const int64_t *rows;
    const double *weights;
    int64_t n_rows;
    const float *rest;
    float step_weight;
    int32_t reserved;
} hinr_scene;

/* Batches hold n_points points of each of n_tables scenes. Where `drawn`, iteration i draws them as NumPy does with
 * Philox(key=[seed, 2 i]): choice(n_scenes, n_tables, replace=False), then integers(0, 1 << 31, n_points) for each of these,
 * which say where within the n_points equal parts of the bounds the draws lie, as `placed` of training/drawing.py does. Else
 * the scenes are the batches one after the other, of n_points points each. dims: the grid's points along x, y, z. */
typedef struct {
    const hinr_scene *scenes;
    int64_t n_scenes, n_tables, n_points;
    int64_t dims[3];
    uint64_t seed;
    int32_t drawn, reserved;
} hinr_data;

/* `count` iterations from `iteration` on; loss: of the last of them. Equal to drawing, hinr_backward and hinr_adam one after
 * the other. Needs a float32 or mixed model, whose network is overwritten. */
HINR_API int hinr_train(hinr_model *model, const hinr_learner *learner, const hinr_data *data, int64_t iteration,
                        int64_t count, double *loss);

/* Draws scenes (n_tables) and numbers (n_tables, n_points) as hinr_train does. */
HINR_API int hinr_draw(const hinr_data *data, int64_t iteration, uint32_t *scenes, uint32_t *numbers);

/* Runs every thread at the processor's limit for a moment: multiply-adds per second of all threads together. */
HINR_API int hinr_peak(int isa, int precision, double *per_second);

#ifdef __cplusplus
}
#endif
#endif
