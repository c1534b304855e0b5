// Carrying along paths, for one instruction set: included by flow.inl, whose units it is part of. Each value is computed by the
// same operations wherever it is asked for, so neither regions nor threads change a bit.

// Four lanes, whatever the unit's width: a row of a cubic spline's stencil.
#if defined(HINR_AVX512) || defined(HINR_AVX2)
using Quad = __m128;
HINR_INLINE Quad quad(float a) { return _mm_set1_ps(a); }
HINR_INLINE Quad quad(float a, float b, float c, float d) { return _mm_setr_ps(a, b, c, d); }
HINR_INLINE Quad load_quad(const float *p) { return _mm_loadu_ps(p); }
HINR_INLINE Quad times(Quad a, Quad b) { return _mm_mul_ps(a, b); }
HINR_INLINE Quad plus(Quad a, Quad b) { return _mm_add_ps(a, b); }
HINR_INLINE Quad fused(Quad a, Quad b, Quad c) { return _mm_fmadd_ps(a, b, c); }
HINR_INLINE float total(Quad a) {
    const Quad pairs = _mm_add_ps(a, _mm_movehdup_ps(a));
    return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehl_ps(pairs, pairs)));
}
HINR_INLINE Quad least(Quad a, Quad b) { return _mm_min_ps(a, b); }
HINR_INLINE Quad most(Quad a, Quad b) { return _mm_max_ps(a, b); }
HINR_INLINE Quad floored(Quad a) { return _mm_floor_ps(a); }
template <int I> HINR_INLINE Quad lane(Quad a) { return _mm_permute_ps(a, I * 0x55); }
// Lane I of four.
template <int I> HINR_INLINE Quad across(Quad a, Quad b, Quad c, Quad d) {
    const Quad ab = I < 2 ? _mm_unpacklo_ps(a, b) : _mm_unpackhi_ps(a, b), cd = I < 2 ? _mm_unpacklo_ps(c, d) : _mm_unpackhi_ps(c, d);
    return I % 2 ? _mm_movehl_ps(cd, ab) : _mm_movelh_ps(ab, cd);
}
HINR_INLINE void store_whole(int32_t *p, Quad a) { _mm_storeu_si128((__m128i *)p, _mm_cvttps_epi32(a)); }
#else
using Quad = Vec;  // the generic unit is as wide
static_assert(W == 4, "the generic unit has four lanes");
HINR_INLINE Quad quad(float a) { return set1(a); }
HINR_INLINE Quad quad(float a, float b, float c, float d) {
    const float lanes[4] = {a, b, c, d};
    return load(lanes);
}
HINR_INLINE Quad load_quad(const float *p) { return load(p); }
HINR_INLINE Quad times(Quad a, Quad b) { return mul(a, b); }
HINR_INLINE Quad plus(Quad a, Quad b) { return add(a, b); }
HINR_INLINE Quad fused(Quad a, Quad b, Quad c) { return madd(a, b, c); }
HINR_INLINE float total(Quad a) { return (a[0] + a[1]) + (a[2] + a[3]); }
HINR_INLINE Quad least(Quad a, Quad b) {
    return quad(a[0] < b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1], a[2] < b[2] ? a[2] : b[2], a[3] < b[3] ? a[3] : b[3]);
}
HINR_INLINE Quad most(Quad a, Quad b) {
    return quad(a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1], a[2] > b[2] ? a[2] : b[2], a[3] > b[3] ? a[3] : b[3]);
}
HINR_INLINE Quad floored(Quad a) { return quad(floorf(a[0]), floorf(a[1]), floorf(a[2]), floorf(a[3])); }
template <int I> HINR_INLINE Quad lane(Quad a) { return quad(a[I]); }
template <int I> HINR_INLINE Quad across(Quad a, Quad b, Quad c, Quad d) { return quad(a[I], b[I], c[I], d[I]); }
HINR_INLINE void store_whole(int32_t *p, Quad a) {
    for (int i = 0; i < 4; ++i) p[i] = int32_t(a[i]);
}
#endif

// The first of the four nodes around a position, and the fraction of a cell after the second.
HINR_INLINE Place node_of(float p, const NodesJob &nodes, int axis) {
    if (nodes.scale[axis] == 0.0f) return {0, 0.0f};
    const float n = float(nodes.n[axis]);
    if (nodes.wraps[axis]) p -= n * floorf(p * nodes.per_turn[axis]);
    p = p > 0.0f ? p : 0.0f;  // NaN, too
    p = p < (nodes.wraps[axis] ? n : n - 1.0f) ? p : (nodes.wraps[axis] ? n : n - 1.0f);
    const float u = p * nodes.scale[axis];
    int64_t whole = int32_t(u);
    whole = whole <= nodes.size[axis] - 4 ? whole : nodes.size[axis] - 4;
    return {whole, u - float(whole)};
}

// Nodes along an axis that a position takes part in, the first of them, and their weights.
struct Taps {
    int64_t first;
    int count;
    float weights[4];
};

HINR_INLINE Taps taps_of(float p, const NodesJob &nodes, int axis) {
    const Place place = node_of(p, nodes, axis);
    Taps taps = {place.whole, nodes.scale[axis] == 0.0f ? 1 : 4, {1.0f, 0.0f, 0.0f, 0.0f}};
    if (taps.count == 4) cubic_weights(place.fraction, taps.weights);
    return taps;
}

// One row of nodes: the splines of a line through the grid at z and y.
static void row_of(const NodesJob &nodes, const Taps &z, const Taps &y, float *row) {
    const int64_t length = nodes.size[2] * kCarryChannels, plane = length * nodes.size[1];
    const float *rows[16];
    float weights[16];
    int count = 0;
    for (int c = 0; c < z.count; ++c)
        for (int b = 0; b < y.count; ++b, ++count) {
            rows[count] = nodes.coefficients + (z.first + c) * plane + (y.first + b) * length;
            weights[count] = z.weights[c] * y.weights[b];
        }
    combine(rows, weights, count, length, row);
}

HINR_INLINE void along_row(const float *row, const Taps &x, float *channels) {
    const float *at = row + x.first * kCarryChannels;
    for (int k = 0; k < kCarryChannels; k += W) {
        Vec sum = mul(set1(x.weights[0]), load(at + k));
        for (int a = 1; a < x.count; ++a) sum = madd(set1(x.weights[a]), load(at + a * kCarryChannels + k), sum);
        store(channels + k, sum);
    }
}

// The numbers of scattered points: along x first would differ in the last bit from `row_of`, so the order is the same.
static void channels(const NodesJob &nodes, const float *z, const float *y, const float *x, int64_t n, float *out) {
    constexpr int kVecs = kCarryChannels / W;
    const int64_t length = nodes.size[2] * kCarryChannels, plane = length * nodes.size[1];
    for (int64_t i = 0; i < n; ++i, out += kCarryChannels) {
        const Taps tz = taps_of(z[i], nodes, 0), ty = taps_of(y[i], nodes, 1), tx = taps_of(x[i], nodes, 2);
        alignas(64) float row[4 * kCarryChannels];
        for (int a = 0; a < tx.count; ++a) {
            Vec sums[kVecs];
            for (int k = 0; k < kVecs; ++k) sums[k] = set1(0);
            for (int c = 0; c < tz.count; ++c)
                for (int b = 0; b < ty.count; ++b) {
                    const Vec weight = set1(tz.weights[c] * ty.weights[b]);
                    const float *at = nodes.coefficients + (tz.first + c) * plane + (ty.first + b) * length + (tx.first + a) * kCarryChannels;
                    for (int k = 0; k < kVecs; ++k) sums[k] = madd(weight, load(at + k * W), sums[k]);
                }
            for (int k = 0; k < kVecs; ++k) store(row + a * kCarryChannels + k * W, sums[k]);
        }
        const Taps here = {0, tx.count, {tx.weights[0], tx.weights[1], tx.weights[2], tx.weights[3]}};
        along_row(row, here, out);
    }
}

// Where the steps' arrays hold what lies around a position: the first of four points along each axis, and the fractions of a cell
// after the second, z, y, x.
struct Cell {
    int64_t corner;
    Quad fraction;
};

// What all cells share: the last coordinates, axes that go on at their other end, and where the arrays begin and end.
struct Bounds {
    Quad n, per_turn, last, begin, end;
};

HINR_INLINE Bounds bounds_of(const NodesJob &nodes, const CarryJob &job) {
    float n[4] = {0}, per_turn[4] = {0}, last[4] = {0}, begin[4] = {0}, end[4] = {0};
    for (int a = 0; a < 3; ++a) {
        n[a] = float(nodes.n[a]);
        per_turn[a] = nodes.wraps[a] ? 1.0f / n[a] : 0.0f;
        last[a] = nodes.wraps[a] ? n[a] : n[a] - 1.0f;
        begin[a] = float(job.start[a] + (a == 0 && nodes.n[0] == 1 ? 0 : 1));
        end[a] = float(job.size[a] > 4 ? job.size[a] - 4 : 0);
    }
    return {load_quad(n), load_quad(per_turn), load_quad(last), load_quad(begin), load_quad(end)};
}

HINR_INLINE Cell cell_at(const Bounds &bounds, const CarryJob &job, Quad position) {
    const Quad zero = quad(0.0f), minus = quad(-1.0f);
    Quad p = fused(times(floored(times(position, bounds.per_turn)), minus), bounds.n, position);
    p = least(most(p, zero), bounds.last);
    const Quad whole = floored(p);
    int32_t at[4];  // regions reach far enough; memory must not depend on that
    store_whole(at, least(most(fused(bounds.begin, minus, whole), zero), bounds.end));
    return {(at[0] * job.size[1] + at[1]) * job.size[2] + at[2], fused(whole, minus, p)};
}

template <bool kPlane> HINR_INLINE float cubic_at(const CarryJob &job, const float *step, const Cell &cell) {
    const int64_t row = job.size[2], plane = row * job.size[1];
    const Quad f = cell.fraction, g = fused(f, quad(-1.0f), quad(1.0f)), f2 = times(f, f), sixth = quad(1.0f / 6.0f);
    const Quad f3 = times(f2, f), three = quad(3.0f);
    const Quad first = times(times(times(g, g), g), sixth), last = times(f3, sixth);
    const Quad second = times(fused(three, f3, fused(quad(-6.0f), f2, quad(4.0f))), sixth);
    const Quad third = times(fused(three, fused(f3, quad(-1.0f), plus(f, f2)), quad(1.0f)), sixth);
    const Quad wy[4] = {lane<1>(first), lane<1>(second), lane<1>(third), lane<1>(last)};
    const Quad wz[4] = {lane<0>(first), lane<0>(second), lane<0>(third), lane<0>(last)};
    const float *at = step + cell.corner;
    Quad sum = quad(0.0f);
    for (int c = 0; c < (kPlane ? 1 : 4); ++c, at += plane) {
        Quad part = times(wy[0], load_quad(at));
        for (int b = 1; b < 4; ++b) part = fused(wy[b], load_quad(at + b * row), part);
        sum = kPlane ? part : fused(wz[c], part, sum);
    }
    return total(times(across<2>(first, second, third, last), sum));
}

// The weighted sum of a value's steps, within what they have: fronts do not ring.
template <int J> HINR_INLINE float blended(const CarryJob &job, const float *values) {
    float sum = job.weights[0] * values[0], low = values[0], high = values[0];
    for (int j = 1; j < J; ++j) {
        sum = madd(job.weights[j], values[j], sum);
        low = values[j] < low ? values[j] : low;
        high = values[j] > high ? values[j] : high;
    }
    sum = sum > low ? sum : low;
    return sum < high ? sum : high;
}

// In place, and along paths: J steps, of which the gap's ends are kFirst and the next one. kMoves: not at a step; kBends: with
// Catmull-Rom in place.
template <bool kPlane, int J, int kFirst, bool kMoves, bool kBends> struct Carrier {
    const CarryJob &job;
    const Bounds bounds;

    HINR_INLINE void point(float z, float y, float x, const float *channels, float *values) const {
        const Quad position = quad(z, y, x, 0.0f);
        const Cell here = cell_at(bounds, job, position);
        float fraction[4];
        memcpy(fraction, &here.fraction, sizeof fraction);
        const bool on_point = fraction[0] == 0.0f && fraction[1] == 0.0f && fraction[2] == 0.0f;
        const int64_t at = here.corner + (kPlane ? 0 : job.size[2] * job.size[1]) + job.size[2] + 1;
        float q = 0.0f;
        if (kMoves) {
            q = channels[kCarryTrust] > 0.0f ? channels[kCarryTrust] : 0.0f;
            q = q < 1.0f ? q : 1.0f;
        }
        for (int k = 0; k < job.n_components; ++k) {
            const float *const *steps = job.steps + k, *const *raw = job.values + k;
            const int n = job.n_components;
            float found[J];
            for (int j = 0; j < J; ++j)
                if (kBends || j == kFirst || j == kFirst + 1)
                    found[j] = on_point ? raw[j * n][at] : cubic_at<kPlane>(job, steps[j * n], here);
            const float last = found[kFirst + 1];  // at the last end that step's own bits
            const float linear = job.share == 1.0f ? last : madd(job.share, last - found[kFirst], found[kFirst]);
            float value = linear;
            if (kBends) value = madd(job.bend, blended<J>(job, found) - linear, value);
            if (kMoves && q > 0.0f) {
                for (int j = 0; j < J; ++j) {  // the fourth lane has another number, which nobody asks for
                    const Cell there = cell_at(bounds, job, plus(position, load_quad(channels + 4 * j)));
                    found[j] = cubic_at<kPlane>(job, steps[j * n], there);
                }
                value = madd(q, blended<J>(job, found) - linear, value);
            }
            values[k] = value;
        }
    }

    void row(const NodesJob &nodes, float z, float y, const float *x, int64_t nx, float *line, float *values) const {
        alignas(64) float channels[kCarryChannels];
        if (kMoves) row_of(nodes, taps_of(z, nodes, 0), taps_of(y, nodes, 1), line);
        for (int64_t i = 0; i < nx; ++i) {
            if (kMoves) along_row(line, taps_of(x[i], nodes, 2), channels);
            point(z, y, x[i], channels, values + i * job.n_components);
        }
    }

    void points(const NodesJob &nodes, const float *z, const float *y, const float *x, int64_t n, float *values) const {
        alignas(64) float found[kCarryChannels];
        for (int64_t i = 0; i < n; ++i) {
            if (kMoves) channels(nodes, z + i, y + i, x + i, 1, found);
            point(z[i], y[i], x[i], found, values + i * job.n_components);
        }
    }
};

template <bool kPlane, int J, int kFirst, bool kMoves, bool kBends>
void carry_with(const NodesJob &nodes, const CarryJob &job, const float *z, const float *y, const float *x, int64_t n, float *row,
                float *values) {
    const Carrier<kPlane, J, kFirst, kMoves, kBends> carrier = {job, bounds_of(nodes, job)};
    if (row) carrier.row(nodes, *z, *y, x, n, row, values);
    else carrier.points(nodes, z, y, x, n, values);
}

using Carry = void (*)(const NodesJob &, const CarryJob &, const float *, const float *, const float *, int64_t, float *, float *);

template <bool kPlane, int J, int kFirst> Carry carry_for(const CarryJob &job) {
    if (job.at_step) return carry_with<kPlane, J, kFirst, false, false>;
    return job.bend != 0.0f ? carry_with<kPlane, J, kFirst, true, true> : carry_with<kPlane, J, kFirst, true, false>;
}

template <bool kPlane> Carry carry_for(const CarryJob &job) {
    if (job.n_steps == 4) return carry_for<kPlane, 4, 1>(job);
    if (job.n_steps == 2) return carry_for<kPlane, 2, 0>(job);
    return job.first ? carry_for<kPlane, 3, 1>(job) : carry_for<kPlane, 3, 0>(job);
}

// At x (n) and the one z and y, with room for a row of nodes; or at scattered points.
static void carry(const NodesJob &nodes, const CarryJob &job, const float *z, const float *y, const float *x, int64_t n,
                  float *row, float *values) {
    (nodes.n[0] == 1 ? carry_for<true>(job) : carry_for<false>(job))(nodes, job, z, y, x, n, row, values);
}
