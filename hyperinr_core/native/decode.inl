// The network over blocks of encoded samples, and what feeds it: rows of a grid, scattered points; and the blend.

// ---- the network ----
constexpr int kMaxDots = 4;  // outputs up to which dot products beat a matrix padded to kPad columns

HINR_INLINE float finish(float value, const float *scale, const float *offset, int c) {
    return scale ? madd(value, scale[c], offset[c]) : value;
}

// values (n, C) from the last hidden layer's float32 activations.
HINR_INLINE void dot_outputs(const Layer &layer, const float *hidden, int64_t stride, int n, float *values,
                             const float *scale, const float *offset) {
    for (int i = 0; i < n; ++i) {
        for (int c = 0; c < layer.n_out; ++c) {
            const float *row = layer.backward + c * layer.in_pad, *x = hidden + i * stride;
            Vec total = mul(load(x), load(row));
            for (int k = W; k < layer.in_pad; k += W) total = madd(load(x + k), load(row + k), total);
            values[i * layer.n_out + c] = finish(sum(total), scale, offset, c);
        }
    }
}

HINR_INLINE void copy_outputs(const float *padded, int n_out, int n, float *values, const float *scale,
                              const float *offset) {
    for (int i = 0; i < n; ++i)
        for (int c = 0; c < n_out; ++c) values[i * n_out + c] = finish(padded[i * kPad + c], scale, offset, c);
}

// values (n, C) by whichever way is faster.
HINR_INLINE void outputs(const Layer &layer, const float *hidden, int64_t stride, int n, float *values, const float *scale,
                         const float *offset) {
    if (layer.n_out <= kMaxDots) return dot_outputs(layer, hidden, stride, n, values, scale, offset);
    float padded[kBlock * kPad];
    multiply<Float32>(hidden, stride, 1, layer.n_in, n, layer.forward, kPad, PlainFloat32{padded, kPad});
    copy_outputs(padded, layer.n_out, n, values, scale, offset);
}

#if !defined(HINR_BF16) && !defined(HINR_TILES)
struct Network {
    // One hidden layer. May write where it reads only if one tile covers all columns.
    HINR_INLINE static void hidden(const Layer &layer, const float *in, int64_t in_stride, int n, float *out,
                                   int64_t stride) {
        multiply<Float32>(in, in_stride, 1, layer.n_in, n, layer.forward, layer.out_pad, ReluFloat32{out, stride});
    }
    static void run(const Model &model, const Scratch &s, int n, float *values, const float *scale,
                    const float *offset) {
        const int64_t stride = model.max_pad;
        const float *in = s.features;
        int64_t in_stride = model.layers[0].in_pad;
        for (int l = 0; l + 1 < model.n_layers; ++l) {
            const bool in_place = model.layers[l].out_pad <= kChunk;
            float *out = in == s.a && !in_place ? s.b : s.a;
            hidden(model.layers[l], in, in_stride, n, out, stride);
            in = out;
            in_stride = stride;
        }
        outputs(model.layers[model.n_layers - 1], in, stride, n, values, scale, offset);
    }
};

#elif defined(HINR_TILES)
struct Network {
    static void run(const Model &model, const Scratch &s, int n, float *values, const float *scale,
                    const float *offset) {
        const int last = model.n_layers - 1;
        const int64_t rows = whole_blocks(n), stride = model.max_pad;
        const uint32_t *in = (uint32_t *)s.b;
        int64_t in_pairs = model.layers[0].in_pad / 2;
        for (int64_t row = 0; row < rows; row += kSide)
            for (int64_t column = 0; column < in_pairs * 2; column += kSide)
                round_block<false>(s.features + row * in_pairs * 2 + column, in_pairs * 2,
                                   (uint32_t *)s.b + row * in_pairs + column / 2, in_pairs);
        for (int l = 0; l < last; ++l) {
            const Layer &layer = model.layers[l];
            float *out = in == (uint32_t *)s.b ? s.a : s.b;
            if (l + 1 == last) {  // the outputs are made of float32
                multiply_blocks(in, in_pairs, layer.in_pad / 2, rows, layer.forward_bf16, layer.out_pad, ReluFloats{out, stride});
                return outputs(model.layers[last], out, stride, n, values, scale, offset);
            }
            multiply_blocks(in, in_pairs, layer.in_pad / 2, rows, layer.forward_bf16, layer.out_pad,
                            ReluPairs{(uint32_t *)out, stride / 2});
            in = (uint32_t *)out;
            in_pairs = stride / 2;
        }
    }
};

#else
struct Network {
    static void run(const Model &model, const Scratch &s, int n, float *values, const float *scale,
                    const float *offset) {
        const int64_t stride = model.max_pad / 2;
        uint32_t *a = (uint32_t *)s.a, *b = (uint32_t *)s.b;
        int64_t in_stride = model.layers[0].in_pad / 2;
        for (int64_t i = 0; i < n * in_stride * 2; i += W)
            _mm256_storeu_si256((__m256i *)(b + i / 2), (__m256i)_mm512_cvtneps_pbh(load(s.features + i)));
        const uint32_t *in = b;
        const Layer &last = model.layers[model.n_layers - 1];
        const bool dots = last.n_out <= kMaxDots;
        for (int l = 0; l + 1 < model.n_layers; ++l) {
            const Layer &layer = model.layers[l];
            if (dots && l + 2 == model.n_layers) {  // the dot products read float32
                float *out = in == a ? s.b : s.a;
                multiply<BFloat16>(in, in_stride, 1, layer.in_pad / 2, n, layer.forward_bf16, layer.out_pad,
                                   ReluFloat32{out, model.max_pad});
                return dot_outputs(last, out, model.max_pad, n, values, scale, offset);
            }
            uint32_t *out = in == a && layer.out_pad > kChunk ? b : a;
            multiply<BFloat16>(in, in_stride, 1, layer.in_pad / 2, n, layer.forward_bf16, layer.out_pad,
                               ReluBFloat16{out, stride});
            in = out;
            in_stride = stride;
        }
        float padded[kBlock * kPad];
        multiply<BFloat16>(in, in_stride, 1, last.in_pad / 2, n, last.forward_bf16, kPad, PlainFloat32{padded, kPad});
        copy_outputs(padded, last.n_out, n, values, scale, offset);
    }
};
#endif

// ---- scattered points ----
template <int D, int F>
static void sample_with(const Model &model, const Number *table, const float *points, int64_t n, float *values,
                        const Scratch &s) {
    for (int64_t begin = 0; begin < n; begin += kBlock) {
        const int count = int(n - begin < kBlock ? n - begin : kBlock);
        encode_points<D, F>(model, table, points + begin * D, count, s.features, model.layers[0].in_pad);
        Network::run(model, s, count, values + begin * model.n_outputs, nullptr, nullptr);
    }
}

template <class... Args> static void sample_any(const Model &model, Args... args) {
    const bool volume = model.n_pos_dims == 3;
    switch (model.n_features) {
        case 1: return volume ? sample_with<3, 1>(model, args...) : sample_with<2, 1>(model, args...);
        case 2: return volume ? sample_with<3, 2>(model, args...) : sample_with<2, 2>(model, args...);
        case 4: return volume ? sample_with<3, 4>(model, args...) : sample_with<2, 4>(model, args...);
        default: return volume ? sample_with<3, 8>(model, args...) : sample_with<2, 8>(model, args...);
    }
}

static void sample(const Model &model, const void *table, const float *points, int64_t n, float *values,
                   const Scratch &s) {
    HINR_TILES_HELD
    sample_any(model, (const Number *)table, points, n, values, s);
}

// ---- rows of a grid ----
template <int F>
static void rows_with(const Model &model, const Number *table, const GridPlan &plan, int64_t row_begin, int64_t row_end,
                      float *out, const float *scale, const float *offset, const Scratch &s) {
    const int64_t stride = model.layers[0].in_pad;
    float *values = out + row_begin * plan.nx * model.n_outputs;  // rows lie one after the other
    int held = 0;
    for (int64_t row = row_begin; row < row_end; ++row) {
        combine_row<F>(model, table, plan, row, s.row_buffer);
        for (int64_t x = 0; x < plan.nx;) {
            const int take = int(plan.nx - x < kBlock - held ? plan.nx - x : kBlock - held);
            lerp_row<F>(model, plan, s.row_buffer, x, take, s.features + held * stride, stride);
            x += take;
            held += take;
            if (held == kBlock || (row + 1 == row_end && x == plan.nx)) {
                Network::run(model, s, held, values, scale, offset);
                values += int64_t(held) * model.n_outputs;
                held = 0;
            }
        }
    }
}

template <class... Args> static void rows_any(const Model &model, Args... args) {
    switch (model.n_features) {
        case 1: return rows_with<1>(model, args...);
        case 2: return rows_with<2>(model, args...);
        case 4: return rows_with<4>(model, args...);
        default: return rows_with<8>(model, args...);
    }
}

static void sample_rows(const Model &model, const void *table, const GridPlan &plan, int64_t row_begin, int64_t row_end,
                        float *out, const float *scale, const float *offset, const Scratch &s) {
    HINR_TILES_HELD
    rows_any(model, (const Number *)table, plan, row_begin, row_end, out, scale, offset, s);
}

// ---- blend ----
// table[begin, end) = sum of weights[k] * rows[k], k in order; end - begin is a multiple of 8 (entries of a level are).
template <class From, class To>
static void blend_with(const void *const *rows, const float *weights, int64_t n, int64_t begin, int64_t end, To *table) {
    int64_t i = begin;
    for (; i + W <= end; i += W) {
        Vec total = set1(0);
        for (int64_t k = 0; k < n; ++k) total = madd(set1(weights[k]), load((const From *)rows[k] + i), total);
        store(table + i, total);
    }
    if (i == end) return;
    From from[W];
    To to[W];
    Vec total = set1(0);
    for (int64_t k = 0; k < n; ++k) {
        memset(from, 0, sizeof from);
        memcpy(from, (const From *)rows[k] + i, size_t(end - i) * sizeof(From));
        total = madd(set1(weights[k]), load(from), total);
    }
    store(to, total);
    memcpy(table + i, to, size_t(end - i) * sizeof(To));
}

static void blend(const Model &, const void *const *rows, int row_type, const float *weights, int64_t n, int64_t begin,
                  int64_t end, void *table) {
    if (row_type == HINR_TYPE_FLOAT16) return blend_with<uint16_t>(rows, weights, n, begin, end, (Number *)table);
    blend_with<float>(rows, weights, n, begin, end, (Number *)table);
}
