// Where light comes from, and where it goes when it is scattered. Included inside the unit's namespace.

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
