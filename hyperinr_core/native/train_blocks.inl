// Training where the products of hidden layers are of bfloat16: a block of samples forward and backward.
//
// What is multiplied lies as pairs of bfloat16, activations and their gradients both of neighbours in a row and of samples above each
// other; sums are float32, and so is the last layer.

// (samples, width) as products read it: rows (kBlock, width / 2), or what lies above each other in it.
struct Pairs {
    uint32_t *rows, *columns;
    int64_t width;
};

// Activations: pairs of samples are (kBlock / 2, width).
struct ReluBoth {
    Pairs to;
    HINR_INLINE void operator()(int64_t row, int64_t column, const float *sums) const {
        round_block<true>(sums, kSide, to.rows + (row * to.width + column) / 2, to.width / 2);
        pair_block<true>(sums, kSide, to.columns + row / 2 * to.width + column, to.width);
    }
};

// Gradients of activations: none where the ReLU let nothing through. Their columns are (width, kBlock / 2), each one's samples in a row.
HINR_INLINE void store_gradients(const float *block, int64_t stride, int64_t row, int64_t column, const Pairs &to) {
    alignas(64) uint32_t pairs[kPairs * kSide];
    round_block<false>(block, stride, to.rows + (row * to.width + column) / 2, to.width / 2);
    pair_block<false>(block, stride, pairs, kSide);
    for (int half = 0; half < 2; ++half)
        transpose(pairs + half * kPairs, kSide, to.columns + (column + half * kPairs) * (kBlock / 2) + row / 2, kBlock / 2);
}
struct ThroughReluBoth {
    Pairs to;
    const uint32_t *activations;  // rows of those that the gradients are of
    HINR_INLINE void operator()(int64_t row, int64_t column, float *sums) const {
        for (int r = 0; r < kSide; ++r) mask_row(sums + r * kSide, activations + ((row + r) * to.width + column) / 2);
        store_gradients(sums, kSide, row, column, to);
    }
};

struct StoreFloats {
    float *out;
    int64_t stride;
    HINR_INLINE void operator()(int64_t row, int64_t column, const float *sums) const {
        for (int r = 0; r < kSide; ++r) memcpy(out + (row + r) * stride + column, sums + r * kSide, kSide * sizeof(float));
    }
};
struct AddFloats {
    float *out;
    int64_t stride;
    HINR_INLINE void operator()(int64_t row, int64_t column, const float *sums) const {
        for (int r = 0; r < kSide; ++r)
            for (int c = 0; c < kSide; c += W) {
                float *p = out + (row + r) * stride + column + c;
                store(p, add(load(p), load(sums + r * kSide + c)));
            }
    }
};

// One block: n samples whose features are in s.features, and after it the features' gradients.
static void train_block(const Model &model, TrainTask &task, int64_t begin, int n, const Scratch &s) {
    const int last = model.n_layers - 1;
    const int64_t rows = whole_blocks(n), stride = model.max_pad;
    const int64_t features = model.layers[0].in_pad, widest = features > stride ? features : stride;
    const Layer &output = model.layers[last];
    const auto pairs = [](float *at, int64_t width) { return Pairs{(uint32_t *)at, (uint32_t *)at + kBlock * width / 2, width}; };

    // A block that is not full has samples of zeros besides, which take part in nothing.
    memset(s.features + n * features, 0, size_t((rows - n) * features) * sizeof(float));
    Pairs inputs[kMaxLayers];
    for (int l = 0; l < last; ++l) inputs[l] = pairs(s.activations + l * kBlock * widest, model.layers[l].in_pad);
    for (int64_t row = 0; row < rows; row += kSide)
        for (int64_t column = 0; column < features; column += kSide) {
            const float *from = s.features + row * features + column;
            round_block<false>(from, features, inputs[0].rows + (row * features + column) / 2, features / 2);
            pair_block<false>(from, features, inputs[0].columns + row / 2 * features + column, features);
        }
    float *hidden = s.activations + last * kBlock * widest;
    for (int l = 0; l < last; ++l) {
        const Layer &layer = model.layers[l];
        const int64_t depth = layer.in_pad / 2;
        if (l + 1 < last) multiply_blocks(inputs[l].rows, depth, depth, rows, layer.forward_bf16, stride, ReluBoth{inputs[l + 1]});
        else multiply_blocks(inputs[l].rows, depth, depth, rows, layer.forward_bf16, stride, ReluFloats{hidden, stride});
    }
    float values[kBlock * kMaxOutputs];
    outputs(output, hidden, stride, n, values, nullptr, nullptr);
    float *slopes = s.a;
    task.loss += differentiate(task, values, task.targets + begin * output.n_out, n, output.n_out, slopes, stride);
    for (int64_t row = n; row < rows; ++row) memset(slopes + row * stride, 0, size_t(output.n_out) * sizeof(float));

    float *grad_matrix = task.grad_mlp;
    for (int l = 0; l < last; ++l) grad_matrix += model.layers[l].grad_floats;
    multiply<Float32>(slopes, 1, stride, n, output.n_out, hidden, stride, AddTo{grad_matrix, stride});
    multiply<Float32>(slopes, stride, 1, output.n_out, rows, output.backward, stride, ThroughRelu{s.b, hidden, stride});
    Pairs grad = pairs(s.a, stride), other = pairs(s.b, stride);
    for (int64_t row = 0; row < rows; row += kSide)
        for (int64_t column = 0; column < stride; column += kSide)
            store_gradients(s.b + row * stride + column, stride, row, column, grad);
    for (int l = last - 1; l >= 0; --l) {
        const Layer &layer = model.layers[l];
        grad_matrix -= layer.grad_floats;
        multiply_blocks(grad.columns, kBlock / 2, rows / 2, stride, inputs[l].columns, layer.in_pad, AddFloats{grad_matrix, layer.in_pad});
        if (l) {
            multiply_blocks(grad.rows, stride / 2, stride / 2, rows, layer.backward_bf16, layer.in_pad, ThroughReluBoth{other, inputs[l].rows});
            const Pairs swap = grad;
            grad = other;
            other = swap;
        } else {
            multiply_blocks(grad.rows, stride / 2, stride / 2, rows, layer.backward_bf16, features, StoreFloats{s.features, features});
        }
    }
}
