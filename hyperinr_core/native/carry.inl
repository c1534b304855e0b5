// Carrying along paths, for one instruction set: included by flow.inl, whose units it is part of. Points are taken in groups that
// lie side by side. Each value is computed by the same operations wherever it is asked for, and whatever else is in its group, so
// neither regions nor threads change a bit.

// A quad is a row of a cubic spline's stencil; a group has a point in each lane. Eight points: a wider group would lie in more
// cells, which costs what it gains.
#if defined(HINR_AVX512) || defined(HINR_AVX2)
using Quad = __m128;
using Group = __m256;
constexpr int kGroup = 8;
HINR_INLINE Quad quad(float a) { return _mm_set1_ps(a); }
HINR_INLINE Quad load_quad(const float *p) { return _mm_loadu_ps(p); }
HINR_INLINE Quad times(Quad a, Quad b) { return _mm_mul_ps(a, b); }
HINR_INLINE Quad fused(Quad a, Quad b, Quad c) { return _mm_fmadd_ps(a, b, c); }
HINR_INLINE Group group(float a) { return _mm256_set1_ps(a); }
HINR_INLINE Group load_group(const float *p) { return _mm256_loadu_ps(p); }
HINR_INLINE void store_group(float *p, Group a) { _mm256_storeu_ps(p, a); }
HINR_INLINE Group times(Group a, Group b) { return _mm256_mul_ps(a, b); }
HINR_INLINE Group plus(Group a, Group b) { return _mm256_add_ps(a, b); }
HINR_INLINE Group less(Group a, Group b) { return _mm256_sub_ps(a, b); }
HINR_INLINE Group fused(Group a, Group b, Group c) { return _mm256_fmadd_ps(a, b, c); }
HINR_INLINE Group least(Group a, Group b) { return _mm256_min_ps(a, b); }
HINR_INLINE Group most(Group a, Group b) { return _mm256_max_ps(a, b); }  // b where a is NaN
HINR_INLINE Group floored(Group a) { return _mm256_floor_ps(a); }
HINR_INLINE Group where_equal(Group a, Group b, Group c) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ), c); }
HINR_INLINE float lowest(Group a) {
    Quad q = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    q = _mm_min_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_min_ss(q, _mm_movehdup_ps(q)));
}
HINR_INLINE float highest(Group a) {
    Quad q = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
// Lane i of each of four quads, for i = 0 to 3.
HINR_INLINE void turned(const Quad *rows, Group *columns) {
    for (int half = 0; half < 2; ++half) {
        Quad a = rows[4 * half], b = rows[4 * half + 1], c = rows[4 * half + 2], d = rows[4 * half + 3];
        _MM_TRANSPOSE4_PS(a, b, c, d);
        const Quad found[4] = {a, b, c, d};
        for (int i = 0; i < 4; ++i)
            columns[i] = half ? _mm256_insertf128_ps(columns[i], found[i], 1) : _mm256_castps128_ps256(found[i]);
    }
}
#else
using Quad = Vec;  // the generic unit is as wide
using Group = Vec;
constexpr int kGroup = 4;
static_assert(W == 4, "the generic unit has four lanes");
HINR_INLINE Quad quad(float a) { return set1(a); }
HINR_INLINE Quad load_quad(const float *p) { return load(p); }
HINR_INLINE Group group(float a) { return set1(a); }
HINR_INLINE Group load_group(const float *p) { return load(p); }
HINR_INLINE void store_group(float *p, Group a) { store(p, a); }
HINR_INLINE Group times(Group a, Group b) { return mul(a, b); }
HINR_INLINE Group plus(Group a, Group b) { return add(a, b); }
HINR_INLINE Group fused(Group a, Group b, Group c) { return madd(a, b, c); }
template <class F> HINR_INLINE Group by_lane(const F &f) {
    const float lanes[4] = {f(0), f(1), f(2), f(3)};
    return load(lanes);
}
HINR_INLINE Group less(Group a, Group b) {
    return by_lane([&](int i) { return a[i] - b[i]; });
}
HINR_INLINE Group least(Group a, Group b) {
    return by_lane([&](int i) { return a[i] < b[i] ? a[i] : b[i]; });
}
HINR_INLINE Group most(Group a, Group b) {
    return by_lane([&](int i) { return a[i] > b[i] ? a[i] : b[i]; });
}
HINR_INLINE Group floored(Group a) {
    return by_lane([&](int i) { return floorf(a[i]); });
}
HINR_INLINE Group where_equal(Group a, Group b, Group c) {
    return by_lane([&](int i) { return a[i] == b[i] ? c[i] : 0.0f; });
}
HINR_INLINE float lowest(Group a) { return fminf(fminf(a[0], a[1]), fminf(a[2], a[3])); }
HINR_INLINE float highest(Group a) { return fmaxf(fmaxf(a[0], a[1]), fmaxf(a[2], a[3])); }
HINR_INLINE void turned(const Quad *rows, Group *columns) {
    for (int i = 0; i < 4; ++i) columns[i] = by_lane([&](int row) { return rows[row][i]; });
}
#endif

HINR_INLINE void group_weights(Group f, Group *w) {
    const Group sixth = group(1.0f / 6.0f), three = group(3.0f), one = group(1.0f);
    const Group g = less(one, f), f2 = times(f, f), f3 = times(f2, f);
    w[0] = times(times(times(g, g), g), sixth);
    w[1] = times(fused(three, f3, fused(group(-6.0f), f2, group(4.0f))), sixth);
    w[2] = times(fused(three, less(plus(f, f2), f3), one), sixth);
    w[3] = times(f3, sixth);
}

// Where points of an axis lie among the few numbers that each is made of: those together, from the first on, and what each is
// to each point.
constexpr int kMostTaps = 8;

struct Taps {
    int first, count;  // of more than kMostTaps there are no weights
    Group weights[kMostTaps];
};

// The weights of points of N coefficients each, the first of which are at `at`.
template <int N> HINR_INLINE void spread(Group at, const Group *weights, Taps &taps) {
    const float low = lowest(at), high = highest(at);
    taps.first = int(low);
    taps.count = int(high - low) + N;
    if (taps.count > kMostTaps) return;
    if (taps.count == N) {
        for (int j = 0; j < N; ++j) taps.weights[j] = weights[j];
        return;
    }
    for (int j = 0; j < taps.count; ++j) taps.weights[j] = group(0.0f);
    for (int o = 0; o <= taps.count - N; ++o) {
        const Group here = group(low + float(o));
        for (int j = 0; j < N; ++j) taps.weights[o + j] = plus(taps.weights[o + j], where_equal(at, here, weights[j]));
    }
}

// The first of the four nodes around positions, and their weights.
HINR_INLINE Group nodes_of(Group p, const NodesJob &nodes, int axis, Group *weights) {
    const Group zero = group(0.0f);
    if (nodes.scale[axis] == 0.0f) {
        weights[0] = group(1.0f);
        return zero;
    }
    const float n = float(nodes.n[axis]);
    if (nodes.wraps[axis]) p = fused(times(floored(times(p, group(nodes.per_turn[axis]))), group(-1.0f)), group(n), p);
    p = least(most(p, zero), group(nodes.wraps[axis] ? n : n - 1.0f));
    const Group u = times(p, group(nodes.scale[axis]));
    const Group whole = least(floored(u), group(float(nodes.size[axis] - 4)));
    group_weights(less(u, whole), weights);
    return whole;
}

// The same of one position.
struct NodeTaps {
    int64_t first;
    int count;
    float weights[4];
};

HINR_INLINE NodeTaps node_taps(float p, const NodesJob &nodes, int axis) {
    Group weights[4];
    float lanes[kGroup];
    store_group(lanes, nodes_of(group(p), nodes, axis, weights));
    NodeTaps taps = {int64_t(lanes[0]), nodes.scale[axis] == 0.0f ? 1 : 4, {}};
    for (int j = 0; j < taps.count; ++j) {
        store_group(lanes, weights[j]);
        taps.weights[j] = lanes[0];
    }
    return taps;
}

// Weighted sums of slices of `length` numbers, which follow each other at a stride.
HINR_INLINE void slice_of(const float *from, int64_t stride, const NodeTaps &taps, int64_t length, float *out) {
    const float *slices[4];
    for (int k = 0; k < taps.count; ++k) slices[k] = from + (taps.first + k) * stride;
    combine(slices, taps.weights, taps.count, length, out);
}

// The numbers of nodes at one position. They are summed along z, then y, then x: as `Line` does it for many.
static void node_numbers(const NodesJob &nodes, float z, float y, float x, float *channels) {
    const int64_t row = nodes.size[2] * kCarryChannels, plane = row * nodes.size[1];
    const NodeTaps tz = node_taps(z, nodes, 0), ty = node_taps(y, nodes, 1), tx = node_taps(x, nodes, 2);
    alignas(64) float rows[4][4 * kCarryChannels], line[4 * kCarryChannels];
    const int64_t length = tx.count * kCarryChannels;
    const float *corner = nodes.coefficients + tx.first * kCarryChannels, *parts[4] = {rows[0], rows[1], rows[2], rows[3]};
    for (int b = 0; b < ty.count; ++b) slice_of(corner + (ty.first + b) * row, plane, tz, length, rows[b]);
    combine(parts, ty.weights, ty.count, length, line);
    slice_of(line - tx.first * kCarryChannels, kCarryChannels, tx, kCarryChannels, channels);
}

static void channels(const NodesJob &nodes, const float *z, const float *y, const float *x, int64_t n, float *channels) {
    for (int64_t i = 0; i < n; ++i) node_numbers(nodes, z[i], y[i], x[i], channels + i * kCarryChannels);
}

// The numbers of nodes along a line of the grid, at the places of a group.
struct Line {
    const NodesJob &nodes;
    const float *row;
    Group x;
    Taps taps;

    HINR_INLINE Line(const NodesJob &lattice, const float *line, Group places) : nodes(lattice), row(line), x(places) {
        Group weights[4];
        const Group first = nodes_of(x, nodes, 2, weights);
        if (nodes.scale[2] == 0.0f) taps.first = 0, taps.count = 1, taps.weights[0] = weights[0];
        else spread<4>(first, weights, taps);
    }

    // Channels first to end - 1.
    HINR_INLINE void operator()(int first, int end, Group *channels) const {
        if (taps.count > kMostTaps) return one_by_one(first, end, channels);
        for (int c = first; c < end; ++c) {
            const float *from = row + taps.first * kCarryChannels + c;
            Group sum = times(taps.weights[0], group(*from));
            for (int j = 1; j < taps.count; ++j) sum = fused(taps.weights[j], group(from[j * kCarryChannels]), sum);
            channels[c] = sum;
        }
    }

    void one_by_one(int first, int end, Group *channels) const {
        float lanes[kGroup], found[kCarryChannels][kGroup];
        alignas(64) float numbers[kCarryChannels];
        store_group(lanes, x);
        for (int l = 0; l < kGroup; ++l) {
            slice_of(row, kCarryChannels, node_taps(lanes[l], nodes, 2), kCarryChannels, numbers);
            for (int c = first; c < end; ++c) found[c][l] = numbers[c];
        }
        for (int c = first; c < end; ++c) channels[c] = load_group(found[c]);
    }
};

// Positions of a group, z, y, x.
struct Places {
    Group axis[3];
};

// Where the steps' arrays hold what lies around the points of a group, and what it counts: for one array after the other. N of
// them along an axis: 4 for a cubic spline, 2 for what is linear between values.
template <bool kPlane, int N> struct Stencil {
    static constexpr int kFirstAxis = kPlane ? 1 : 0;
    int64_t row, plane;
    bool together;        // whether the points' stencils overlap so much that they are summed as one
    Taps taps[3];         // then; of x less the point's lane
    Group weights[3][N];  // of each point
    float at[3][kGroup];  // the first of the N
    Group fraction[3];

    HINR_INLINE void place(const NodesJob &nodes, const CarryJob &job, const Places &places) {
        static const float lanes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
        const Group zero = group(0.0f);
        Group first[3];
        row = job.size[2], plane = job.size[2] * job.size[1];
        for (int a = kFirstAxis; a < 3; ++a) {
            const float n = float(nodes.n[a]);
            Group p = places.axis[a];
            if (nodes.wraps[a]) p = fused(times(floored(times(p, group(nodes.per_turn[a]))), group(-1.0f)), group(n), p);
            p = least(most(p, zero), group(nodes.wraps[a] ? n : n - 1.0f));
            const Group whole = floored(p);
            fraction[a] = less(p, whole);
            if (N == 4) group_weights(fraction[a], weights[a]);
            else weights[a][0] = less(group(1.0f), fraction[a]), weights[a][1] = fraction[a];
            // regions reach far enough; memory must not depend on that
            const Group inside = less(whole, group(float(job.start[a] + (N == 4))));
            first[a] = least(most(inside, zero), group(float(job.size[a] - 4)));
            store_group(at[a], first[a]);
        }
        spread<N>(less(first[2], load_group(lanes)), weights[2], taps[2]);
        together = taps[2].count <= kMostTaps;
        for (int a = kFirstAxis; a < 2 && together; ++a) {
            spread<N>(first[a], weights[a], taps[a]);
            together = taps[a].count <= kMostTaps;
        }
        if (together) {
            const int z = kPlane ? 1 : taps[0].count, y = taps[1].count, x = taps[2].count;
            const int64_t begin = corner(), end = begin + (z - 1) * plane + (y - 1) * row + x - 1 + kGroup;
            together = x * (z * (y + 1) + 1) <= kWorthIt && begin >= 0 && end <= plane * job.size[0];
        }
    }

    // Operations that summing together may take: one by one takes about as long.
    static constexpr int kWorthIt = N == 4 ? 300 : 150;

    HINR_INLINE int64_t corner() const { return (kPlane ? 0 : taps[0].first * plane) + taps[1].first * row + taps[2].first; }

    HINR_INLINE int64_t corner_of(int lane) const {
        return (kPlane ? 0 : int64_t(at[0][lane]) * plane) + int64_t(at[1][lane]) * row + int64_t(at[2][lane]);
    }

    HINR_INLINE Group sampled(const float *array) const {
        if (!together) return one_by_one(array);
        const float *from = array + corner();
        switch (taps[2].count - N) {
        case 0: return summed<N>(from);
        case 1: return summed<N + 1>(from);
        case 2: return summed<N + 2>(from);
        case 3: return summed<N + 3>(from);
        default: return N == 4 || taps[2].count == 6 ? summed<N + 4>(from) : one_by_one(array);
        }
    }

    template <int X> HINR_INLINE Group summed(const float *from) const {
        Group sums[X];
        for (int c = 0; c < (kPlane ? 1 : taps[0].count); ++c) {
            const float *at = from + c * plane;
            Group part[X];
            for (int k = 0; k < X; ++k) part[k] = times(taps[1].weights[0], load_group(at + k));
            for (int b = 1; b < taps[1].count; ++b) {
                at += row;
                for (int k = 0; k < X; ++k) part[k] = fused(taps[1].weights[b], load_group(at + k), part[k]);
            }
            for (int k = 0; k < X; ++k)
                sums[k] = kPlane ? part[k] : c ? fused(taps[0].weights[c], part[k], sums[k]) : times(taps[0].weights[0], part[k]);
        }
        Group sum = times(taps[2].weights[0], sums[0]);
        for (int k = 1; k < X; ++k) sum = fused(taps[2].weights[k], sums[k], sum);
        return sum;
    }

    HINR_INLINE Group one_by_one(const float *array) const {
        float y[N][kGroup], z[N][kGroup];
        for (int j = 0; j < N; ++j) {
            store_group(y[j], weights[1][j]);
            if (!kPlane) store_group(z[j], weights[0][j]);
        }
        Quad sums[kGroup];  // of two that are wanted the others are there, too
        for (int l = 0; l < kGroup; ++l) {
            const float *at = array + corner_of(l);
            for (int c = 0; c < (kPlane ? 1 : N); ++c, at += plane) {
                Quad part = times(quad(y[0][l]), load_quad(at));
                for (int b = 1; b < N; ++b) part = fused(quad(y[b][l]), load_quad(at + b * row), part);
                sums[l] = kPlane ? part : c ? fused(quad(z[c][l]), part, sums[l]) : times(quad(z[0][l]), part);
            }
        }
        Group columns[4];
        turned(sums, columns);
        Group sum = times(weights[2][0], columns[0]);
        for (int k = 1; k < N; ++k) sum = fused(weights[2][k], columns[k], sum);
        return sum;
    }

    // Which of the points are ones of the grid.
    HINR_INLINE int on_points(bool *found) const {
        float off[3][kGroup] = {};
        for (int a = kFirstAxis; a < 3; ++a) store_group(off[a], fraction[a]);
        int n = 0;
        for (int l = 0; l < kGroup; ++l) n += found[l] = off[0][l] == 0.0f && off[1][l] == 0.0f && off[2][l] == 0.0f;
        return n;
    }

    // The values themselves at points of the grid, the spline's elsewhere.
    HINR_INLINE Group in_place(const float *spline, const float *values, const bool *on_point, int n_on_point) const {
        const int64_t second = (kPlane ? 0 : plane) + row + 1;
        const bool side_by_side = together && taps[1].count == 4 && taps[2].count == 4 && (kPlane || taps[0].count == 4);
        if (n_on_point == kGroup && side_by_side) return load_group(values + corner() + second);
        if (n_on_point == 0) return sampled(spline);
        float found[kGroup];
        if (n_on_point < kGroup) store_group(found, sampled(spline));
        for (int l = 0; l < kGroup; ++l)
            if (on_point[l]) found[l] = values[corner_of(l) + second];
        return load_group(found);
    }
};

// The weighted sum of steps, within what they have: fronts do not ring.
HINR_INLINE Group blended(const CarryJob &job, const Group *values) {
    Group sum = times(group(job.weights[0]), values[0]), low = values[0], high = values[0];
    for (int j = 1; j < job.n_steps; ++j) {
        sum = fused(group(job.weights[j]), values[j], sum);
        low = least(low, values[j]);
        high = most(high, values[j]);
    }
    return least(most(sum, low), high);
}

// In place, and along paths.
template <bool kPlane> struct Carrier {
    const NodesJob &nodes;
    const CarryJob &job;

    // Values of a group at places, (components, kGroup). The line, or whatever else has it, gives channels there.
    template <class ChannelsAt> HINR_INLINE void carry(const Places &places, const ChannelsAt &channels_at, float *values) const {
        const int n = job.n_components, last = job.first + 1;
        Stencil<kPlane, 4> here;
        here.place(nodes, job, places);
        bool on_point[kGroup];
        const int n_on_point = here.on_points(on_point);
        if (job.at_step) {  // all steps are that one, whose own bits these are
            for (int k = 0; k < n; ++k)
                store_group(values + k * kGroup, here.in_place(job.steps[k], job.values[k], on_point, n_on_point));
            return;
        }
        Group channels[kCarryChannels];
        channels_at(kCarryTrust, kCarryTrust + 1, channels);
        const Group trust = least(most(channels[kCarryTrust], group(0.0f)), group(1.0f));
        const bool moves = highest(trust) > 0.0f;
        Stencil<kPlane, 4> ends[2];
        Stencil<kPlane, 2> beyond[2];  // before the gap, and after
        for (int j = 0; j < job.n_steps && moves; ++j) {
            channels_at(4 * j + (kPlane ? 1 : 0), 4 * j + 3, channels);
            Places there;
            for (int a = kPlane ? 1 : 0; a < 3; ++a) there.axis[a] = plus(places.axis[a], channels[4 * j + a]);
            if (j == job.first || j == last) ends[j - job.first].place(nodes, job, there);
            else beyond[j > last].place(nodes, job, there);
        }
        for (int k = 0; k < n; ++k) {
            const float *const *steps = job.steps + k, *const *raw = job.values + k;
            Group found[kCarrySteps];
            for (int j = 0; j < job.n_steps; ++j)
                if (job.bend != 0.0f || j == job.first || j == last)
                    found[j] = here.in_place(steps[j * n], raw[j * n], on_point, n_on_point);
            const Group linear = fused(group(job.share), less(found[last], found[job.first]), found[job.first]);
            Group value = linear;
            if (job.bend != 0.0f) value = fused(group(job.bend), less(blended(job, found), linear), value);
            if (moves) {
                for (int j = 0; j < job.n_steps; ++j)
                    found[j] = j == job.first || j == last ? ends[j - job.first].sampled(steps[j * n]) : beyond[j > last].sampled(raw[j * n]);
                value = fused(trust, less(blended(job, found), linear), value);
            }
            store_group(values + k * kGroup, value);
        }
    }

    // At every combination of y (ny) and x (nx) in the plane z, with room for a plane of nodes, a line, and a group.
    void rows(float z, const float *y, int64_t ny, const float *x, int64_t nx, float *room, float *values) const {
        const int64_t length = nodes.size[2] * kCarryChannels, plane = length * nodes.size[1];
        float *line = room + plane;
        if (!job.at_step) slice_of(nodes.coefficients, plane, node_taps(z, nodes, 0), plane, room);
        float *found = line + length, short_row[kGroup];
        if (nx < kGroup) {
            for (int l = 0; l < kGroup; ++l) short_row[l] = x[l < nx ? l : nx - 1];
            x = short_row;
        }
        for (int64_t row = 0; row < ny; ++row, values += nx * job.n_components) {
            if (!job.at_step) slice_of(room, length, node_taps(y[row], nodes, 1), length, line);
            for (int64_t i = 0; i < nx; i += kGroup) {
                const int64_t first = nx - i >= kGroup || nx < kGroup ? i : nx - kGroup;  // some are carried twice
                const Places places = {{group(z), group(y[row]), load_group(x + first)}};
                const Line along = {nodes, line, places.axis[2]};
                carry(places, along, found);
                put(found, nx < kGroup ? nx : kGroup, values + first * job.n_components);
            }
        }
    }

    // At positions, with room for a group.
    void points(const float *z, const float *y, const float *x, int64_t n, float *found, float *values) const {
        for (int64_t i = 0; i < n; i += kGroup) {
            const int count = n - i < kGroup ? int(n - i) : kGroup;
            float places[3][kGroup], numbers[kGroup][kCarryChannels];
            for (int l = 0; l < kGroup; ++l) {
                const int64_t at = l < count ? i + l : i;
                places[0][l] = z[at], places[1][l] = y[at], places[2][l] = x[at];
                if (!job.at_step) node_numbers(nodes, z[at], y[at], x[at], numbers[l]);
            }
            const auto channels_at = [&](int first, int end, Group *channels) {
                for (int c = first; c < end; ++c) {
                    float lanes[kGroup];
                    for (int l = 0; l < kGroup; ++l) lanes[l] = numbers[l][c];
                    channels[c] = load_group(lanes);
                }
            };
            carry({{load_group(places[0]), load_group(places[1]), load_group(places[2])}}, channels_at, found);
            put(found, count, values + i * job.n_components);
        }
    }

    HINR_INLINE void put(const float *found, int64_t count, float *values) const {
        const int n = job.n_components;
        if (n == 1 && count == kGroup) return store_group(values, load_group(found));
        for (int64_t l = 0; l < count; ++l)
            for (int k = 0; k < n; ++k) values[l * n + k] = found[k * kGroup + l];
    }
};

static void carry_rows(const NodesJob &nodes, const CarryJob &job, float z, const float *y, int64_t ny, const float *x, int64_t nx,
                       float *room, float *values) {
    if (nodes.n[0] == 1) Carrier<true>{nodes, job}.rows(z, y, ny, x, nx, room, values);
    else Carrier<false>{nodes, job}.rows(z, y, ny, x, nx, room, values);
}

static void carry_points(const NodesJob &nodes, const CarryJob &job, const float *z, const float *y, const float *x, int64_t n,
                         float *room, float *values) {
    if (nodes.n[0] == 1) Carrier<true>{nodes, job}.points(z, y, x, n, room, values);
    else Carrier<false>{nodes, job}.points(z, y, x, n, room, values);
}
