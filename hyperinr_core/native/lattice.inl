// Numbers of the nodes of a coarse lattice, for one instruction set: included by flow.inl, whose units it is part of.

HINR_INLINE void group_weights(Group f, Group *w) {
    const Group sixth = group(1.0f / 6.0f), three = group(3.0f), one = group(1.0f);
    const Group g = less(one, f), f2 = times(f, f), f3 = times(f2, f);
    w[0] = times(times(times(g, g), g), sixth);
    w[1] = times(fused(three, f3, fused(group(-6.0f), f2, group(4.0f))), sixth);
    w[2] = times(fused(three, less(plus(f, f2), f3), one), sixth);
    w[3] = times(f3, sixth);
}

// Where points of an axis lie among the four numbers that each is made of: all of those, from the first on, and what each is to
// each point.
constexpr int kMostTaps = 8;

struct Taps {
    int first, count;  // of more than kMostTaps there are no weights
    Group weights[kMostTaps];
};

// The weights of points the first of whose numbers are at `at`, the taps' first or the next: nothing branches.
HINR_INLINE void spread_narrow(Group at, const Group *weights, Taps &taps) {
    const Group low = group(float(taps.first)), zero = group(0.0f);
    taps.count = 5;
    taps.weights[0] = where(at, low, weights[0], zero);
    for (int j = 1; j < 4; ++j) taps.weights[j] = where(at, low, weights[j], weights[j - 1]);
    taps.weights[4] = where(at, low, zero, weights[3]);
}

// The same where they are up to `range` further on.
static void spread(Group at, int range, const Group *weights, Taps &taps) {
    taps.count = 4 + range;
    if (taps.count > kMostTaps) return;
    for (int t = 0; t < taps.count; ++t) {
        Group sum = group(0.0f);
        for (int j = 0; j < 4; ++j) sum = where(at, group(float(taps.first + t - j)), weights[j], sum);
        taps.weights[t] = sum;
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

// The nodes along an axis that positions take part in.
struct Span {
    int64_t first, count;
};

static Span span_of(const NodesJob &nodes, int axis, const float *positions, int64_t n) {
    int64_t first = nodes.size[axis], end = 0;
    for (int64_t i = 0; i < n; ++i) {
        const NodeTaps taps = node_taps(positions[i], nodes, axis);
        first = taps.first < first ? taps.first : first;
        end = taps.first + taps.count > end ? taps.first + taps.count : end;
    }
    return {first, end - first};
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

// The numbers of nodes that have four times N each, at the positions of a group, as quads.
template <int N> HINR_INLINE void quads_at(const NodesJob &nodes, const float *numbers, const Group *positions, Quad (*found)[N]) {
    Group first[3], weights[4];
    float w[3][4][kGroup];
    int count[3];
    for (int a = 0; a < 3; ++a) {
        first[a] = nodes_of(positions[a], nodes, a, weights);
        count[a] = nodes.scale[a] == 0.0f ? 1 : 4;
        for (int j = 0; j < count[a]; ++j) store_group(w[a][j], weights[j]);
    }
    int32_t offsets[kGroup];
    offsets_of(first[0], first[1], first[2], int32_t(nodes.size[1]), int32_t(nodes.size[2]), offsets);
    const int64_t row = nodes.size[2] * 4 * N, plane = row * nodes.size[1];
    for (int l = 0; l < kGroup; ++l) {
        const float *corner = numbers + int64_t(offsets[l]) * 4 * N;
        for (int q = 0; q < N; ++q) found[l][q] = quad(0.0f);
        for (int c = 0; c < count[0]; ++c)
            for (int b = 0; b < count[1]; ++b) {
                const float *at = corner + c * plane + b * row;
                Quad line[N];
                for (int q = 0; q < N; ++q) line[q] = times(quad(w[2][0][l]), load_quad(at + 4 * q));
                for (int a = 1; a < count[2]; ++a)
                    for (int q = 0; q < N; ++q) line[q] = fused(quad(w[2][a][l]), load_quad(at + 4 * (a * N + q)), line[q]);
                const Quad weight = quad(w[0][c][l] * w[1][b][l]);
                for (int q = 0; q < N; ++q) found[l][q] = fused(weight, line[q], found[l][q]);
            }
    }
}

// The numbers of paths that are at places (n) now. By where a path is in the middle of its gap nodes have them, and `travelled`
// (size times 4) how far it is from there; offsets become those from where it is.
static void now(const NodesJob &nodes, const float *travelled, const float *on_path, int n_steps, float z, float y, const float *x,
                int64_t n, float *channels) {
    for (int64_t i = 0; i < n; i += kGroup) {
        const int count = n - i < kGroup ? int(n - i) : kGroup;
        float lanes[3][kGroup];
        for (int l = 0; l < kGroup; ++l) lanes[2][l] = x[l < count ? i + l : i];
        const Group places[3] = {group(z), group(y), load_group(lanes[2])};
        Group middle[3] = {places[0], places[1], places[2]};
        for (int time = 0; time < kFixedPoint; ++time) {
            Quad far[kGroup][1];
            Group turn[4];
            quads_at<1>(nodes, travelled, middle, far);
            turned(far[0], turn);
            for (int a = 0; a < 3; ++a) middle[a] = less(places[a], turn[a]);
        }
        Quad numbers[kGroup][kCarrySteps];
        quads_at<kCarrySteps>(nodes, nodes.coefficients, middle, numbers);
        for (int l = 0; l < count; ++l) {
            float *found = channels + (i + l) * kCarryChannels;
            memcpy(found, numbers[l], sizeof numbers[l]);
            for (int a = 0; a < 3; ++a) {
                float sum = 0.0f;
                for (int j = 0; j < n_steps; ++j) sum = madd(on_path[j], found[4 * j + a], sum);
                for (int j = 0; j < n_steps; ++j) found[4 * j + a] -= sum;
            }
        }
    }
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
        else {
            int range;
            range_of(first, &taps.first, &range);
            spread(first, range, weights, taps);
        }
    }

    // N channels from one on.
    template <int N> HINR_INLINE void at(int first, Group *channels) const {
        if (taps.count > kMostTaps) return one_by_one(first, first + N, channels);
        const float *from = row + taps.first * kCarryChannels + first;
        Group sums[N];
        for (int c = 0; c < N; ++c) sums[c] = times(taps.weights[0], group(from[c]));
        for (int j = 1; j < taps.count; ++j) {
            from += kCarryChannels;
            for (int c = 0; c < N; ++c) sums[c] = fused(taps.weights[j], group(from[c]), sums[c]);
        }
        for (int c = 0; c < N; ++c) channels[c] = sums[c];
    }

    void one_by_one(int first, int end, Group *channels) const {
        float lanes[kGroup], found[kCarryChannels][kGroup];
        alignas(64) float numbers[kCarryChannels];
        store_group(lanes, x);
        for (int l = 0; l < kGroup; ++l) {
            slice_of(row, kCarryChannels, node_taps(lanes[l], nodes, 2), kCarryChannels, numbers);
            for (int c = first; c < end; ++c) found[c][l] = numbers[c];
        }
        for (int c = first; c < end; ++c) channels[c - first] = load_group(found[c]);
    }
};

// The numbers of nodes at each point of a group.
struct Scattered {
    const float (*numbers)[kCarryChannels];

    template <int N> HINR_INLINE void at(int first, Group *channels) const {
        for (int c = 0; c < N; ++c) {
            float lanes[kGroup];
            for (int l = 0; l < kGroup; ++l) lanes[l] = numbers[l][first + c];
            channels[c] = load_group(lanes);
        }
    }
};
