// Many steps of training in one call: what training/trainer.py does one step at a time, by one team of threads. A step
// has three phases: tables are blended, groups of points give gradients, and each level of the tables and part of the
// network sums its gradient and is stepped at once. Every sum is that of the one-step functions, in the same order.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "adam.h"
#include "draws.h"
#include "gradients.h"
#include "pool.h"
#include "team.h"

using namespace hinr;

namespace {

constexpr int64_t kBlendParts = 16;
constexpr int kReduceParts = 8;
constexpr int64_t kRun = 512;           // values that share what is drawn of them, RUN of training/drawing.py
constexpr uint32_t kFine = 1u << 31;    // its FINE
constexpr float kRounding = 12582912;   // added to a float32 and taken off again it leaves a whole number, the even one of two
constexpr double kPi = 3.14159265358979323846;

// What a sum is of: a blended table's encoders, or an encoder's shares in the gradients of tables.
struct Terms {
    std::vector<const void *> rows;
    std::vector<float> weights;

    void clear() {
        rows.clear();
        weights.clear();
    }
    void push_back(const float *row, double weight) {
        rows.push_back(row);
        weights.push_back(float(weight));
    }
};

// One encoder of a batch.
struct Share {
    int64_t row;
    AdamStep adam;
    Terms gradient;
};

// Where a grid's points lie along an axis.
std::vector<float> axis(int64_t n) {
    std::vector<float> places(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) places[size_t(i)] = float(double(i) / double(std::max<int64_t>(n - 1, 1)));
    return places;
}

// What an iteration drew: scenes (S), and numbers of their values (S, B).
struct Drawn {
    std::vector<uint32_t> scenes, numbers;

    void draw(const hinr_data &data, int64_t iteration) {
        Draws draws(data.seed, 2 * uint64_t(iteration));
        draws.choose(uint32_t(data.n_scenes), data.n_tables, scenes);
        numbers.resize(size_t(data.n_tables * data.n_points));
        for (int64_t s = 0; s < data.n_tables; ++s) {
            uint32_t *of_scene = numbers.data() + s * data.n_points;
            draws.below(kFine, data.n_points, of_scene);
            place(data.scenes[scenes[size_t(s)]], data.n_points, of_scene);
        }
    }

    // One draw in each of n equal parts of the bounds, which ascend: `fine` says where in its part, and then which value.
    static void place(const hinr_scene &scene, int64_t n, uint32_t *fine) {
        const double *bound = scene.bounds;
        int64_t first = 0;
        for (int64_t i = 0; i < n; ++i) {
            const double position = (double(i) + double(fine[i]) / kFine) / double(n);
            for (; first + kRun < scene.n && bound[1] <= position; ++bound) first += kRun;
            const int64_t length = std::min(kRun, scene.n - first);
            const double within = (position - bound[0]) / (bound[1] - bound[0]) * double(length);
            fine[i] = uint32_t(first + std::min(int64_t(within), length - 1));
        }
    }
};

class Loop {
public:
    Loop(const Model &model, const hinr_learner &learner, const hinr_data &data)
        : m_(model), learner_(learner), data_(data), table_length_(model.n_entries * model.n_features),
          gradients_(model, data.n_tables, data.n_points, learner.kind), n_threads_(num_threads()),
          scratch_(model, n_threads_, 0, true), grad_tables_(size_t(data.n_tables * learner.row_length)),
          grad_mlp_(size_t(learner.n_mlp_params)), sums_(size_t(learner.row_length)),
          scenes_(size_t(data.n_tables)), blended_(size_t(data.n_tables)), terms_(size_t(data.n_tables)), tables_(size_t(data.n_tables)) {
        for (int d = 0; d < 3; ++d) axes_[d] = axis(data.dims[d]);
        if (data.drawn) {
            points_.resize(size_t(data.n_tables * data.n_points * model.n_pos_dims));
            targets_.resize(size_t(data.n_tables * data.n_points * model.n_outputs));
        }
        for (n_levels_ = 0; n_levels_ < model.n_levels && end_of(n_levels_) <= learner.row_length;) ++n_levels_;
        for (int l = 0; l < model.n_layers; ++l) {
            starts_.push_back(l ? starts_.back() + int64_t(model.layers[l - 1].n_in) * model.layers[l - 1].n_out : 0);
            pack_rows(model.layers[l], 0, model.layers[l].n_out, learner.mlp + starts_.back());
        }
    }

    double run(int64_t first, int64_t count) {
        if (data_.drawn) now_.draw(data_, first);
        team_.run(n_threads_, [&] {
            for (int64_t i = 0; i < count; ++i) step(first + i, i, i + 1 == count);
        });
        return gradients_.loss();
    }

private:
    int64_t end_of(int level) const { return (m_.levels[level].offset + m_.levels[level].size) * m_.n_features; }

    void step(int64_t iteration, int64_t number, bool last) {
        for (int64_t s = 0; s < data_.n_tables; ++s)
            scenes_[size_t(s)] = data_.scenes + (data_.drawn ? now_.scenes[size_t(s)] : number * data_.n_tables + s);
        blend();
        for (int64_t s = 0; s < data_.n_tables; ++s) {
            const hinr_scene &scene = *scenes_[size_t(s)];
            const float *points = data_.drawn ? points_.data() + s * data_.n_points * m_.n_pos_dims : scene.points;
            const float *targets = data_.drawn ? targets_.data() + s * data_.n_points * m_.n_outputs : scene.values;
            gradients_.set(s, tables_[size_t(s)], points, targets, scene.step_weight);
        }
        team_.phase(gradients_.n_tasks(), [this](int64_t task, int thread) {
            if (data_.drawn) gather(gradients_.part(task));
            gradients_.learn(task, scratch_[thread]);
        });
        const double decay = 0.5 * (1 + std::cos(kPi * double(iteration) / double(learner_.n_iterations)));
        find_shares(decay);
        const AdamStep adam = adam_of(iteration + 1, learner_.lr_mlp * decay, false);
        const int64_t n_draws = data_.drawn && !last;
        team_.phase(n_draws + n_levels_ + kReduceParts, [&](int64_t task, int) {
            if (task < n_draws) return next_.draw(data_, iteration + 1);
            task -= n_draws;
            if (task < n_levels_) return learn_level(n_levels_ - 1 - int(task));  // the largest first
            learn_rows(int(task) - n_levels_, adam);
        });
        std::swap(now_, next_);
    }

    // The tables of a batch: an encoder's own where it is the only one, else a sum in memory of ours.
    void blend() {
        bool any = false;
        n_rounded_ = 0;
        for (int64_t s = 0; s < data_.n_tables; ++s) {
            const hinr_scene &scene = *scenes_[size_t(s)];
            Terms &terms = terms_[size_t(s)];
            terms.clear();
            for (int64_t k = 0; k < scene.n_rows; ++k)
                if (scene.weights[k] != 0) terms.push_back(as_evaluated(scene.rows[k]), scene.weights[k]);
            const bool alone = terms.rows.size() == 1 && terms.weights[0] == 1 && !scene.rest;
            any |= !alone;
            if (!alone) blended_[size_t(s)].resize(size_t(table_length_));
            tables_[size_t(s)] = alone ? static_cast<const float *>(terms.rows[0]) : blended_[size_t(s)].data();
        }
        if (n_rounded_) team_.phase(int64_t(n_rounded_) * n_levels_, [this](int64_t task, int) {
            const Rounded &rounded = rounded_[size_t(task / n_levels_)];
            round_level(rounded.row, int(task % n_levels_), rounded.numbers->data());
        });
        if (!any) return;
        team_.phase(data_.n_tables * kBlendParts, [this](int64_t task, int) {
            const int64_t s = task / kBlendParts, part = task % kBlendParts, n_eights = learner_.row_length / 8;
            float *table = blended_[size_t(s)].data();
            if (tables_[size_t(s)] != table) return;
            sum(terms_[size_t(s)], n_eights * part / kBlendParts * 8, n_eights * (part + 1) / kBlendParts * 8, table);
            const int64_t n_rest = table_length_ - learner_.row_length;
            if (part == 0 && n_rest)
                std::memcpy(table + learner_.row_length, scenes_[size_t(s)]->rest, size_t(n_rest) * sizeof(float));
        });
    }

    // An encoder, or memory of ours that it will be rounded into.
    const float *as_evaluated(int64_t row) {
        if (!learner_.steps) return row_of(row);
        for (size_t i = 0; i < n_rounded_; ++i)
            if (rounded_[i].row == row) return rounded_[i].numbers->data();
        if (rounded_.size() == n_rounded_) rounded_.push_back({0, std::make_unique<Buffer>(size_t(learner_.row_length))});
        rounded_[n_rounded_].row = row;
        return rounded_[n_rounded_++].numbers->data();
    }

    void round_level(int64_t row, int level, float *out) const {
        const float step = learner_.steps[level], inverse = 1 / step, *numbers = row_of(row);
        for (int64_t i = m_.levels[level].offset * m_.n_features; i < end_of(level); ++i) {
            const float whole = numbers[i] * inverse + kRounding;
            out[i] = (whole - kRounding) * step;
        }
    }

    void sum(const Terms &terms, int64_t begin, int64_t end, float *out) const {
        const int64_t n = int64_t(terms.rows.size());
        m_.kernels->blend(m_, terms.rows.data(), HINR_TYPE_FLOAT32, terms.weights.data(), n, begin, end, out);
    }

    // Points and targets that were drawn, for a task of `Gradients`.
    void gather(const Gradients::Part &part) {
        const hinr_scene &scene = *scenes_[size_t(part.table)];
        const int64_t first = part.table * data_.n_points + part.begin;
        const uint32_t *numbers = now_.numbers.data() + first;
        const int D = m_.n_pos_dims, C = m_.n_outputs;
        const uint64_t nx = uint64_t(data_.dims[0]), ny = uint64_t(data_.dims[1]), nz = uint64_t(data_.dims[2]);
        float *points = points_.data() + first * D, *targets = targets_.data() + first * C;
        for (int64_t i = 0; i < part.n; ++i, points += D, targets += C) {
            const uint64_t place = uint64_t(scene.first) + uint32_t(scene.numbers[numbers[i]]);
            const uint64_t row = place / nx;
            points[0] = axes_[0][place - row * nx];
            points[1] = axes_[1][row % ny];
            if (D == 3) points[2] = axes_[2][std::min(row / ny, nz - 1)];
            const float *value = scene.values + int64_t(numbers[i]) * C;
            for (int c = 0; c < C; ++c) targets[c] = value[c];
        }
    }

    // The encoders of a batch in ascending order, each with its step of Adam.
    void find_shares(double decay) {
        order_.clear();
        for (const hinr_scene *scene : scenes_)
            for (int64_t k = 0; k < scene->n_rows; ++k) order_.push_back(scene->rows[k]);
        std::sort(order_.begin(), order_.end());
        order_.erase(std::unique(order_.begin(), order_.end()), order_.end());
        n_shares_ = order_.size();
        if (shares_.size() < n_shares_) shares_.resize(n_shares_);
        for (size_t i = 0; i < n_shares_; ++i) {
            shares_[i].row = order_[i];
            shares_[i].gradient.clear();
            const int64_t count = ++learner_.table_steps[order_[i]];
            shares_[i].adam = adam_of(count, learner_.lr_tables * decay, learner_.keep_zeros != 0);
        }
        for (int64_t s = 0; s < data_.n_tables; ++s) {
            const hinr_scene &scene = *scenes_[size_t(s)];
            for (int64_t k = 0; k < scene.n_rows; ++k) {
                if (scene.weights[k] == 0) continue;
                const auto at = std::lower_bound(order_.begin(), order_.end(), scene.rows[k]) - order_.begin();
                shares_[size_t(at)].gradient.push_back(grad_of(s), scene.weights[k]);
            }
        }
    }

    // A level's gradient and its step, for all encoders of the batch; leaves the gradient zero.
    void learn_level(int level) {
        for (int64_t s = 0; s < data_.n_tables; ++s)
            gradients_.scatter(s, level, grad_of(s) + m_.levels[level].offset * m_.n_features);
        for (int64_t begin = m_.levels[level].offset * m_.n_features; begin < end_of(level); begin += kAdamPart) {
            const int64_t n = std::min(kAdamPart, end_of(level) - begin);
            for (size_t i = 0; i < n_shares_; ++i) learn_part(shares_[i], level, begin, n);
            for (int64_t s = 0; s < data_.n_tables; ++s) std::fill_n(grad_of(s) + begin, n, 0.0f);
        }
    }

    void learn_part(const Share &share, int level, int64_t begin, int64_t n) const {
        AdamStep adam = share.adam;
        const float *grad = sums_.data();
        if (share.gradient.rows.size() == 1) {  // the step itself weighs the gradient
            grad = static_cast<const float *>(share.gradient.rows[0]);
            adam.grad_scale = share.gradient.weights[0];
        } else {
            sum(share.gradient, begin, begin + n, sums_.data());
        }
        const int64_t at = share.row * learner_.row_length + begin;
        if (learner_.rates) {
            const float *numbers = learner_.tables + at, rate = learner_.rates[level], scale = adam.grad_scale;
            float *sums = sums_.data() + begin;
            for (int64_t i = 0; i < n; ++i)
                sums[i] = scale * grad[begin + i] + (numbers[i] > 0 ? rate : numbers[i] < 0 ? -rate : 0);
            grad = sums_.data();
            adam.grad_scale = 1;
        }
        m_.kernels->adam(learner_.tables + at, grad + begin, learner_.tables_m + at, learner_.tables_v + at, n, adam);
    }

    // A part of each layer: its gradient, its step, and the matrices that the next phase reads.
    void learn_rows(int part, const AdamStep &adam) {
        for (int l = 0; l < m_.n_layers; ++l) {
            const Layer &layer = m_.layers[l];
            const int first = layer.n_out * part / kReduceParts, last = layer.n_out * (part + 1) / kReduceParts;
            const int64_t at = starts_[size_t(l)] + int64_t(first) * layer.n_in;
            float *params = learner_.mlp + at, *grad = grad_mlp_.data() + at;
            gradients_.reduce(l, first, last, grad);
            m_.kernels->adam(params, grad, learner_.mlp_m + at, learner_.mlp_v + at, int64_t(last - first) * layer.n_in, adam);
            pack_rows(layer, first, last, params);
        }
    }

    AdamStep adam_of(int64_t count, double lr, bool keep_zeros) const {
        return adam_step(count, lr, learner_.beta1, learner_.beta2, learner_.eps, 1, keep_zeros);
    }
    const float *row_of(int64_t row) const { return learner_.tables + row * learner_.row_length; }
    float *grad_of(int64_t s) const { return grad_tables_.data() + s * learner_.row_length; }

    const Model &m_;
    const hinr_learner &learner_;
    const hinr_data &data_;
    const int64_t table_length_;
    Gradients gradients_;
    const int n_threads_;
    const ScratchSet scratch_;
    const Buffer grad_tables_, grad_mlp_, sums_;
    Team team_;
    Drawn now_, next_;
    std::vector<const hinr_scene *> scenes_;
    std::vector<std::vector<float>> blended_;
    std::vector<Terms> terms_;
    std::vector<const float *> tables_;
    std::vector<float> axes_[3], points_, targets_;
    std::vector<int64_t> starts_, order_;
    std::vector<Share> shares_;
    struct Rounded {
        int64_t row;
        std::unique_ptr<Buffer> numbers;
    };
    std::vector<Rounded> rounded_;
    size_t n_shares_ = 0, n_rounded_ = 0;
    int n_levels_ = 0;  // that are learned
};

int check(const Model &m, const hinr_scene &scene, const hinr_learner &learner, const hinr_data &data) {
    if (!scene.values || !scene.rows || !scene.weights || !scene.points != !!data.drawn) return HINR_ERROR_NULL;
    if (data.drawn && (!scene.numbers || !scene.bounds)) return HINR_ERROR_NULL;
    if (!scene.rest && learner.row_length < m.n_entries * m.n_features) return HINR_ERROR_NULL;
    if (scene.n < 1 || scene.n >= int64_t(1) << 31 || scene.first < 0 || scene.n_rows < 1) return HINR_ERROR_SIZE;
    for (int64_t k = 0; k < scene.n_rows; ++k)
        if (scene.rows[k] < 0 || scene.rows[k] >= learner.n_rows) return HINR_ERROR_INDEX;
    if (data.drawn) return HINR_OK;
    if (scene.n != data.n_points) return HINR_ERROR_SIZE;
    return within_unit(scene.points, scene.n * m.n_pos_dims) ? HINR_OK : HINR_ERROR_RANGE;
}

bool ends_level(const Model &m, int64_t row_length) {
    for (int l = 0; l < m.n_levels; ++l)
        if ((m.levels[l].offset + m.levels[l].size) * m.n_features == row_length) return true;
    return false;
}

int check(const Model &m, const hinr_learner &learner, const hinr_data &data, int64_t count) {
    if (!learner.tables || !learner.tables_m || !learner.tables_v || !learner.table_steps || !learner.mlp ||
        !learner.mlp_m || !learner.mlp_v || !data.scenes)
        return HINR_ERROR_NULL;
    if (!m.kernels->train) return HINR_ERROR_CONFIG;
    if (learner.kind != HINR_LOSS_L1 && learner.kind != HINR_LOSS_L2) return HINR_ERROR_CONFIG;
    if ((learner.steps || learner.rates) && !(learner.n_levels > 0 && learner.n_levels <= m.n_levels &&
        (m.levels[learner.n_levels - 1].offset + m.levels[learner.n_levels - 1].size) * m.n_features == learner.row_length))
        return HINR_ERROR_SIZE;
    if (learner.n_mlp_params != m.n_mlp_params || !ends_level(m, learner.row_length)) return HINR_ERROR_SIZE;
    if (data.n_tables < 1 || data.n_points < 1 || count < 1 || learner.n_iterations < 1) return HINR_ERROR_SIZE;
    if (data.drawn ? data.n_scenes < data.n_tables : data.n_scenes != count * data.n_tables) return HINR_ERROR_SIZE;
    for (const int64_t n : data.dims)
        if (n < 1) return HINR_ERROR_SIZE;
    for (int64_t i = 0; i < data.n_scenes; ++i)
        if (const int error = check(m, data.scenes[i], learner, data)) return error;
    return HINR_OK;
}

}  // namespace

int hinr_train(hinr_model *model, const hinr_learner *learner, const hinr_data *data, int64_t iteration, int64_t count,
               double *loss) {
    if (!model || !learner || !data || !loss) return HINR_ERROR_NULL;
    if (const int error = check(*model, *learner, *data, count)) return error;
    return guarded([&] {
        *loss = Loop(*model, *learner, *data).run(iteration, count);
        return int(HINR_OK);
    });
}

int hinr_draw(const hinr_data *data, int64_t iteration, uint32_t *scenes, uint32_t *numbers) {
    if (!data || !scenes || !numbers) return HINR_ERROR_NULL;
    if (data->n_tables < 1 || data->n_points < 1 || data->n_scenes < data->n_tables) return HINR_ERROR_SIZE;
    for (int64_t i = 0; i < data->n_scenes; ++i)
        if (!data->scenes[i].bounds) return HINR_ERROR_NULL;
    return guarded([&] {
        Drawn drawn;
        drawn.draw(*data, iteration);
        std::copy(drawn.scenes.begin(), drawn.scenes.end(), scenes);
        std::copy(drawn.numbers.begin(), drawn.numbers.end(), numbers);
        return int(HINR_OK);
    });
}
