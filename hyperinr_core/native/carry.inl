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

template <bool kPlane> HINR_INLINE float linear_at(const CarryJob &job, const float *values, const Cell &cell) {
    const int64_t row = job.size[2], plane = row * job.size[1];
    const float *at = values + cell.corner + (kPlane ? 0 : plane) + row + 1;
    float f[4], parts[2];
    memcpy(f, &cell.fraction, sizeof f);
    for (int c = 0; c < (kPlane ? 1 : 2); ++c, at += plane) {
        const float first = madd(f[2], at[1] - at[0], at[0]), second = madd(f[2], at[row + 1] - at[row], at[row]);
        parts[c] = madd(f[1], second - first, first);
    }
    return kPlane ? parts[0] : madd(f[0], parts[1] - parts[0], parts[0]);
}

// The weighted sum of a value's steps, within what they have: fronts do not ring.
HINR_INLINE float blended(const CarryJob &job, const float *values) {
    float sum = 0.0f, low = values[0], high = values[0];
    for (int j = 0; j < job.n_steps; ++j) {
        sum = madd(job.weights[j], values[j], sum);
        low = values[j] < low ? values[j] : low;
        high = values[j] > high ? values[j] : high;
    }
    sum = sum > low ? sum : low;
    return sum < high ? sum : high;
}

// One point: in place, and along its paths.
template <bool kPlane> HINR_INLINE void carry_point(const CarryJob &job, const Bounds &bounds, float z, float y, float x,
                                                    const float *channels, float *values) {
    const int n_steps = job.n_steps, first = job.first;
    const Quad position = quad(z, y, x, 0.0f);
    const Cell here = cell_at(bounds, job, position);
    float fraction[4];
    memcpy(fraction, &here.fraction, sizeof fraction);
    const bool on_point = fraction[0] == 0.0f && fraction[1] == 0.0f && fraction[2] == 0.0f;
    const int64_t point = here.corner + (kPlane ? 0 : job.size[2] * job.size[1]) + job.size[2] + 1;
    const bool bends = !job.at_step && job.bend != 0.0f;
    float q = 0.0f;
    Cell there[kCarrySteps];
    if (!job.at_step) {
        q = channels[kCarryTrust] > 0.0f ? channels[kCarryTrust] : 0.0f;
        q = q < 1.0f ? q : 1.0f;
        if (q > 0.0f)  // the fourth lane has another number, and is read of by nobody
            for (int j = 0; j < n_steps; ++j) there[j] = cell_at(bounds, job, plus(position, load_quad(channels + 3 * j)));
    }
    for (int k = 0; k < job.n_components; ++k) {
        const float *const *steps = job.steps + k, *const *raw = job.values + k;
        float found[kCarrySteps];
        for (int j = bends ? 0 : first; j < (bends ? n_steps : first + 2); ++j)
            found[j] = on_point ? raw[j * job.n_components][point] : cubic_at<kPlane>(job, steps[j * job.n_components], here);
        // at the last end that step's own bits
        const float linear = job.share == 1.0f ? found[first + 1] : madd(job.share, found[first + 1] - found[first], found[first]);
        float value = linear;
        if (bends) value = madd(job.bend, blended(job, found) - linear, value);
        if (q > 0.0f) {
            for (int j = 0; j < n_steps; ++j)
                found[j] = j == first || j == first + 1 ? cubic_at<kPlane>(job, steps[j * job.n_components], there[j])
                                                        : linear_at<kPlane>(job, raw[j * job.n_components], there[j]);
            value = madd(q, blended(job, found) - linear, value);
        }
        values[k] = value;
    }
}

template <bool kPlane> void carry_row(const NodesJob &nodes, const CarryJob &job, float z, float y, const float *x, int64_t nx,
                                      float *row, float *values) {
    alignas(64) float channels[kCarryChannels];
    const Bounds bounds = bounds_of(nodes, job);
    if (!job.at_step) row_of(nodes, taps_of(z, nodes, 0), taps_of(y, nodes, 1), row);
    for (int64_t i = 0; i < nx; ++i) {
        if (!job.at_step) along_row(row, taps_of(x[i], nodes, 2), channels);
        carry_point<kPlane>(job, bounds, z, y, x[i], channels, values + i * job.n_components);
    }
}

template <bool kPlane> void carry_points(const NodesJob &nodes, const CarryJob &job, const float *z, const float *y, const float *x,
                                         int64_t n, float *values) {
    alignas(64) float found[kCarryChannels];
    const Bounds bounds = bounds_of(nodes, job);
    for (int64_t i = 0; i < n; ++i) {
        if (!job.at_step) channels(nodes, z + i, y + i, x + i, 1, found);
        carry_point<kPlane>(job, bounds, z[i], y[i], x[i], found, values + i * job.n_components);
    }
}

// At x (n) and the one z and y, with room for a row of nodes; or at scattered points.
static void carry(const NodesJob &nodes, const CarryJob &job, const float *z, const float *y, const float *x, int64_t n,
                  float *row, float *values) {
    const bool plane = nodes.n[0] == 1;
    if (row) plane ? carry_row<true>(nodes, job, *z, *y, x, n, row, values) : carry_row<false>(nodes, job, *z, *y, x, n, row, values);
    else plane ? carry_points<true>(nodes, job, z, y, x, n, values) : carry_points<false>(nodes, job, z, y, x, n, values);
}
