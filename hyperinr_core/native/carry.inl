// Carrying along paths, for one instruction set: included by flow.inl, whose units it is part of. Points are taken in groups that
// lie side by side. Each value is computed by the same operations wherever it is asked for, and whatever else is in its group, so
// neither regions nor threads change a bit.

// Positions of a group, z, y, x.
struct Places {
    Group axis[3];
};

// What all positions on an axis share: the points after which values repeat, 1 over them or 0 where they never do, the first and
// the last place that has values, and where the steps' arrays begin and end.
struct Bounds {
    Group turn, per_turn, first, last, begin, end;
};

// The point before positions, from where the steps' arrays begin, and the fraction of a cell after it.
HINR_INLINE Group whole_of(Group p, const Bounds &bounds, Group &fraction) {
    p = fused(times(floored(times(less(p, bounds.first), bounds.per_turn)), group(-1.0f)), bounds.turn, p);
    p = least(most(p, bounds.first), bounds.last);
    const Group whole = floored(p);
    fraction = less(p, whole);
    return less(whole, bounds.begin);
}

// Regions reach far enough; memory must not depend on that.
HINR_INLINE Group inside(Group first, const Bounds &bounds) { return least(most(first, group(0.0f)), bounds.end); }

// What is linear between the values around the points of a group: of one array after the other.
template <bool kPlane> struct Linear {
    int64_t row, plane;
    int32_t offsets[kGroup];
    Group after[3];

    HINR_INLINE void place(const Bounds *bounds, const CarryJob &job, const Places &places) {
        Group first[3] = {group(0.0f), group(0.0f), group(0.0f)};
        for (int a = kPlane ? 1 : 0; a < 3; ++a) first[a] = inside(whole_of(places.axis[a], bounds[a], after[a]), bounds[a]);
        row = job.size[2], plane = job.size[2] * job.size[1];
        offsets_of(first[0], first[1], first[2], int32_t(job.size[1]), int32_t(job.size[2]), offsets);
    }

    HINR_INLINE Group sampled(const float *array) const {
        Group sums[2];
        for (int c = 0; c < (kPlane ? 1 : 2); ++c) {
            Group part[2], next[2];
            pairs_at(array + c * plane, offsets, part[0], part[1]);
            pairs_at(array + c * plane + row, offsets, next[0], next[1]);
            for (int k = 0; k < 2; ++k) {
                part[k] = fused(after[1], less(next[k], part[k]), part[k]);
                sums[k] = c ? fused(after[0], less(part[k], sums[k]), sums[k]) : part[k];
            }
        }
        return fused(after[2], less(sums[1], sums[0]), sums[0]);
    }

    // Has what the next row and the next plane of points will want on its way: the processor does not foresee it.
    HINR_INLINE void foresee(const float *array) const {
        const float *at = array + offsets[kGroup / 2];
        HINR_PREFETCH(at + 2 * row);
        HINR_PREFETCH(at + plane + 2 * row);
        HINR_PREFETCH(at + 2 * plane + row);
    }
};

// The cubic spline at the points of a group, of one array of coefficients after the other.
template <bool kPlane> struct Cubic {
    static constexpr int kFirstAxis = kPlane ? 1 : 0;
    int64_t row, plane, corner;
    bool narrow, together;  // whether the points' stencils overlap so much that they are summed as one
    Taps taps[3];           // then; of x less the point's lane
    Group weights[3][4];    // where not narrow: of each point
    int32_t offsets[kGroup];

    HINR_INLINE void place(const Bounds *bounds, const CarryJob &job, const Places &places) {
        static const float lanes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
        Group first[3], found[3][4];
        int range[3] = {0, 0, 0};
        for (int a = kFirstAxis; a < 3; ++a) {
            Group fraction;
            first[a] = inside(less(whole_of(places.axis[a], bounds[a], fraction), group(1.0f)), bounds[a]);
            group_weights(fraction, found[a]);
            range_of(a == 2 ? less(first[a], load_group(lanes)) : first[a], &taps[a].first, range + a);
        }
        row = job.size[2], plane = job.size[2] * job.size[1];
        corner = (kPlane ? 0 : taps[0].first * plane) + taps[1].first * row + taps[2].first;
        narrow = (range[0] | range[1] | range[2]) <= 1 && corner >= 0 &&
                 corner + (kPlane ? 0 : 4 * plane) + 4 * row + 4 + kGroup <= plane * job.size[0];
        if (!narrow) return place_wide(job, first, range, found);
        for (int a = kFirstAxis; a < 3; ++a)
            spread_narrow(a == 2 ? less(first[a], load_group(lanes)) : first[a], found[a], taps[a]);
    }

    void place_wide(const CarryJob &job, const Group *first, const int *range, const Group (*found)[4]) {
        static const float lanes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
        for (int a = kFirstAxis; a < 3; ++a) {
            for (int j = 0; j < 4; ++j) weights[a][j] = found[a][j];
            spread(a == 2 ? less(first[a], load_group(lanes)) : first[a], range[a], found[a], taps[a]);
        }
        offsets_of(kPlane ? group(0.0f) : first[0], first[1], first[2], int32_t(job.size[1]), int32_t(job.size[2]), offsets);
        const int z = kPlane ? 1 : taps[0].count, y = taps[1].count, x = taps[2].count;
        const int64_t end = corner + (z - 1) * plane + (y - 1) * row + x - 1 + kGroup;
        together = z <= kMostTaps && y <= kMostTaps && x <= kMostTaps && x * (z * (y + 1) + 1) <= kWorthIt && corner >= 0 &&
                   end <= plane * job.size[0];
    }

    // Operations that summing together may take: one by one takes about as long.
    static constexpr int kWorthIt = 300;

    HINR_INLINE Group sampled(const float *array) const {
        return narrow ? summed<5>(array + corner, kPlane ? 1 : 5, 5) : sampled_wide(array);
    }

    // As of `Linear`; `own` is where the points' own values are.
    HINR_INLINE void foresee(const float *array, const float *own) const {
        const float *at = array + corner + 5 * row + kGroup / 2;
        for (int c = 0; c < (kPlane ? 1 : 6); ++c) HINR_PREFETCH(at + c * plane);
        HINR_PREFETCH(own + row);
        HINR_PREFETCH(own + plane);
    }

    Group sampled_wide(const float *array) const {
        if (!together) return one_by_one(array);
        const float *from = array + corner;
        const int z = kPlane ? 1 : taps[0].count, y = taps[1].count, x = taps[2].count;
        if (x <= 5) return x == 4 ? summed<4>(from, z, y) : summed<5>(from, z, y);
        if (x == 6) return summed<6>(from, z, y);
        return x == 7 ? summed<7>(from, z, y) : summed<8>(from, z, y);
    }

    template <int X> HINR_INLINE Group summed(const float *from, int n_z, int n_y) const {
        Group sums[X];
        for (int c = 0; c < n_z; ++c) {
            const float *at = from + c * plane;
            Group part[X];
            for (int k = 0; k < X; ++k) part[k] = times(taps[1].weights[0], load_group(at + k));
            for (int b = 1; b < n_y; ++b) {
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

    Group one_by_one(const float *array) const {
        float y[4][kGroup], z[4][kGroup];
        for (int j = 0; j < 4; ++j) {
            store_group(y[j], weights[1][j]);
            if (!kPlane) store_group(z[j], weights[0][j]);
        }
        Quad sums[kGroup];
        for (int l = 0; l < kGroup; ++l) {
            const float *from = array + offsets[l];
            for (int c = 0; c < (kPlane ? 1 : 4); ++c, from += plane) {
                Quad part = times(quad(y[0][l]), load_quad(from));
                for (int b = 1; b < 4; ++b) part = fused(quad(y[b][l]), load_quad(from + b * row), part);
                sums[l] = kPlane ? part : c ? fused(quad(z[c][l]), part, sums[l]) : times(quad(z[0][l]), part);
            }
        }
        Group columns[4];
        turned(sums, columns);
        Group sum = times(weights[2][0], columns[0]);
        for (int k = 1; k < 4; ++k) sum = fused(weights[2][k], columns[k], sum);
        return sum;
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
    Bounds bounds[3];

    Carrier(const NodesJob &lattice, const CarryJob &moment) : nodes(lattice), job(moment) {
        for (int a = 0; a < 3; ++a) {
            const float turn = job.turn[a];
            bounds[a] = {group(turn), group(turn > 0.0f ? 1.0f / turn : 0.0f), group(job.first_place[a]), group(job.last_place[a]),
                         group(float(job.start[a])), group(float(job.size[a] > 4 ? job.size[a] - 4 : 0))};
        }
    }

    // Values of a group at places, (components, kGroup).
    // channels_at: gives the numbers of nodes there.
    // on_points: the first of the group's points in the steps' arrays, where they are points of the grid side by side; else -1.
    template <class ChannelsAt>
    HINR_INLINE void carry(const Places &places, const ChannelsAt &channels_at, int64_t on_points, float *values) const {
        const int n = job.n_components, last = job.first + 1;
        Cubic<kPlane> here;
        if (on_points < 0) here.place(bounds, job, places);
        const auto in_place = [&](int j, int k) {
            const int at = j * n + k;
            if (on_points >= 0) return load_group(job.values[at] + on_points);
            return own(here.sampled(job.steps[at]), job.values[at], places);
        };
        if (job.at_step) {  // all steps are that one, whose own bits these are
            for (int k = 0; k < n; ++k) store_group(values + k * kGroup, in_place(0, k));
            return;
        }
        Group channels[4];
        channels_at.template at<4>(0, channels);
        const Group trust = least(most(channels[kCarryTrust], group(0.0f)), group(1.0f));
        const bool moves = highest(trust) > 0.0f, bends = job.bend != 0.0f;
        Cubic<kPlane> ends[2];
        Linear<kPlane> beyond[2];  // before the gap, and after
        for (int j = 0; j < job.n_steps && moves; ++j) {
            if (j) channels_at.template at<3>(4 * j, channels);
            Places there;
            for (int a = kPlane ? 1 : 0; a < 3; ++a) there.axis[a] = plus(places.axis[a], channels[a]);
            if (j == job.first || j == last) ends[j - job.first].place(bounds, job, there);
            else beyond[j > last].place(bounds, job, there);
        }
        for (int k = 0; k < n; ++k) {
            Group found[kCarrySteps];
            const Group begin = in_place(job.first, k);
            const Group linear = fused(group(job.share), less(in_place(last, k), begin), begin);
            Group value = linear;
            if (bends) {
                for (int j = 0; j < job.n_steps; ++j) found[j] = in_place(j, k);
                value = fused(group(job.bend), less(blended(job, found), linear), value);
            }
            if (moves) {
                for (int j = 0; j < job.n_steps; ++j) {
                    const int at = j * n + k;
                    if (j == job.first || j == last) found[j] = ends[j - job.first].sampled(job.steps[at]);
                    else found[j] = beyond[j > last].sampled(job.values[at]);
                    if (j != job.first && j != last) beyond[j > last].foresee(job.values[at]);
                    else ends[j - job.first].foresee(job.steps[at], job.values[at] + (on_points < 0 ? 0 : on_points));
                }
                value = fused(trust, less(blended(job, found), linear), value);
            }
            store_group(values + k * kGroup, value);
        }
    }

    // What was sampled, and at points of the grid the values themselves.
    Group own(Group sampled, const float *values, const Places &places) const {
        float found[kGroup], place[3][kGroup];
        store_group(found, sampled);
        for (int a = 0; a < 3; ++a) store_group(place[a], places.axis[a]);
        for (int l = 0; l < kGroup; ++l) {
            const int64_t at = point_at(place[0][l], place[1][l], place[2][l]);
            if (at >= 0) found[l] = values[at];
        }
        return load_group(found);
    }

    // Where a point of the grid is in the steps' arrays; -1 of any other place.
    HINR_INLINE int64_t point_at(float z, float y, float x) const {
        const float place[3] = {z, y, x};
        int64_t index = 0;
        for (int a = 0; a < 3; ++a) {
            const int whole = place[a] >= 0.0f && place[a] < float(nodes.n[a]) ? int(place[a]) : -1;
            const int64_t at = whole - job.start[a];
            if (float(whole) != place[a] || at < 0 || at >= job.size[a]) return -1;
            index = index * job.size[a] + at;
        }
        return index;
    }

    // At every combination of y (ny) and x (nx) in the plane z, with room for a plane of nodes, a line, and a group. Blocks along x
    // are done one after the other: of that much the steps' rows around a row stay in the nearest cache.
    void rows(float z, const float *y, int64_t ny, const float *x, int64_t nx, float *room, float *values) const {
        const int64_t length = nodes.size[2] * kCarryChannels, plane = length * nodes.size[1];
        const bool moves = !job.at_step;
        float *line = room + plane, *found = line + length, short_row[kGroup];
        const Span tall = span_of(nodes, 1, y, ny);
        if (moves) slice_of(nodes.coefficients + tall.first * length, plane, node_taps(z, nodes, 0), tall.count * length, room);
        const int64_t n_points = nx < kGroup ? nx : kGroup;
        if (nx < kGroup) {
            for (int l = 0; l < kGroup; ++l) short_row[l] = x[l < nx ? l : nx - 1];
            x = short_row;
        }
        const bool side_by_side = are_side_by_side(x, nx);
        const auto start = [&](int64_t i) { return i < nx - n_points ? i : nx - n_points; };  // some are carried twice
        for (int64_t block = 0; block < nx; block += kBlock * kGroup) {
            const int64_t first = start(block), last = start(block + (kBlock - 1) * kGroup);
            const Span wide = span_of(nodes, 2, x + first, last + n_points - first);
            const float *from = room + wide.first * kCarryChannels - tall.first * length, *to = line - wide.first * kCarryChannels;
            const Line lines[kBlock] = {{nodes, to, load_group(x + first)},
                                        {nodes, to, load_group(x + start(block + kGroup))},
                                        {nodes, to, load_group(x + start(block + 2 * kGroup))},
                                        {nodes, to, load_group(x + last)}};
            for (int64_t row = 0; row < ny; ++row) {
                const int64_t begin = side_by_side ? point_at(z, y[row], x[0]) : -1;
                if (moves) slice_of(from, length, node_taps(y[row], nodes, 1), wide.count * kCarryChannels, line);
                for (int g = 0; g < kBlock && block + g * kGroup < nx; ++g) {
                    const int64_t at = start(block + g * kGroup);
                    carry({{group(z), group(y[row]), lines[g].x}}, lines[g], begin < 0 ? -1 : begin + at, found);
                    put(found, n_points, values + (row * nx + at) * job.n_components);
                }
            }
        }
    }

    static constexpr int kBlock = 4;  // groups

    // Whether coordinates are those of points of the grid, one after the other.
    bool are_side_by_side(const float *x, int64_t n) const {
        if (n < kGroup || !(x[0] >= 0.0f) || x[0] + float(n) > float(nodes.n[2])) return false;
        for (int64_t i = 1; i < n; ++i)
            if (x[i] != x[0] + float(i)) return false;
        return x[0] + float(n) <= float(job.start[2] + job.size[2]);
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
            carry({{load_group(places[0]), load_group(places[1]), load_group(places[2])}}, Scattered{numbers}, -1, found);
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
    if (nodes.n[0] == 1) Carrier<true>(nodes, job).rows(z, y, ny, x, nx, room, values);
    else Carrier<false>(nodes, job).rows(z, y, ny, x, nx, room, values);
}

static void carry_points(const NodesJob &nodes, const CarryJob &job, const float *z, const float *y, const float *x, int64_t n,
                         float *room, float *values) {
    if (nodes.n[0] == 1) Carrier<true>(nodes, job).points(z, y, x, n, room, values);
    else Carrier<false>(nodes, job).points(z, y, x, n, room, values);
}
