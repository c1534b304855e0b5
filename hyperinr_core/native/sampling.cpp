// Blend and sampling: checks, the plan of a grid's rows, and the split into tasks. Values do not depend on the split.
#include <algorithm>

#include "model.h"
#include "pool.h"

using namespace hinr;

namespace {

constexpr int64_t kTaskSamples = 6144;  // whole blocks of every unit
constexpr int64_t kBlendPart = 1 << 14;

int check_table(const hinr_model *model, const void *table, int64_t table_length) {
    if (!model || !table) return HINR_ERROR_NULL;
    return table_length == model->n_entries * model->n_features ? HINR_OK : HINR_ERROR_SIZE;
}

// How the samples of a row lie on every level: which vertices the row touches, and where each sample finds its own.
class RowPlan {
public:
    RowPlan(const Model &model, const float *x, int64_t nx, GridPlan &plan) {
        const uint32_t F = uint32_t(model.n_features);
        const uint32_t group = std::max(1u, uint32_t(model.kernels->width) / F);
        std::vector<uint32_t> corners(static_cast<size_t>(nx));
        for (int l = 0; l < model.n_levels; ++l) {
            groups_[l].resize(0);
            slots_[l].resize(size_t(nx));
            fractions_[l].resize(size_t(nx));
            model.kernels->locate(model.levels[l].scale, x, nx, corners.data(), fractions_[l].data());
            add_level(corners, group, F, groups_[l], slots_[l]);
            plan.levels[l] = {groups_[l].data(), int64_t(groups_[l].size()), slots_[l].data(), fractions_[l].data(),
                              plan.row_floats};
            plan.row_floats += int64_t(groups_[l].size()) * group * F;
        }
    }

private:
    static void add_level(const std::vector<uint32_t> &corners, uint32_t group, uint32_t F,
                          std::vector<uint32_t> &groups, std::vector<uint32_t> &slots) {
        for (const uint32_t corner : corners) {
            for (const uint32_t vertex : {corner, corner + 1}) {
                const uint32_t first = vertex / group * group;
                if (groups.empty() || groups.back() != first) groups.push_back(first);
            }
        }
        std::sort(groups.begin(), groups.end());
        groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
        for (size_t i = 0; i < corners.size(); ++i) {
            const uint32_t first = corners[i] / group * group;
            const auto at = std::lower_bound(groups.begin(), groups.end(), first) - groups.begin();
            slots[i] = (uint32_t(at) * group + corners[i] - first) * F;  // the next vertex follows: its group does too
        }
    }

    std::vector<uint32_t> groups_[kMaxLevels], slots_[kMaxLevels];
    std::vector<float> fractions_[kMaxLevels];
};

}  // namespace

int hinr_blend(const hinr_model *model, const void *rows, int row_type, int64_t n_rows, int64_t row_length,
               const int64_t *indices, const float *weights, int64_t n_weights, const float *rest, void *table,
               int64_t table_length) {
    if (!rows || !indices || !weights) return HINR_ERROR_NULL;
    if (const int error = check_table(model, table, table_length)) return error;
    if (row_length < 1 || row_length > table_length || n_weights < 1) return HINR_ERROR_SIZE;
    if (row_type != HINR_TYPE_FLOAT32 && row_type != HINR_TYPE_FLOAT16) return HINR_ERROR_CONFIG;
    for (int64_t k = 0; k < n_weights; ++k)
        if (indices[k] < 0 || indices[k] >= n_rows) return HINR_ERROR_INDEX;
    return guarded([&] {
        const int64_t row_bytes = row_length * (row_type == HINR_TYPE_FLOAT16 ? 2 : 4);
        std::vector<const void *> used;
        for (int64_t k = 0; k < n_weights; ++k) used.push_back(static_cast<const char *>(rows) + indices[k] * row_bytes);
        const auto in_parts = [&](int64_t length, const auto &blend) {
            parallel_for((length + kBlendPart - 1) / kBlendPart, num_threads(), [&](int64_t task, int) {
                blend(task * kBlendPart, std::min(length, (task + 1) * kBlendPart));
            });
        };
        in_parts(row_length, [&](int64_t begin, int64_t end) {
            model->kernels->blend(*model, used.data(), row_type, weights, n_weights, begin, end, table);
        });
        if (rest) {
            const void *const rests[] = {rest};
            const float one = 1;
            const int64_t size = model->precision == HINR_BFLOAT16 ? 2 : 4;
            void *const tail = static_cast<char *>(table) + row_length * size;
            in_parts(table_length - row_length, [&](int64_t begin, int64_t end) {
                model->kernels->blend(*model, rests, HINR_TYPE_FLOAT32, &one, 1, begin, end, tail);
            });
        }
        return int(HINR_OK);
    });
}

int hinr_sample(const hinr_model *model, const void *table, int64_t table_length, const float *points, int64_t n_points,
                float *values) {
    if (const int error = check_table(model, table, table_length)) return error;
    if (n_points < 0) return HINR_ERROR_SIZE;
    if (n_points == 0) return HINR_OK;
    if (!points || !values) return HINR_ERROR_NULL;
    return guarded([&] {
        if (!within_unit(points, n_points * model->n_pos_dims)) return int(HINR_ERROR_RANGE);
        const int64_t n_tasks = (n_points + kTaskSamples - 1) / kTaskSamples;
        const int n_threads = int(std::min<int64_t>(num_threads(), n_tasks));
        const ScratchSet scratch(*model, n_threads, 0, false);
        parallel_for(n_tasks, n_threads, [&](int64_t task, int thread) {
            const int64_t begin = task * kTaskSamples;
            model->kernels->sample(*model, table, points + begin * model->n_pos_dims,
                                   std::min(kTaskSamples, n_points - begin), values + begin * model->n_outputs,
                                   scratch[thread]);
        });
        return int(HINR_OK);
    });
}

int hinr_sample_grid(const hinr_model *model, const void *table, int64_t table_length, const float *const *axes,
                     const int64_t *dims, float *out, const float *scale, const float *offset) {
    if (const int error = check_table(model, table, table_length)) return error;
    if (!axes || !dims || !out || !scale || !offset) return HINR_ERROR_NULL;
    for (int axis = 0; axis < model->n_pos_dims; ++axis) {
        if (!axes[axis]) return HINR_ERROR_NULL;
        if (dims[axis] < 1) return HINR_ERROR_SIZE;
    }
    return guarded([&] {
        for (int axis = 0; axis < model->n_pos_dims; ++axis)
            if (!within_unit(axes[axis], dims[axis])) return int(HINR_ERROR_RANGE);
        GridPlan plan = {};
        plan.nx = dims[0];
        plan.ny = dims[1];
        plan.y = axes[1];
        plan.z = model->n_pos_dims == 3 ? axes[2] : nullptr;
        const RowPlan rows(*model, axes[0], plan.nx, plan);
        const int64_t n_rows = plan.ny * (plan.z ? dims[2] : 1);
        const int64_t task_rows = std::max<int64_t>(1, kTaskSamples / plan.nx);
        const int64_t n_tasks = (n_rows + task_rows - 1) / task_rows;
        const int n_threads = int(std::min<int64_t>(num_threads(), n_tasks));
        const ScratchSet scratch(*model, n_threads, plan.row_floats, false);
        parallel_for(n_tasks, n_threads, [&](int64_t task, int thread) {
            model->kernels->sample_rows(*model, table, plan, task * task_rows,
                                        std::min(n_rows, (task + 1) * task_rows), out, scale, offset, scratch[thread]);
        });
        return int(HINR_OK);
    });
}
