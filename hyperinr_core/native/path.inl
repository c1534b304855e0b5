// Paths of light through a volume for one instruction set. A unit defines HINR_UNIT, HINR_PATH_KERNELS and, where the
// processor has it, HINR_AVX2 or HINR_AVX512; then it includes this file.
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
constexpr uint32_t kSteps[kEven] = {0xedf84ed5u, 0xdd35b2cdu, 0xcda146abu, 0xbf25c1fbu, 0xb1af5c05u, 0xa52bb0c9u, 0x9989a7d9u, 0x8eb95d05u, 0x84ac0aa3u};

HINR_INLINE U scrambled(U x) {
    x = (x ^ (x >> 16)) * 0x21f0aaadu;
    x = (x ^ (x >> 15)) * 0x735a2d97u;
    return x ^ (x >> 15);
}
HINR_INLINE F fraction(U x) { return (real((I)(x >> 8)) + set(0.5f)) * set(1.0f / 16777216.0f); }  // in (0, 1)

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

HINR_INLINE F interpolated(const PathMedium &m, const V &p) {
    const I x = whole(p.x), y = whole(p.y), z = whole(p.z);
    const F fx = p.x - real(x), fy = p.y - real(y), fz = p.z - real(z);
    const I at = (z * m.dims[1] + y) * m.dims[0] + x;
    const int64_t row = m.dims[0], slice = row * m.dims[1];
    F a, b, c, d;
    gather_two(m.values, at, a, b);
    const F v00 = madd(fx, b - a, a);
    gather_two(m.values + row, at, c, d);
    const F v01 = madd(fx, d - c, c), near = madd(fy, v01 - v00, v00);
    gather_two(m.values + slice, at, a, b);
    const F v10 = madd(fx, b - a, a);
    gather_two(m.values + slice + row, at, c, d);
    const F v11 = madd(fx, d - c, c), far = madd(fy, v11 - v10, v10);
    return madd(fz, far - near, near);
}

// A point moved to where all eight of its neighbours are in the field.
HINR_INLINE V within(const PathMedium &m, const V &p) {
    const float edge = 0.9999999f;
    return {least(most(p.x, set(0.0f)), set(float(m.dims[0] - 1) * edge)),
            least(most(p.y, set(0.0f)), set(float(m.dims[1] - 1) * edge)),
            least(most(p.z, set(0.0f)), set(float(m.dims[2] - 1) * edge))};
}

HINR_INLINE I row_of(const PathMedium &m, F value) {
    const F row = madd(value - set(m.low), set(m.scale), set(0.5f));
    return whole(least(most(row, set(0.0f)), set(float(m.n_rows - 1))));
}

struct Side {
    F next, step;
    I block, stride;
};

// Where a way meets the walls of blocks along one axis.
HINR_INLINE Side side_of(F p, F d, int32_t blocks, int32_t stride) {
    const float edge = float(kPathBlock);
    const M down = less(d, set(0.0f));
    const F size = select(down, set(0.0f) - d, d), inverse = set(1.0f) / most(size, set(1e-20f));
    I block = whole(p * set(1.0f / edge));
    block = select(less(block, iset(blocks)), block, iset(blocks - 1));
    const F low = p - real(block) * set(edge);
    return {select(down, low, set(edge) - low) * inverse, set(edge) * inverse, block,
            select(down, iset(-stride), iset(stride))};
}

HINR_INLINE F way_out(F p, F d, int32_t dim) {
    const M down = less(d, set(0.0f));
    const F size = select(down, set(0.0f) - d, d);
    return select(down, p, set(float(dim - 1)) - p) / most(size, set(1e-20f));
}

// Sends lanes from a point (in cells, within the box) along a unit vector.
HINR_INLINE void send(Paths &s, M m, const V &p, const V &direction, F depth) {
    const PathMedium &medium = s.medium;
    const V d = {direction.x * set(1 / medium.spacing[0]), direction.y * set(1 / medium.spacing[1]),
                 direction.z * set(1 / medium.spacing[2])};
    const int32_t row = medium.blocks[0] + 2, slice = row * (medium.blocks[1] + 2);
    const Side x = side_of(p.x, d.x, medium.blocks[0], 1), y = side_of(p.y, d.y, medium.blocks[1], row);
    const Side z = side_of(p.z, d.z, medium.blocks[2], slice);
    const F end = least(way_out(p.x, d.x, medium.dims[0]),
                        least(way_out(p.y, d.y, medium.dims[1]), way_out(p.z, d.z, medium.dims[2])));
    s.p = select(m, p, s.p);
    s.d = select(m, d, s.d);
    s.next = select(m, V{x.next, y.next, z.next}, s.next);
    s.step = select(m, V{x.step, y.step, z.step}, s.step);
    s.stride_x = select(m, x.stride, s.stride_x);
    s.stride_y = select(m, y.stride, s.stride_y);
    s.stride_z = select(m, z.stride, s.stride_z);
    s.block = select(m, (x.block + 1) + (y.block + 1) * row + (z.block + 1) * slice, s.block);
    s.t = select(m, set(0.0f), s.t);
    s.end = select(m, end, s.end);
    s.left = select(m, depth, s.left);
    s.tracking = M(s.tracking | m);
    s.done = M(s.done & none_of(m));
    s.escaped = M(s.escaped & none_of(m));
}

// Moves tracking lanes through their block: to where they may meet something, or to its wall.
HINR_INLINE void cross(Paths &s) {
    const F bound = gather(s.medium.bounds, s.block);
    const F wall = least(s.next.x, least(s.next.y, s.next.z)), stop = least(wall, s.end);
    const F depth = bound * (stop - s.t);
    const M meets = M(s.tracking & less(s.left, depth)), moves = M(s.tracking & none_of(meets));
    s.t = select(meets, least(s.t + s.left / bound, stop), select(moves, stop, s.t));
    s.left = select(moves, s.left - depth, s.left);
    s.bound = select(meets, bound, s.bound);
    const M leaves = M(moves & upto(s.end, wall)), goes = M(moves & none_of(leaves));
    s.met = M(s.met | meets);
    s.done = M(s.done | leaves);
    s.escaped = M(s.escaped | leaves);
    s.tracking = goes;
    const M in_x = M(goes & upto(s.next.x, wall)), in_y = M(goes & none_of(in_x) & upto(s.next.y, wall));
    const M in_z = M(goes & none_of(in_x) & none_of(in_y));
    const I zero = iset(0);
    const I block = s.block + select(in_x, s.stride_x, zero) + select(in_y, s.stride_y, zero) + select(in_z, s.stride_z, zero);
    const int32_t n = (s.medium.blocks[0] + 2) * (s.medium.blocks[1] + 2) * (s.medium.blocks[2] + 2);
    s.block = select(less(block, iset(n)), select(less(block, zero), zero, block), iset(n - 1));  // rounding leaves no memory
    s.next.x = select(in_x, s.next.x + s.step.x, s.next.x);
    s.next.y = select(in_y, s.next.y + s.step.y, s.next.y);
    s.next.z = select(in_z, s.next.z + s.step.z, s.next.z);
}

// What is there, where lanes may meet something: scattering of a path, shade of a way to the light.
HINR_INLINE void meet(Paths &s) {
    const M m = s.met;
    const F value = interpolated(s.medium, within(s.medium, along(s.p, s.d, s.t)));
    const F sigma = select(upto(value, value), gather(s.medium.extinction, row_of(s.medium, value)), set(0.0f));
    const F u = draw(s, m), share = least(sigma / s.bound, set(1.0f));
    s.value = select(m, value, s.value);
    s.sigma = select(m, sigma, s.sigma);
    const M shade = M(m & s.shadow), hit = M(m & none_of(s.shadow) & less(u, share));
    // ratio tracking; what little light is left survives by chance
    F clear = s.clear * (set(1.0f) - share);
    const M faint = less(clear, set(0.1f)), lost = M(shade & faint & upto(clear, u * set(0.1f)));
    clear = select(faint, select(lost, set(0.0f), set(0.1f)), clear);
    s.clear = select(shade, clear, s.clear);
    s.left = select(m, minus_log(draw(s, m)), s.left);
    const M tired = M(m & less(iset(kMostDraws), s.draws));
    s.clear = select(M(tired & s.shadow), set(0.0f), s.clear);
    s.last = select(tired, iset(1), s.last);
    s.done = M(s.done | hit | lost | tired);
    s.tracking = M(s.tracking | (m & none_of(s.done)));
    s.met = M(m & none_of(m));
}

// Light that comes from an image around the scene.
static V from_image(const PathView &v, const V &d) {
    float at[3][W], color[3][W];
    store(at[0], dot(d, vector(v.axes)));
    store(at[1], dot(d, vector(v.axes + 3)));
    store(at[2], dot(d, vector(v.axes + 6)));
    for (int i = 0; i < W; ++i) {
        const float up = at[2][i] < -1 ? -1 : at[2][i] > 1 ? 1 : at[2][i];
        const float x = (0.5f + atan2f(at[1][i], at[0][i]) / (2 * kPi)) * float(v.image_width);
        const float y = acosf(up) / kPi * float(v.image_height);
        const int32_t column = x > 0 ? int32_t(x) % v.image_width : 0;
        const int32_t row = y > 0 ? (y < float(v.image_height) ? int32_t(y) : v.image_height - 1) : 0;
        for (int c = 0; c < 3; ++c) color[c][i] = v.image[(int64_t(row) * v.image_width + column) * 3 + c] * v.above[c];
    }
    return {load(color[0]), load(color[1]), load(color[2])};
}

HINR_INLINE V surroundings(const PathView &v, const V &d) {
    if (v.image) return from_image(v, d);
    const F up = madd(dot(d, vector(v.axes + 6)), set(0.5f), set(0.5f));
    const V low = vector(v.below), high = vector(v.above);
    return {madd(up, high.x - low.x, low.x), madd(up, high.y - low.y, low.y), madd(up, high.z - low.z, low.z)};
}

// Henyey and Greenstein: per solid angle, and a cosine drawn from it.
HINR_INLINE F phase(F g, F cosine) {
    const F base = madd(g, g - cosine - cosine, set(1.0f));
    return (set(1.0f) - g * g) / (set(kFourPi) * base * root(base));
}
HINR_INLINE F phase_cosine(F g, F u) {
    const M even = M(less(g, set(1e-3f)) & less(set(-1e-3f), g));
    const F safe = select(even, set(0.5f), g), square = set(1.0f) - safe * safe;
    const F t = square / (set(1.0f) - safe + (safe + safe) * u);
    const F c = (set(1.0f) + safe * safe - t * t) / (safe + safe);
    return select(even, set(1.0f) - u - u, least(most(c, set(-1.0f)), set(1.0f)));
}

// The field's unit gradient, against the way that comes; false where it is too flat to be a surface, by chance.
HINR_INLINE M surface_of(Paths &s, M m, const V &p, V &normal) {
    const PathMedium &f = s.medium;
    const V one = {set(1.0f), set(1.0f), set(1.0f)};
    const auto apart = [&](const V &by) {
        return interpolated(f, within(f, along(p, by, set(1.0f)))) - interpolated(f, within(f, along(p, by, set(-1.0f))));
    };
    const F zero = set(0.0f);
    V g = {apart({one.x, zero, zero}) * set(0.5f / f.spacing[0]), apart({zero, one.y, zero}) * set(0.5f / f.spacing[1]),
           apart({zero, zero, one.z}) * set(0.5f / f.spacing[2])};
    const F size = root(dot(g, g)), k = size * set(s.view.surface * f.scale / float(f.n_rows));
    const F inverse = set(1.0f) / most(size, set(1e-30f));
    const F turn = select(less(dot(g, s.direction), zero), inverse, zero - inverse);
    normal = times(g, turn);
    return M(m & less(draw(s, m) * (k + set(1.0f)), k) & less(set(1e-20f), size));
}

// A point moved out of the layer in which an opaque surface is met, lest it shades itself.
HINR_INLINE V lifted(const Paths &s, M flat, const V &p, const V &normal) {
    const float *size = s.medium.spacing;
    const F most_way = set((size[0] + size[1] + size[2]) / 6);
    const F way = least(set(kLift) / most(s.sigma, set(1e-20f)), most_way);
    const V by = {normal.x * set(1 / size[0]), normal.y * set(1 / size[1]), normal.z * set(1 / size[2])};
    return select(flat, within(s.medium, along(p, by, way)), p);
}

// Scattering: the direction in which the path goes on, and what it hopes for from the light. Surfaces move p.
HINR_INLINE void scatter(Paths &s, M m, V &p) {
    const PathView &v = s.view;
    const M first = M(m & less(s.bounces, iset(2)));
    const F even_turn = draw_even(s, kTurn), even_cosine = draw_even(s, kCosine);
    const F turn = select(first, even_turn, draw(s, m)), u = select(first, even_cosine, draw(s, m));
    V normal = s.direction, towards = s.direction, light = vector(v.light);
    M flat = M(m & none_of(m)), matt = flat;
    F g = set(v.g);
    if (v.surface > 0) {
        flat = surface_of(s, m, p, normal);
        const F cosine = least(most(set(0.0f) - dot(normal, s.direction), set(0.0f)), set(1.0f)), off = set(1.0f) - cosine;
        const F fresnel = set(v.gloss) * madd(off * off * off * off * off, set(0.96f), set(0.04f));
        matt = M(flat & upto(fresnel, draw(s, flat)));
        const M shiny = M(flat & none_of(matt));
        p = lifted(s, flat, p, normal);
        g = select(shiny, set(kGlossy), g);
        towards = select(shiny, along(s.direction, normal, cosine + cosine), towards);
        s.weight = select(shiny, s.bare, s.weight);  // a gloss has the light's colour
    }
    const F cosine = select(matt, root(u), phase_cosine(g, u));
    s.onward = select(m, turned(select(matt, normal, towards), cosine, turn), s.onward);
    s.last = select(M(flat & upto(dot(s.onward, normal), set(0.0f))), iset(1), s.last);
    if (!v.is_lit) return;
    if (v.light_cosine < 1) {
        const F a = select(first, draw_even(s, kLightAngle), draw(s, m)), b = select(first, draw_even(s, kLightRadius), draw(s, m));
        light = turned(light, madd(b, set(v.light_cosine - 1), set(1.0f)), a);
    }
    const F facing = dot(normal, light);
    F share = select(matt, facing * set(1 / kPi), phase(g, dot(towards, light)));
    share = select(M(flat & less(facing, set(0.0f))), set(0.0f), share);
    s.hope = select(m, times(times(s.weight, vector(v.light_color)), share), s.hope);
    s.clear = select(m, set(1.0f), s.clear);
    const M lit = M(m & less(set(0.0f), largest(s.hope)));
    const F depth = minus_log(draw(s, lit));
    send(s, lit, p, light, depth);
    s.shadow = M(s.shadow | lit);
}

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

}  // namespace HINR_UNIT

const PathKernels HINR_PATH_KERNELS = {HINR_UNIT::tile};

}  // namespace hinr
