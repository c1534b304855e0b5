#include "gradients.h"

#include <algorithm>

namespace hinr {
namespace {

constexpr int64_t kMaxGroups = 32;  // each has its own gradient of the network
constexpr int64_t kMinGroup = 240;

}  // namespace

Gradients::Gradients(const Model &model, int64_t n_tables, int64_t n_points, int kind)
    : model_(model), n_tables_(n_tables), n_points_(n_points), kind_(kind) {
    const int64_t share = std::max(kMinGroup, (n_points * n_tables + kMaxGroups - 1) / kMaxGroups);
    group_ = (share + model.kernels->block - 1) / model.kernels->block * model.kernels->block;
    n_groups_ = (n_points + group_ - 1) / group_;  // of each table
    for (int l = 0; l < model.n_layers; ++l)
        grad_floats_ += model.layers[l].grad_floats;
    grads_ = Buffer(size_t(n_tables * n_groups_ * grad_floats_));
    const int64_t table_features = n_points * model.n_levels * model.n_features;
    grad_features_.reset(new float[size_t(n_tables * table_features)]);
    for (int64_t number = 0; number < n_tables * n_groups_; ++number) {
        const int64_t table = number / n_groups_, begin = number % n_groups_ * group_;
        TrainTask task = {};
        task.kind = kind;
        task.n = std::min(group_, n_points - begin);
        task.grad_features = grad_features_.get() + table * table_features + begin * model.n_features;
        task.feature_stride = n_points * model.n_features;
        task.grad_mlp = grads_.data() + number * grad_floats_;
        tasks_.push_back(task);
    }
}

void Gradients::set(int64_t number, const float *table, const float *points, const float *targets, float weight) {
    const double n_values = double(n_tables_ * n_points_ * model_.n_outputs);
    for (int64_t g = 0; g < n_groups_; ++g) {
        TrainTask &task = tasks_[size_t(number * n_groups_ + g)];
        task.table = table;
        task.points = points + g * group_ * model_.n_pos_dims;
        task.targets = targets + g * group_ * model_.n_outputs;
        task.weight = kind_ == HINR_LOSS_DOT ? 1.0f : float(double(weight) / n_values);
    }
}

Gradients::Part Gradients::part(int64_t task) const {
    return {task / n_groups_, task % n_groups_ * group_, tasks_[size_t(task)].n};
}

void Gradients::learn(int64_t number, const Scratch &scratch) {
    TrainTask &task = tasks_[size_t(number)];
    std::fill_n(task.grad_mlp, grad_floats_, 0.0f);
    task.loss = 0;
    model_.kernels->train(model_, task, scratch);
}

void Gradients::scatter(int64_t table, int level, float *grad) const {
    const TrainTask &first = tasks_[size_t(table * n_groups_)];
    const float *grad_features = first.grad_features + level * first.feature_stride;
    model_.kernels->scatter(model_, level, first.points, grad_features, n_points_, grad);
}

void Gradients::reduce(int layer, int first_row, int last_row, float *grad) const {
    int64_t matrix = 0;
    for (int l = 0; l < layer; ++l) matrix += model_.layers[l].grad_floats;
    const Layer &shape = model_.layers[layer];
    for (int row = first_row; row < last_row; ++row, grad += shape.n_in) {
        std::fill_n(grad, shape.n_in, 0.0f);
        for (const TrainTask &task : tasks_) {
            const float *from = task.grad_mlp + matrix + int64_t(row) * shape.in_pad;
            for (int i = 0; i < shape.n_in; ++i) grad[i] += from[i];
        }
    }
}

double Gradients::loss() const {
    double total = 0;
    for (const TrainTask &task : tasks_) total += task.loss;
    return total;
}

}  // namespace hinr
