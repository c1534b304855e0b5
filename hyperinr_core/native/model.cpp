#include "model.h"

#include <cstring>

#include "pool.h"
#include "processor.h"

namespace hinr {

Buffer::Buffer(size_t n_floats) : memory_(n_floats + 16) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(memory_.data());
    data_ = memory_.data() + (64 - address % 64) % 64 / sizeof(float);
}

namespace {

size_t aligned(int64_t n_floats) { return size_t((n_floats + 15) / 16 * 16); }

}  // namespace

ScratchSet::ScratchSet(const Model &model, int n_threads, int64_t row_floats, bool training) {
    const int features_pad = model.layers[0].in_pad;
    const int widest = model.max_pad > features_pad ? model.max_pad : features_pad;
    const int64_t block = model.kernels->block;
    const size_t features = aligned(block * features_pad);
    const size_t a = aligned(block * widest + kPad);  // slack: tiles of gradients read past the last row
    const size_t row = aligned(row_floats);
    const size_t activations = training ? aligned(model.n_layers * block * widest) : 0;
    const size_t each = features + 2 * a + row + activations + 16;
    memory_ = Buffer(each * size_t(n_threads));
    for (int i = 0; i < n_threads; ++i) {
        float *p = memory_.data() + each * size_t(i);
        scratches_.push_back({p, p + features, p + features + a, p + features + 2 * a, p + features + 2 * a + row});
    }
}

const Kernels *find_kernels(int isa, int precision) {
    if (isa == HINR_ISA_AMX_BF16 && !has_tiles()) return nullptr;
#if defined(HINR_AMX) || defined(HINR_TILES_MODEL)
    if (isa == HINR_ISA_AMX_BF16 && precision != HINR_FLOAT32) return precision == HINR_MIXED ? &kAmxMixed : &kAmxBf16;
#endif
#ifdef HINR_X86
    if (isa == HINR_ISA_AVX512_BF16 && !processor().avx512_bf16) return nullptr;
    if (isa == HINR_ISA_AVX512_BF16 && precision == HINR_BFLOAT16) return &kAvx512Bf16;
#else
    if (isa == HINR_ISA_AVX512_BF16) return nullptr;
#endif
    if (precision != HINR_FLOAT32) return nullptr;
    isa = vector_isa(isa);
    if (isa == HINR_ISA_GENERIC) return &kGeneric;
#ifdef HINR_X86
    if (isa == HINR_ISA_AVX2 && processor().avx2) return &kAvx2;
    if (isa == HINR_ISA_AVX512 && processor().avx512) return &kAvx512;
#elif defined(HINR_ARM)
    if (isa == HINR_ISA_NEON) return &kNeon;
#endif
    return nullptr;
}

bool within_unit(const float *x, int64_t n) {
    constexpr int64_t part = 1 << 16;
    if (n > part) {
        std::vector<char> good(size_t((n + part - 1) / part));
        parallel_for(int64_t(good.size()), num_threads(), [&](int64_t task, int) {
            const int64_t begin = task * part;
            good[size_t(task)] = within_unit(x + begin, n - begin < part ? n - begin : part);
        });
        return std::memchr(good.data(), 0, good.size()) == nullptr;
    }
    int outside = 0;  // counted without branches, so that the loop is vectorised
    for (int64_t i = 0; i < n; ++i) outside += !(x[i] >= 0.0f && x[i] <= 1.0f);
    return outside == 0;
}

namespace {

uint32_t bf16(float value) {  // rounded to nearest even, as the processor does
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 0x40;
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

// The same rows as pairs of bfloat16. Hidden layers have multiples of 16 rows, so that parts of them begin and end between pairs.
void pack_pairs(const Layer &layer, int first, int last) {
    const auto pair = [](float even, float odd) { return bf16(even) | bf16(odd) << 16; };
    for (int i = 0; i < layer.in_pad; i += 2) {
        const float *even = layer.forward + i * layer.out_pad, *odd = even + layer.out_pad;
        for (int o = first; o < last; ++o) layer.forward_bf16[i / 2 * layer.out_pad + o] = pair(even[o], odd[o]);
    }
    if (!layer.backward_bf16) return;
    for (int o = first; o < last; o += 2) {
        const float *even = layer.backward + o * layer.in_pad, *odd = even + layer.in_pad;
        for (int i = 0; i < layer.in_pad; ++i) layer.backward_bf16[o / 2 * layer.in_pad + i] = pair(even[i], odd[i]);
    }
}

}  // namespace

void pack_rows(const Layer &layer, int first, int last, const float *params) {
    for (int o = first; o < last; ++o, params += layer.n_in) {
        for (int i = 0; i < layer.n_in; ++i) layer.forward[i * layer.out_pad + o] = params[i];
        std::memcpy(layer.backward + o * layer.in_pad, params, size_t(layer.n_in) * sizeof(float));
    }
    if (layer.forward_bf16) pack_pairs(layer, first, last);
}

namespace {

int pad(int n, int to) { return (n + to - 1) / to * to; }

bool valid_shape(const hinr_shape &s) {
    const int F = s.n_features_per_level;
    if (s.n_pos_dims != 2 && s.n_pos_dims != 3) return false;
    if (s.n_levels < 1 || s.n_levels > kMaxLevels || (F != 1 && F != 2 && F != 4 && F != 8)) return false;
    if (s.n_neurons < 16 || s.n_neurons > 128 || s.n_neurons % 16) return false;
    if (s.n_hidden_layers < 1 || s.n_hidden_layers >= kMaxLayers) return false;
    if (s.n_output_dims < 1 || s.n_output_dims > kMaxOutputs || s.offsets[0] != 0) return false;
    for (int l = 0; l < s.n_levels; ++l) {
        const int64_t size = s.offsets[l + 1] - s.offsets[l], resolution = s.resolutions[l];
        if (size < 8 || size > (int64_t(1) << 24) || size % 8) return false;
        if (!(s.scales[l] >= 0.0f && s.scales[l] < float(1 << 24))) return false;
        if (resolution < 1 || resolution > (int64_t(1) << 24) || resolution < int64_t(s.scales[l] + 0.5f)) return false;
        if (s.hashed[l] && (size & (size - 1))) return false;
        if (!s.hashed[l]) {  // every index of a point in [0, 1] lies within two sizes
            const int64_t r = resolution, plane = r * r;
            if (r > 4096 && s.n_pos_dims == 3) return false;
            if ((s.n_pos_dims == 3 ? plane * r : plane) > size) return false;
        }
    }
    return true;
}

void set_levels(const hinr_shape &s, Model &m) {
    m.n_pos_dims = s.n_pos_dims;
    m.n_levels = s.n_levels;
    m.n_features = s.n_features_per_level;
    m.n_outputs = s.n_output_dims;
    m.n_entries = s.offsets[s.n_levels];
    for (int l = 0; l < s.n_levels; ++l)
        m.levels[l] = {s.scales[l], uint32_t(s.resolutions[l]), uint32_t(s.offsets[l + 1] - s.offsets[l]),
                       s.hashed[l] != 0, s.offsets[l]};
}

void set_layers(const hinr_shape &s, hinr_model &m) {
    m.n_layers = s.n_hidden_layers + 1;
    const int to = m.kernels->pad;
    m.max_pad = pad(s.n_neurons, to);
    size_t total = 0;
    for (int l = 0; l < m.n_layers; ++l) {
        Layer &layer = m.layers[l];
        layer.n_in = l ? s.n_neurons : s.n_levels * s.n_features_per_level;
        layer.n_out = l + 1 < m.n_layers ? s.n_neurons : s.n_output_dims;
        layer.in_pad = pad(layer.n_in, to);
        layer.out_pad = pad(layer.n_out, l + 1 < m.n_layers ? to : kPad);
        layer.grad_floats = int64_t(layer.out_pad + kTileRows) * layer.in_pad;
        m.n_mlp_params += int64_t(layer.n_in) * layer.n_out;
        total += size_t(layer.in_pad) * size_t(layer.out_pad) * 3;
    }
    m.matrices = Buffer(total);
    float *p = m.matrices.data();
    for (int l = 0; l < m.n_layers; ++l) {
        Layer &layer = m.layers[l];
        const size_t n = size_t(layer.in_pad) * size_t(layer.out_pad);
        layer.forward = p;
        layer.backward = p + n;
        if (m.precision != HINR_FLOAT32) {
            layer.forward_bf16 = reinterpret_cast<uint32_t *>(p + 2 * n);
            if (l + 1 < m.n_layers) layer.backward_bf16 = layer.forward_bf16 + n / 2;
        }
        p += 3 * n;
    }
}

void pack(const float *params, Model &m) {
    for (int l = 0; l < m.n_layers; ++l) {
        const Layer &layer = m.layers[l];
        pack_rows(layer, 0, layer.n_out, params);
        params += layer.n_in * layer.n_out;
    }
}

}  // namespace
}  // namespace hinr

using namespace hinr;

int hinr_abi_version(void) { return HINR_ABI_VERSION; }

int hinr_isa_supported(int isa) { return find_kernels(isa, HINR_FLOAT32) != nullptr; }

int hinr_bfloat16_pays(int isa) {
#ifdef HINR_X86
    return find_kernels(isa, HINR_BFLOAT16) && (isa == HINR_ISA_AMX_BF16 || processor().amd);
#else
    (void)isa;
    return 0;
#endif
}

int hinr_tiles_refused(void) {
#if defined(HINR_AMX)
    return processor().amx_bf16 && !has_tiles();
#else
    return 0;
#endif
}

int hinr_set_num_threads(int n_threads) {
    if (n_threads < 1 || n_threads > kMaxThreads) return HINR_ERROR_THREADS;
    set_num_threads(n_threads);
    return HINR_OK;
}

int hinr_num_threads(void) { return num_threads(); }

int hinr_model_create(const hinr_shape *shape, const float *mlp_params, int64_t n_mlp_params, int isa, int precision,
                      hinr_model **model) {
    if (!shape || !mlp_params || !model) return HINR_ERROR_NULL;
    if (shape->abi_version != HINR_ABI_VERSION) return HINR_ERROR_VERSION;
    if (!shape->scales || !shape->resolutions || !shape->offsets || !shape->hashed) return HINR_ERROR_NULL;
    if (!valid_shape(*shape)) return HINR_ERROR_CONFIG;
    if (precision < HINR_FLOAT32 || precision > HINR_MIXED) return HINR_ERROR_CONFIG;
    const Kernels *kernels = find_kernels(isa, precision);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        hinr_model *made = new hinr_model();
        made->kernels = kernels;
        made->precision = precision;
        set_levels(*shape, *made);
        set_layers(*shape, *made);
        const int error = hinr_model_set_mlp(made, mlp_params, n_mlp_params);
        if (error) delete made;
        else *model = made;
        return error;
    });
}

int hinr_model_set_mlp(hinr_model *model, const float *mlp_params, int64_t n_mlp_params) {
    if (!model || !mlp_params) return HINR_ERROR_NULL;
    if (n_mlp_params != model->n_mlp_params) return HINR_ERROR_SIZE;
    pack(mlp_params, *model);
    return HINR_OK;
}

void hinr_model_destroy(hinr_model *model) { delete model; }
