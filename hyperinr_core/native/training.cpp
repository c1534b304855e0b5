// Loss with its gradients, and Adam. Samples are split into groups by their number alone and every sum is taken in a
// fixed order, so that gradients do not depend on the number of threads.
#include <algorithm>
#include <cmath>
#include <memory>

#include "model.h"
#include "pool.h"

using namespace hinr;

namespace {

constexpr int64_t kMaxGroups = 32;       // each has its own gradient of the network
constexpr int64_t kGroupStep = 8 * kTileRows;
constexpr int64_t kMinGroup = 5 * kGroupStep;
constexpr int64_t kAdamPart = 1 << 15;
constexpr int kReduceParts = 8;

int64_t gradient_floats(const Model &model) {
    int64_t total = 0;
    for (int l = 0; l < model.n_layers; ++l)
        total += int64_t(model.layers[l].n_out + kTileRows) * model.layers[l].in_pad;
    return total;
}

// Rows [part * n / parts, ...) of every matrix: the groups' gradients added up and their padding left out.
void reduce(const Model &model, const std::vector<TrainTask> &tasks, int part, float *grad_mlp) {
    int64_t matrix = 0;
    for (int l = 0; l < model.n_layers; ++l) {
        const Layer &layer = model.layers[l];
        for (int o = layer.n_out * part / kReduceParts; o < layer.n_out * (part + 1) / kReduceParts; ++o) {
            float *to = grad_mlp + int64_t(o) * layer.n_in;
            std::fill_n(to, layer.n_in, 0.0f);
            for (const TrainTask &task : tasks) {
                const float *from = task.grad_mlp + matrix + int64_t(o) * layer.in_pad;
                for (int i = 0; i < layer.n_in; ++i) to[i] += from[i];
            }
        }
        grad_mlp += int64_t(layer.n_in) * layer.n_out;
        matrix += int64_t(layer.n_out + kTileRows) * layer.in_pad;
    }
}

}  // namespace

int hinr_backward(const hinr_model *model, const float *tables, int64_t n_tables, int64_t table_length,
                  const float *points, int64_t n_points, const float *targets, const float *weights, int kind,
                  double *loss, float *grad_tables, float *grad_mlp, int64_t n_mlp_params) {
    if (!model || !tables || !points || !targets || !weights || !loss || !grad_tables || !grad_mlp)
        return HINR_ERROR_NULL;
    const Model &m = *model;
    if (table_length != m.n_entries * m.n_features || n_mlp_params != m.n_mlp_params) return HINR_ERROR_SIZE;
    if (n_tables < 1 || n_points < 1) return HINR_ERROR_SIZE;
    if (m.precision != HINR_FLOAT32 || kind < HINR_LOSS_L1 || kind > HINR_LOSS_DOT) return HINR_ERROR_CONFIG;
    return guarded([&] {
        if (!within_unit(points, n_tables * n_points * m.n_pos_dims)) return int(HINR_ERROR_RANGE);
        const int64_t share = std::max(kMinGroup, (n_points * n_tables + kMaxGroups - 1) / kMaxGroups);
        const int64_t group = (share + kGroupStep - 1) / kGroupStep * kGroupStep;
        const int64_t n_groups = (n_points + group - 1) / group;  // of each table
        const int64_t table_features = n_points * m.n_levels * m.n_features;
        const int64_t grad_floats = gradient_floats(m);
        const Buffer grads(size_t(n_tables * n_groups * grad_floats));
        const std::vector<float>::size_type n_features = size_t(n_tables * table_features);
        std::unique_ptr<float[]> grad_features(new float[n_features]);
        std::vector<TrainTask> tasks;
        for (int64_t s = 0; s < n_tables; ++s) {
            for (int64_t g = 0; g < n_groups; ++g) {
                const int64_t begin = g * group, first = s * n_points + begin;
                TrainTask task = {};
                task.table = tables + s * table_length;
                task.points = points + first * m.n_pos_dims;
                task.targets = targets + first * m.n_outputs;
                task.weight = kind == HINR_LOSS_DOT ? 1.0f
                                                    : float(double(weights[s]) / double(n_tables * n_points * m.n_outputs));
                task.kind = kind;
                task.n = std::min(group, n_points - begin);
                task.grad_features = grad_features.get() + s * table_features + begin * m.n_features;
                task.feature_stride = n_points * m.n_features;
                task.grad_mlp = grads.data() + int64_t(tasks.size()) * grad_floats;
                tasks.push_back(task);
            }
        }
        const int n_threads = int(std::min<int64_t>(num_threads(), int64_t(tasks.size())));
        const ScratchSet scratch(m, n_threads, 0, true);
        parallel_for(int64_t(tasks.size()), n_threads,
                     [&](int64_t task, int thread) { m.kernels->train(m, tasks[size_t(task)], scratch[thread]); });
        const int64_t n_scatters = n_tables * m.n_levels;
        parallel_for(n_scatters + kReduceParts, num_threads(), [&](int64_t task, int) {
            if (task >= n_scatters) return reduce(m, tasks, int(task - n_scatters), grad_mlp);
            const int64_t s = task / m.n_levels;
            const int l = m.n_levels - 1 - int(task % m.n_levels);  // the largest first
            const int64_t F = m.n_features;
            float *grad = grad_tables + s * table_length + m.levels[l].offset * F;
            std::fill_n(grad, m.levels[l].size * F, 0.0f);
            m.kernels->scatter(m, l, points + s * n_points * m.n_pos_dims,
                               grad_features.get() + s * table_features + l * n_points * F, n_points, grad);
        });
        *loss = 0;
        for (const TrainTask &task : tasks) *loss += task.loss;
        return int(HINR_OK);
    });
}

int hinr_adam(int isa, float *params, const float *grad, double grad_scale, float *m, float *v, int64_t n, int64_t step,
              double lr, double beta1, double beta2, double eps) {
    if (!params || !grad || !m || !v) return HINR_ERROR_NULL;
    if (n < 0 || step < 1) return HINR_ERROR_SIZE;
    const Kernels *kernels = find_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    const double step_size = lr / (1 - std::pow(beta1, double(step)));
    const double root_bias = 1 / std::sqrt(1 - std::pow(beta2, double(step)));
    return guarded([&] {
        const int64_t n_parts = (n + kAdamPart - 1) / kAdamPart;
        parallel_for(n_parts, num_threads(), [&](int64_t task, int) {
            const int64_t begin = task * kAdamPart;
            kernels->adam(params + begin, grad + begin, float(grad_scale), m + begin, v + begin,
                          std::min(kAdamPart, n - begin), float(step_size), float(root_bias), float(beta1), float(beta2), float(eps));
        });
        return int(HINR_OK);
    });
}
