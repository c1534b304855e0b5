// Training of float32 tables: forward, loss and backward of a block at a time; the tables' gradient; Adam.

struct AddTo : Output<AddTo> {  // the gradient of a matrix: sums over this block join those of the blocks before
    float *out;
    int64_t stride;
    HINR_INLINE AddTo(float *o, int64_t s) : out(o), stride(s) {}
    HINR_INLINE AddTo at(int64_t row, int64_t column) const { return {out + row * stride + column, stride}; }
    HINR_INLINE void one(int64_t row, int64_t column, Vec sums) const {
        float *p = out + row * stride + column;
        store(p, add(load(p), sums));
    }
};

struct ThroughRelu : Output<ThroughRelu> {  // the gradient of activations: none where the ReLU let nothing through
    float *out;
    const float *activations;
    int64_t stride;
    HINR_INLINE ThroughRelu(float *o, const float *a, int64_t s) : out(o), activations(a), stride(s) {}
    HINR_INLINE ThroughRelu at(int64_t row, int64_t column) const {
        return {out + row * stride + column, activations + row * stride + column, stride};
    }
    HINR_INLINE void one(int64_t row, int64_t column, Vec sums) const {
        const int64_t i = row * stride + column;
        store(out + i, where_positive(load(activations + i), sums));
    }
};

// Gradients (n, C) of the values, in rows of `stride`; returns the block's loss.
static double differentiate(const TrainTask &task, const float *values, const float *targets, int n, int n_out,
                            float *grad, int64_t stride) {
    double loss = 0;
    for (int i = 0; i < n; ++i) {
        for (int c = 0; c < n_out; ++c) {
            const float value = values[i * n_out + c], target = targets[i * n_out + c], error = value - target;
            float slope;
            if (task.kind == HINR_LOSS_L1) {
                loss += double(error < 0 ? -error : error);
                slope = error > 0 ? 1.0f : error < 0 ? -1.0f : 0.0f;
                if (error != error) slope = error;  // NaN stays visible
            } else if (task.kind == HINR_LOSS_L2) {
                loss += double(error) * double(error);
                slope = 2 * error;
            } else {
                loss += double(value) * double(target);
                slope = target;
            }
            grad[i * stride + c] = task.weight * slope;
        }
    }
    return loss * double(task.weight);
}

#ifdef HINR_TILES
#include "train_blocks.inl"
#else
// One block: n samples whose features are in s.features, and after it the features' gradients.
static void train_block(const Model &model, TrainTask &task, int64_t begin, int n, const Scratch &s) {
    const int last = model.n_layers - 1;
    const int64_t stride = model.max_pad, layer_size = kBlock * stride;
    const float *inputs[kMaxLayers];
    int64_t strides[kMaxLayers];
    inputs[0] = s.features;
    strides[0] = model.layers[0].in_pad;
    for (int l = 0; l < last; ++l) {
        float *out = s.activations + l * layer_size;
        Network::hidden(model.layers[l], inputs[l], strides[l], n, out, stride);
        inputs[l + 1] = out;
        strides[l + 1] = stride;
    }
    float values[kBlock * kMaxOutputs];
    const Layer &output = model.layers[last];
    outputs(output, inputs[last], strides[last], n, values, nullptr, nullptr);
    float *grad = s.a, *other = s.b;
    task.loss += differentiate(task, values, task.targets + begin * output.n_out, n, output.n_out, grad, stride);

    float *grad_matrix = task.grad_mlp;
    for (int l = 0; l < last; ++l) grad_matrix += model.layers[l].grad_floats;
    for (int l = last; l >= 0; --l) {
        const Layer &layer = model.layers[l];
        multiply<Float32>(grad, 1, stride, n, layer.n_out, inputs[l], layer.in_pad, AddTo{grad_matrix, layer.in_pad});
        if (l) {
            multiply<Float32>(grad, stride, 1, layer.n_out, n, layer.backward, layer.in_pad,
                              ThroughRelu{other, inputs[l], stride});
            float *swap = grad;
            grad = other;
            other = swap;
            grad_matrix -= model.layers[l - 1].grad_floats;
        } else {
            multiply<Float32>(grad, stride, 1, layer.n_out, n, layer.backward, layer.in_pad,
                              PlainFloat32{s.features, layer.in_pad});
        }
    }
}
#endif

template <int D, int F> static void train_with(const Model &model, TrainTask &task, const Scratch &s) {
    for (int64_t begin = 0; begin < task.n; begin += kBlock) {
        const int n = int(task.n - begin < kBlock ? task.n - begin : kBlock);
        const int64_t stride = model.layers[0].in_pad;
        encode_points<D, F>(model, task.table, task.points + begin * D, n, s.features, stride);
        train_block(model, task, begin, n, s);
        for (int l = 0; l < model.n_levels; ++l)
            for (int i = 0; i < n; ++i)
                store_features<F>(task.grad_features + l * task.feature_stride + (begin + i) * F,
                                  load_features<F>(s.features + i * stride + l * F));
    }
}

static void train(const Model &model, TrainTask &task, const Scratch &s) {
    HINR_TILES_HELD
    const bool volume = model.n_pos_dims == 3;
    switch (model.n_features) {
        case 1: return volume ? train_with<3, 1>(model, task, s) : train_with<2, 1>(model, task, s);
        case 2: return volume ? train_with<3, 2>(model, task, s) : train_with<2, 2>(model, task, s);
        case 4: return volume ? train_with<3, 4>(model, task, s) : train_with<2, 4>(model, task, s);
        default: return volume ? train_with<3, 8>(model, task, s) : train_with<2, 8>(model, task, s);
    }
}

static void scatter(const Model &model, int l, const float *points, const float *grad_features, int64_t n, float *grad) {
    const bool volume = model.n_pos_dims == 3;
    const Level &level = model.levels[l];
    switch (model.n_features) {
        case 1: return volume ? scatter_points<3, 1>(level, points, grad_features, n, grad) : scatter_points<2, 1>(level, points, grad_features, n, grad);
        case 2: return volume ? scatter_points<3, 2>(level, points, grad_features, n, grad) : scatter_points<2, 2>(level, points, grad_features, n, grad);
        case 4: return volume ? scatter_points<3, 4>(level, points, grad_features, n, grad) : scatter_points<2, 4>(level, points, grad_features, n, grad);
        default: return volume ? scatter_points<3, 8>(level, points, grad_features, n, grad) : scatter_points<2, 8>(level, points, grad_features, n, grad);
    }
}

template <bool Keep>
HINR_INLINE void adam_vector(float *params, const float *grad, float *m, float *v, const AdamStep &s) {
    const Vec g = mul(load(grad), set1(s.grad_scale)), old_p = load(params), old_m = load(m), old_v = load(v);
    const Vec new_m = madd(set1(1 - s.beta1), g, mul(set1(s.beta1), old_m));
    const Vec new_v = madd(mul(set1(1 - s.beta2), g), g, mul(set1(s.beta2), old_v));
    const Vec denominator = madd(root(new_v), set1(s.root_bias), set1(s.eps));
    const Vec new_p = madd(set1(-s.step_size), div(new_m, denominator), old_p);
    if constexpr (Keep) {
        const Vec one = set1(1), negative = mul(set1(-1), old_p);
        store(params, mul(new_p, add(where_positive(old_p, one), where_positive(negative, one))));
    } else {
        store(params, new_p);
    }
    store(m, new_m);
    store(v, new_v);
}

template <bool Keep>
static void adam_with(float *params, const float *grad, float *m, float *v, int64_t n, const AdamStep &s) {
    int64_t i = 0;
    for (; i + W <= n; i += W) adam_vector<Keep>(params + i, grad + i, m + i, v + i, s);
    const size_t rest = size_t(n - i) * sizeof(float);
    if (!rest) return;
    float part[4][W] = {};
    memcpy(part[0], params + i, rest);
    memcpy(part[1], grad + i, rest);
    memcpy(part[2], m + i, rest);
    memcpy(part[3], v + i, rest);
    adam_vector<Keep>(part[0], part[1], part[2], part[3], s);
    memcpy(params + i, part[0], rest);
    memcpy(m + i, part[2], rest);
    memcpy(v + i, part[3], rest);
}

static void adam(float *params, const float *grad, float *m, float *v, int64_t n, const AdamStep &s) {
    if (s.keep_zeros) adam_with<true>(params, grad, m, v, n, s);
    else adam_with<false>(params, grad, m, v, n, s);
}
