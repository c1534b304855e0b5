// The ways of lanes through a field: from wall to wall of blocks, and what is met. Included inside the unit's namespace.

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
