// Loss with its gradients, and Adam: one step at a time, for whoever loops elsewhere.
#include <algorithm>

#include "adam.h"
#include "gradients.h"
#include "pool.h"

using namespace hinr;

int hinr_backward(const hinr_model *model, const float *tables, int64_t n_tables, int64_t table_length,
                  const float *points, int64_t n_points, const float *targets, const float *weights, int kind,
                  double *loss, float *grad_tables, float *grad_mlp, int64_t n_mlp_params) {
    if (!model || !tables || !points || !targets || !weights || !loss || !grad_tables || !grad_mlp)
        return HINR_ERROR_NULL;
    const Model &m = *model;
    if (table_length != m.n_entries * m.n_features || n_mlp_params != m.n_mlp_params) return HINR_ERROR_SIZE;
    if (n_tables < 1 || n_points < 1) return HINR_ERROR_SIZE;
    if (!m.kernels->train || kind < HINR_LOSS_L1 || kind > HINR_LOSS_DOT) return HINR_ERROR_CONFIG;
    return guarded([&] {
        if (!within_unit(points, n_tables * n_points * m.n_pos_dims)) return int(HINR_ERROR_RANGE);
        Gradients gradients(m, n_tables, n_points, kind);
        for (int64_t s = 0; s < n_tables; ++s)
            gradients.set(s, tables + s * table_length, points + s * n_points * m.n_pos_dims,
                          targets + s * n_points * m.n_outputs, weights[s]);
        const int n_threads = int(std::min<int64_t>(num_threads(), gradients.n_tasks()));
        const ScratchSet scratch(m, n_threads, 0, true);
        parallel_for(gradients.n_tasks(), n_threads,
                     [&](int64_t task, int thread) { gradients.learn(task, scratch[thread]); });
        const int64_t n_scatters = n_tables * m.n_levels;
        parallel_for(n_scatters + m.n_layers, num_threads(), [&](int64_t task, int) {
            if (task >= n_scatters) {
                const int layer = int(task - n_scatters);
                float *grad = grad_mlp;
                for (int l = 0; l < layer; ++l) grad += int64_t(m.layers[l].n_in) * m.layers[l].n_out;
                return gradients.reduce(layer, 0, m.layers[layer].n_out, grad);
            }
            const int64_t s = task / m.n_levels;
            const int l = m.n_levels - 1 - int(task % m.n_levels);  // the largest first
            float *grad = grad_tables + s * table_length + m.levels[l].offset * m.n_features;
            std::fill_n(grad, int64_t(m.levels[l].size) * m.n_features, 0.0f);
            gradients.scatter(s, l, grad);
        });
        *loss = gradients.loss();
        return int(HINR_OK);
    });
}

int hinr_adam(int isa, float *params, const float *grad, double grad_scale, float *m, float *v, int64_t n, int64_t step,
              double lr, double beta1, double beta2, double eps) {
    if (!params || !grad || !m || !v) return HINR_ERROR_NULL;
    if (n < 0 || step < 1) return HINR_ERROR_SIZE;
    const Kernels *kernels = find_kernels(isa, HINR_FLOAT32);
    if (!kernels) return HINR_ERROR_ISA;
    const AdamStep adam = adam_step(step, lr, beta1, beta2, eps, float(grad_scale), false);
    return guarded([&] {
        parallel_for((n + kAdamPart - 1) / kAdamPart, num_threads(), [&](int64_t task, int) {
            const int64_t begin = task * kAdamPart;
            kernels->adam(params + begin, grad + begin, m + begin, v + begin, std::min(kAdamPart, n - begin), adam);
        });
        return int(HINR_OK);
    });
}
