// Compares the kernel's units of tiles with their model in plain C++, on a machine that has nothing else: what both make of the same
// models, points and targets. Prints to the serial line; the last line is "all agree" or "they differ".
#include <stddef.h>
#include <stdint.h>

#include "hyperinr_native.h"
#include "kernels.h"

namespace hinr {
extern const Kernels kTiles, kModel, kTilesHalf, kModelHalf;
}
using namespace hinr;

extern "C" void *memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; ++i) static_cast<volatile char *>(to)[i] = static_cast<const char *>(from)[i];
    return to;
}
extern "C" void *memset(void *to, int value, size_t n) {
    for (size_t i = 0; i < n; ++i) static_cast<volatile char *>(to)[i] = char(value);
    return to;
}
extern "C" float sqrtf(float x) {
    __asm__("sqrtss %0, %0" : "+x"(x));
    return x;
}

namespace {

constexpr uint16_t kSerial = 0x3f8;

void say(const char *text) {
    for (; *text; ++text) {
        uint8_t state;
        do __asm__ volatile("inb %1, %0" : "=a"(state) : "Nd"(uint16_t(kSerial + 5)));
        while (!(state & 0x20));
        __asm__ volatile("outb %0, %1" ::"a"(*text), "Nd"(kSerial));
    }
}
void say(int64_t number) {
    char text[24] = {};
    int i = 22;
    do text[i--] = char('0' + number % 10);
    while (number /= 10);
    say(text + i + 1);
}

alignas(64) char memory[64 << 20];
size_t used;

template <class T = float> T *take(int64_t n) {
    char *at = memory + used;
    used += (size_t(n) * sizeof(T) + 127) / 64 * 64;
    memset(at, 0, size_t(n) * sizeof(T));
    return reinterpret_cast<T *>(at);
}

float random() {  // in [0, 1)
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return float(state >> 40) / float(1 << 24);
}
float *take_random(int64_t n, float low, float high) {
    float *numbers = take(n);
    for (int64_t i = 0; i < n; ++i) numbers[i] = low + (high - low) * random();
    return numbers;
}

struct Sizes { int dims, levels, features, neurons, hidden, outputs; };

int64_t n_params(const Sizes &s) {
    return int64_t(s.levels * s.features + (s.hidden - 1) * s.neurons + s.outputs) * s.neurons;
}
int padded(int n, int to) { return (n + to - 1) / to * to; }

uint32_t pair(float even, float odd) {
    const auto half = [](float value) {
        uint32_t bits;
        memcpy(&bits, &value, 4);
        return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    };
    return half(even) | half(odd) << 16;
}

Layer make_layer(const float *params, int n_in, int n_out, int in_pad, int out_pad) {
    const int n = in_pad * out_pad;
    Layer layer = {n_in, n_out, in_pad, out_pad, take(n), take(n), int64_t(out_pad + kTileRows) * in_pad,
                   take<uint32_t>(n / 2), take<uint32_t>(n / 2)};
    for (int o = 0; o < n_out; ++o)
        for (int i = 0; i < n_in; ++i) layer.forward[i * out_pad + o] = layer.backward[o * in_pad + i] = params[o * n_in + i];
    for (int i = 0; i < in_pad; i += 2)
        for (int o = 0; o < out_pad; ++o)
            layer.forward_bf16[i / 2 * out_pad + o] = pair(layer.forward[i * out_pad + o], layer.forward[(i + 1) * out_pad + o]);
    for (int o = 0; o < out_pad; o += 2)
        for (int i = 0; i < in_pad; ++i)
            layer.backward_bf16[o / 2 * in_pad + i] = pair(layer.backward[o * in_pad + i], layer.backward[(o + 1) * in_pad + i]);
    return layer;
}

// Half of the levels are dense, the finer ones hashed.
Model make_model(const Sizes &s, const float *params, const Kernels &kernels) {
    Model m = {};
    m.n_pos_dims = s.dims, m.n_levels = s.levels, m.n_features = s.features, m.n_outputs = s.outputs;
    m.n_layers = s.hidden + 1, m.kernels = &kernels, m.max_pad = padded(s.neurons, kernels.pad);
    for (int l = 0; l < s.levels; ++l) {
        const uint32_t resolution = uint32_t(4 + 3 * l), plane = resolution * resolution;
        const bool hashed = l > s.levels / 2;
        const uint32_t size = hashed ? 512 : uint32_t(padded(int(s.dims == 3 ? plane * resolution : plane), 8));
        m.levels[l] = {float(resolution) - 1.5f, resolution, size, hashed, m.n_entries};
        m.n_entries += size;
    }
    for (int l = 0; l < m.n_layers; ++l) {
        const int n_in = l ? s.neurons : s.levels * s.features, n_out = l < s.hidden ? s.neurons : s.outputs;
        m.layers[l] = make_layer(params, n_in, n_out, padded(n_in, kernels.pad), padded(n_out, l < s.hidden ? kernels.pad : kPad));
        params += n_in * n_out;
    }
    return m;
}

Scratch make_scratch(const Model &m) {
    const int64_t features = m.layers[0].in_pad, widest = m.max_pad > features ? m.max_pad : features, block = m.kernels->block;
    return {take(block * features), take(block * widest + kPad), take(block * widest + kPad), take(16), take(m.n_layers * block * widest)};
}

bool all_agree = true;

// To a few roundings to bfloat16 that fall the other way where sums are added up in another order.
void compare(const char *what, const float *found, const float *expected, int64_t n) {
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < n; ++i) {
        const double difference = double(found[i]) - double(expected[i]), size = expected[i] < 0 ? -expected[i] : expected[i];
        if (!(difference <= worst && -difference <= worst)) worst = difference < 0 ? -difference : difference;
        largest = size > largest ? size : largest;
    }
    const bool agree = largest > 0 && worst <= 6e-3 * largest;
    all_agree = all_agree && agree;
    say(agree ? "  agree: " : "  DIFFER: "), say(what), say(", ");
    say(int64_t(1e6 * worst / largest)), say(" millionths of the largest\n");
}

void compare_models(const Sizes &s) {
    constexpr int64_t n = 203;  // two blocks and a part of one
    used = 0;
    say("levels "), say(s.levels), say(" x "), say(s.features), say(", neurons "), say(s.neurons), say(" x "), say(s.hidden);
    say(", outputs "), say(s.outputs), say(", dimensions "), say(s.dims), say("\n");
    const float *params = take_random(n_params(s), -0.45f, 0.45f);
    const Model tiles = make_model(s, params, kTiles), model = make_model(s, params, kModel);
    const Scratch a = make_scratch(tiles), b = make_scratch(model);
    const int64_t length = tiles.n_entries * s.features, n_features = n * s.levels * s.features;
    const float *table = take_random(length + 64, -1, 1), *points = take_random(n * s.dims, 0, 1);
    const float *targets = take_random(n * s.outputs, -0.5f, 0.5f);
    float *values = take(n * s.outputs), *expected = take(n * s.outputs);
    tiles.kernels->sample(tiles, table, points, n, values, a);
    model.kernels->sample(model, table, points, n, expected, b);
    compare("values", values, expected, n * s.outputs);

    int64_t grad_floats = 0;
    for (int l = 0; l < tiles.n_layers; ++l) grad_floats += tiles.layers[l].grad_floats;
    TrainTask task = {table, points, targets, 1e-2f, HINR_LOSS_L2, n, take(n_features + 64), n * s.features, take(grad_floats), 0};
    TrainTask twin = task;
    twin.grad_features = take(n_features + 64), twin.grad_mlp = take(grad_floats);
    tiles.kernels->train(tiles, task, a);
    model.kernels->train(model, twin, b);
    compare("gradient of the network", task.grad_mlp, twin.grad_mlp, grad_floats);
    compare("gradient of the features", task.grad_features, twin.grad_features, n_features);

    const Model tiles_half = make_model(s, params, kTilesHalf), model_half = make_model(s, params, kModelHalf);
    float *half = take(length), *half_twin = take(length);
    const void *const rows[] = {table};
    const float one = 1;
    kTilesHalf.blend(tiles_half, rows, HINR_TYPE_FLOAT32, &one, 1, 0, length, half);
    kModelHalf.blend(model_half, rows, HINR_TYPE_FLOAT32, &one, 1, 0, length, half_twin);
    kTilesHalf.sample(tiles_half, half, points, n, values, a);
    kModelHalf.sample(model_half, half_twin, points, n, expected, b);
    compare("values of float16 tables", values, expected, n * s.outputs);
}

}  // namespace

extern "C" int main() {
    __asm__ volatile("outb %0, %1" ::"a"(uint8_t(3)), "Nd"(uint16_t(kSerial + 3)));  // eight bits a letter
    constexpr Sizes kCases[] = {{3, 8, 4, 64, 4, 1}, {2, 5, 2, 32, 2, 3}, {3, 3, 8, 48, 1, 16}, {3, 5, 1, 96, 3, 5}, {3, 16, 8, 16, 3, 2}};
    for (const Sizes &sizes : kCases) compare_models(sizes);
    say(all_agree ? "all agree\n" : "they differ\n");
    return 0;
}
