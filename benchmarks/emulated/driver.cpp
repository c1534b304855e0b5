// The CPU kernel without Python, for another processor under QEMU: `driver JOB OUT` reads a model and points from JOB, blends,
// decodes, samples, trains and takes a step of Adam, as often as JOB says, and writes what it got to OUT. emulated.py is the
// other side.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "hyperinr_native.h"

namespace {

struct Sizes {
    int64_t isa, blends, decodes, samples, trainings;  // how often; at least 1 for results
    int64_t n_pos_dims, n_levels, n_features, n_neurons, n_hidden_layers, n_outputs;
    int64_t n_encoders, table_length, n_mlp_params, n_points, axis[3];
};

template <class T> std::vector<T> read(FILE *file, int64_t n) {
    std::vector<T> numbers(static_cast<size_t>(n));
    if (std::fread(numbers.data(), sizeof(T), numbers.size(), file) != numbers.size()) numbers.clear();
    return numbers;
}

void write(FILE *file, const std::vector<float> &numbers) { std::fwrite(numbers.data(), sizeof(float), numbers.size(), file); }

int run(FILE *job, FILE *out) {
    const std::vector<Sizes> head = read<Sizes>(job, 1);
    if (head.empty()) return HINR_ERROR_SIZE;
    const Sizes &s = head[0];
    const auto scales = read<float>(job, s.n_levels);
    const auto resolutions = read<int64_t>(job, s.n_levels), offsets = read<int64_t>(job, s.n_levels + 1);
    const auto hashed = read<uint8_t>(job, s.n_levels);
    const auto encoders = read<float>(job, s.n_encoders * s.table_length), weights = read<float>(job, s.n_encoders);
    std::vector<float> mlp = read<float>(job, s.n_mlp_params);
    const auto points = read<float>(job, s.n_points * s.n_pos_dims), targets = read<float>(job, s.n_points * s.n_outputs);
    const std::vector<float> axes[3] = {read<float>(job, s.axis[0]), read<float>(job, s.axis[1]), read<float>(job, s.axis[2])};
    const float *axis[3] = {axes[0].data(), axes[1].data(), axes[2].data()};

    const hinr_shape shape = {HINR_ABI_VERSION,       int32_t(s.n_pos_dims),      int32_t(s.n_levels),
                              int32_t(s.n_features),  int32_t(s.n_neurons),       int32_t(s.n_hidden_layers),
                              int32_t(s.n_outputs),   scales.data(),              resolutions.data(),
                              offsets.data(),         hashed.data()};
    hinr_model *model = nullptr;
    if (int error = hinr_set_num_threads(1)) return error;
    if (int error = hinr_model_create(&shape, mlp.data(), s.n_mlp_params, int(s.isa), HINR_FLOAT32, &model)) return error;
    std::vector<int64_t> indices;
    for (int64_t k = 0; k < s.n_encoders; ++k) indices.push_back(k);
    std::vector<float> table(size_t(s.table_length)), grad_table(table.size()), grad_mlp(mlp.size());
    std::vector<float> grid(size_t(s.axis[0] * s.axis[1] * s.axis[2] * s.n_outputs)), values(targets.size());
    const std::vector<float> scale(size_t(s.n_outputs), 2.0f), offset(size_t(s.n_outputs), 0.5f);
    std::vector<float> m(mlp.size()), v(mlp.size());
    const float one = 1.0f;
    double loss = 0;
    int error = 0;
    for (int64_t i = 0; i < s.blends && !error; ++i)
        error = hinr_blend(model, encoders.data(), HINR_TYPE_FLOAT32, s.n_encoders, s.table_length, indices.data(),
                           weights.data(), s.n_encoders, nullptr, table.data(), s.table_length);
    for (int64_t i = 0; i < s.decodes && !error; ++i)
        error = hinr_sample_grid(model, table.data(), s.table_length, axis, s.axis, grid.data(), scale.data(), offset.data());
    for (int64_t i = 0; i < s.samples && !error; ++i)
        error = hinr_sample(model, table.data(), s.table_length, points.data(), s.n_points, values.data());
    for (int64_t i = 0; i < s.trainings && !error; ++i)
        error = hinr_backward(model, table.data(), 1, s.table_length, points.data(), s.n_points, targets.data(), &one,
                              HINR_LOSS_L2, &loss, grad_table.data(), grad_mlp.data(), s.n_mlp_params);
    if (!error)
        error = hinr_adam(int(s.isa), mlp.data(), grad_mlp.data(), 1.0, m.data(), v.data(), s.n_mlp_params, 1, 1e-2, 0.9,
                          0.99, 1e-15);
    hinr_model_destroy(model);
    for (const auto *numbers : {&table, &grid, &values, &grad_table, &grad_mlp, &mlp}) write(out, *numbers);
    write(out, {float(loss)});
    return error;
}

}  // namespace

int main(int argc, char **argv) {
    FILE *job = argc == 3 ? std::fopen(argv[1], "rb") : nullptr, *out = job ? std::fopen(argv[2], "wb") : nullptr;
    if (!out) {
        std::fprintf(stderr, "usage: driver JOB OUT\n");
        return 100;
    }
    const int error = run(job, out);
    std::fclose(job);
    return std::fclose(out) ? 101 : error;
}
