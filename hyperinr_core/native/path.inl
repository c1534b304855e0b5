// Paths of light through a volume for one instruction set. A unit defines HINR_UNIT, HINR_PATH_KERNELS and, where the
// processor has it, HINR_AVX2, HINR_AVX512 or HINR_NEON; then it includes this file.
//
// Every lane follows a path of its own, from the camera on, and takes the next pixel of the tile when that ends. Lanes are
// tracking (on their way through blocks), met (where something may be hit), or done (scattered, or out of the box); a step is
// taken when enough lanes wait for it. A lane's random numbers are those of its pixel and sample, so neither the other lanes
// nor threads change them.
#include <math.h>
#include <string.h>

#include "path_kernels.h"

#if defined(HINR_AVX2) || defined(HINR_AVX512)
#include <immintrin.h>
#elif defined(HINR_NEON)
#include <arm_neon.h>
#endif
#if defined(__GNUC__)
#define HINR_INLINE inline __attribute__((always_inline))
#else
#define HINR_INLINE inline
#endif

namespace hinr {
namespace HINR_UNIT {

#include "path_simd.inl"

constexpr float kFourPi = 12.5663706f, kPi = 3.14159265f;
constexpr float kGlossy = 0.85f;     // mean cosine of what a glossy surface scatters, around the mirrored direction
constexpr float kLift = 4.0f;        // free paths that a surface's light starts above where it is met
constexpr int32_t kSureBounces = 3;  // then Russian roulette
constexpr int32_t kMostDraws = 1 << 15;  // of a path: it ends there, so that nothing can hold a lane for ever
constexpr uint32_t kGolden = 0x9e3779b9u;

// Numbers of a path that are spread evenly over the samples of a pixel: multiples of the powers of the root of
// x^10 = x + 1 (Roberts' sequence), modulo 1.
enum { kPixelX, kPixelY, kLensAngle, kLensRadius, kDistance, kLightAngle, kLightRadius, kTurn, kCosine, kEven };
constexpr uint32_t kSteps[kEven] = {0xedf84ed5u, 0xdd35b2cdu, 0xcda146abu, 0xbf25c1fbu, 0xb1af5c05u,
                                    0xa52bb0c9u, 0x9989a7d9u, 0x8eb95d05u, 0x84ac0aa3u};

HINR_INLINE U scrambled(U x) {
    x = (x ^ (x >> 16)) * 0x21f0aaadu;
    x = (x ^ (x >> 15)) * 0x735a2d97u;
    return x ^ (x >> 15);
}
HINR_INLINE F fraction(U x) { return (real((I)(x >> 8)) + set(0.5f)) * set(1.0f / 16777216.0f); }  // in (0, 1]

struct Paths {
    const PathMedium &medium;
    const PathView &view;
    const PathTile &tile;
    M alive{}, tracking{}, met{}, done{}, escaped{}, shadow{};
    // the way: from p along d, in cells, to t of it; next walls
    V p{}, d{}, next{}, step{};
    I stride_x{}, stride_y{}, stride_z{}, block{};
    F t{}, end{}, left{}, bound{}, clear{}, value{}, sigma{};
    // the path
    V direction{}, onward{}, weight{}, bare{}, hope{}, light{};
    I bounces{}, pixel{}, draws{}, last{};
    F entry{};
    U key_a{}, key_b{}, even{};
    int32_t next_pixel{};
};

HINR_INLINE F draw(Paths &s, M m) {
    s.draws = select(m, s.draws + 1, s.draws);
    U x = (U)s.draws * kGolden + s.key_a;
    x = (x ^ (x >> 16)) * 0x21f0aaadu;
    x = ((x ^ (x >> 15)) + s.key_b) * 0x735a2d97u;
    return fraction(x ^ (x >> 15));
}

HINR_INLINE F draw_even(const Paths &s, int dimension) {
    return fraction(scrambled(s.even + kGolden * uint32_t(dimension + 1)) + s.tile.sample * kSteps[dimension]);
}

#include "path_ways.inl"
#include "path_scatter.inl"

// What lanes met first, for the denoiser.
HINR_INLINE void note(const Paths &s, M first, const V &color) {
    float c[3][W], distance[W];
    int32_t pixel[W];
    store(c[0], color.x);
    store(c[1], color.y);
    store(c[2], color.z);
    store(distance, s.entry + s.t);
    store(pixel, s.pixel);
    for (uint32_t b = bits(first), i = 0; b; b >>= 1, ++i)
        if (b & 1) {
            float *film = s.tile.film + int64_t(pixel[i]) * kPathChannels;
            film[3] += 1;
            for (int k = 0; k < 3; ++k) film[4 + k] += c[k][i];
            film[7] += distance[i];
        }
}

HINR_INLINE void finish(Paths &s, M m) {
    float c[3][W];
    int32_t pixel[W];
    store(c[0], s.light.x);
    store(c[1], s.light.y);
    store(c[2], s.light.z);
    store(pixel, s.pixel);
    for (uint32_t b = bits(m), i = 0; b; b >>= 1, ++i)
        if (b & 1) {
            float *film = s.tile.film + int64_t(pixel[i]) * kPathChannels;
            const float luminance = 0.2126f * c[0][i] + 0.7152f * c[1][i] + 0.0722f * c[2][i];
            for (int k = 0; k < 3; ++k) film[k] += c[k][i];
            film[8] += luminance * luminance;
            film[9] += 1;
        }
    s.alive = M(s.alive & none_of(m));
    s.done = M(s.done & none_of(m));
}

// Lanes that met something take its colour and scatter; false where that is one bounce too many.
HINR_INLINE M hit(Paths &s, M m, V &p) {
    const M over = M(m & (none_of(less(s.bounces, iset(s.view.n_bounces))) | less(iset(0), s.last)));
    const M hits = M(m & none_of(over));
    const I at = row_of(s.medium, s.value) * 4;
    const V color = {gather(s.medium.colors, at), gather(s.medium.colors + 1, at), gather(s.medium.colors + 2, at)};
    const M first = M(hits & less(s.bounces, iset(1)));
    if (any(first)) note(s, first, color);
    s.bounces = select(hits, s.bounces + 1, s.bounces);
    s.bare = s.weight;
    s.weight = select(hits, times(s.weight, color), s.weight);
    const M unsure = M(hits & less(iset(kSureBounces), s.bounces));
    const F chance = least(largest(s.weight), set(1.0f)), u = draw(s, unsure);
    const F more = select(unsure, set(1.0f) / most(chance, set(1e-20f)), set(1.0f));
    const M lost = M(unsure & upto(chance, u));
    s.weight = select(lost, times(s.weight, set(0.0f)), times(s.weight, more));
    s.bare = select(lost, times(s.bare, set(0.0f)), times(s.bare, more));
    const M dark = M(hits & upto(largest(s.bare), set(0.0f)));
    if (!s.view.is_surrounded) {  // after the last bounce nothing more comes
        s.last = select(M(hits & none_of(less(s.bounces, iset(s.view.n_bounces)))), iset(1), s.last);
    }
    s.last = select(dark, iset(1), s.last);
    if (any(hits)) scatter(s, hits, p);
    return hits;
}

// Goes on with the lanes whose way has ended.
HINR_INLINE void turn(Paths &s) {
    const M ended = s.done, returned = M(ended & s.shadow), left = M(ended & none_of(s.shadow) & s.escaped);
    const M met = M(ended & none_of(s.shadow) & none_of(s.escaped));
    s.light = select(returned, {madd(s.hope.x, s.clear, s.light.x), madd(s.hope.y, s.clear, s.light.y),
                                madd(s.hope.z, s.clear, s.light.z)}, s.light);
    const M seen = M(left & less(iset(0), s.bounces));
    if (s.view.is_surrounded && any(seen)) {
        const V shine = times(s.weight, surroundings(s.view, s.direction));
        s.light = select(seen, {s.light.x + shine.x, s.light.y + shine.y, s.light.z + shine.z}, s.light);
    }
    V from = select(met, within(s.medium, along(s.p, s.d, s.t)), s.p);
    s.shadow = M(s.shadow & none_of(returned));
    const M hits = any(met) ? hit(s, met, from) : met;
    const M waits = M((hits | returned) & s.done), last = M(waits & less(iset(0), s.last));
    const M on = M(waits & none_of(last));
    s.direction = select(on, s.onward, s.direction);
    const F depth = minus_log(draw(s, on));
    send(s, on, from, s.onward, depth);
    finish(s, M(left | last | (met & none_of(hits))));
}

// A way from the camera through the box: where it enters, in cells, and after what length; false where it passes by.
HINR_INLINE M enter(const PathMedium &m, const V &from, const V &d, V &p, F &entry) {
    const F *o[3] = {&from.x, &from.y, &from.z}, *v[3] = {&d.x, &d.y, &d.z};
    F near = set(0.0f), far = set(1e30f);
    for (int a = 0; a < 3; ++a) {
        const F size = set(m.spacing[a] * float(m.dims[a] - 1));
        const M flat = M(less(set(-1e-20f), *v[a]) & less(*v[a], set(1e-20f)));
        const F inverse = set(1.0f) / select(flat, set(1e-20f), *v[a]);
        const F one = (set(0.0f) - *o[a]) * inverse, other = (size - *o[a]) * inverse;
        near = most(near, least(one, other));
        far = least(far, most(one, other));
    }
    const V at = along(from, d, near);
    p = within(m, {at.x * set(1 / m.spacing[0]), at.y * set(1 / m.spacing[1]), at.z * set(1 / m.spacing[2])});
    entry = near;
    return less(near, far);
}

// The ways of lanes from the camera.
HINR_INLINE M look(Paths &s, M m) {
    const PathView &v = s.view;
    const auto camera = [&](int row, F a, F b) {
        const float *c = v.camera + 3 * row;
        return along(along(vector(c), vector(c + 3), a), vector(c + 6), b);
    };
    const I row = whole((real(s.pixel) + set(0.5f)) * set(1 / float(v.width)));
    const I y = select(less(s.pixel, row * v.width), row - 1, select(less(s.pixel, (row + 1) * v.width), row, row + 1));
    const F scale = set(2 / float(v.height));
    const F a = (real(s.pixel - y * v.width) + draw_even(s, kPixelX) - set(0.5f * float(v.width))) * scale;
    const F b = (real(y) + draw_even(s, kPixelY) - set(0.5f * float(v.height))) * scale;
    V from = camera(0, a, b), d = camera(3, a, b);
    if (v.has_lens) {
        const F radius = root(draw_even(s, kLensRadius));
        const V disc = turned({set(0.0f), set(0.0f), set(1.0f)}, set(0.0f), draw_even(s, kLensAngle));
        const V off = along(times(vector(v.lens), disc.x * radius), vector(v.lens + 3), disc.y * radius);
        from = along(from, off, set(1.0f));
        d = along(times(d, set(v.focus)), off, set(-1.0f));
    }
    d = times(d, set(1.0f) / root(dot(d, d)));
    V p;
    F entry;
    const M seen = M(m & enter(s.medium, from, d, p, entry));
    s.direction = select(seen, d, s.direction);
    s.entry = select(seen, entry, s.entry);
    send(s, seen, p, d, minus_log(draw_even(s, kDistance)));
    return seen;
}

// Gives free lanes the next pixels of the tile; those that see nothing are done at once.
HINR_INLINE void begin(Paths &s) {
    const PathTile &tile = s.tile;
    const int32_t width = tile.x_end - tile.x_begin, n = width * (tile.y_end - tile.y_begin);
    while (s.next_pixel < n && bits(none_of(s.alive)) & ((1u << W) - 1)) {
        int32_t pixel[W];
        store(pixel, s.pixel);
        uint32_t taken = 0;
        for (int i = 0; i < W && s.next_pixel < n; ++i)
            if (!(bits(s.alive) >> i & 1)) {
                const int32_t y = tile.y_begin + s.next_pixel / width, x = tile.x_begin + s.next_pixel % width;
                pixel[i] = y * s.view.width + x;
                taken |= 1u << i;
                ++s.next_pixel;
            }
        const M m = mask_of(taken);
        s.pixel = load(pixel);
        const U number = (U)s.pixel;
        s.even = (U)select(m, (I)scrambled(number * kGolden + tile.pixels[0]), (I)s.even);
        s.key_a = (U)select(m, (I)scrambled(number + tile.run[0]), (I)s.key_a);
        s.key_b = (U)select(m, (I)scrambled(number * 0x85ebca6bu + tile.run[1]), (I)s.key_b);
        const I zero = iset(0);
        s.draws = select(m, zero, s.draws);
        s.bounces = select(m, zero, s.bounces);
        s.last = select(m, zero, s.last);
        s.weight = select(m, {set(1.0f), set(1.0f), set(1.0f)}, s.weight);
        s.light = select(m, {set(0.0f), set(0.0f), set(0.0f)}, s.light);
        const M seen = look(s, m);
        s.alive = M(s.alive | m);
        finish(s, M(m & none_of(seen)));
    }
}

static void tile(const PathMedium &medium, const PathView &view, const PathTile &tile) {
    Paths s{medium, view, tile};
    const int enough = W > 1 ? W / 2 : 1;
    for (begin(s); any(s.alive);) {
        if (any(s.tracking)) cross(s);
        if (any(s.met) && (count(s.met) >= enough || !any(s.tracking))) meet(s);
        if (any(s.done) && (count(s.done) >= enough || !any(M(s.tracking | s.met)))) {
            turn(s);
            begin(s);
        }
    }
}

#include "path_film.inl"

}  // namespace HINR_UNIT

const PathKernels HINR_PATH_KERNELS = {HINR_UNIT::tile, HINR_UNIT::film_band};

}  // namespace hinr
