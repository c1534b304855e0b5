// From gradients of samples to new voxels. Included inside the unit's namespace by radiance.inl.

static void spread(const VoxelGrid &grid, const float *towards, const RadianceSample &sample, int64_t layer,
                   float *gradient, uint8_t *touched) {
    const int64_t x = sample.cell & 1023, y = sample.cell >> 10 & 1023, z = sample.cell >> 20;
    const Corners corners(grid, x, y, z);
    const Basis basis(towards);
    Line line = repeated(sample.gradient);
    for (int k = 0; k < kVecs; ++k) line.part[k] = mul(line.part[k], basis.line.part[k]);
    float weights[8];
    weights_of(sample.fraction, weights);
    for (int corner = 0; corner < 8; ++corner) {
        const int64_t at = corners.at[corner];
        if (at < 0 || (z + (corner >> 2)) >> 2 != layer) continue;
        float *to = gradient + at * kLine;
        const Vec weight = set1(weights[corner]);
        for (int k = 0; k < kVecs; ++k) store(to + k * W, madd(weight, line.part[k], load(to + k * W)));
        touched[at / kVoxels] = 1;
    }
}

// The slope of a difference's cost: in proportion up to the bend, then 1.
HINR_INLINE Vec slope_of(Vec difference, Vec bend) {
    const Vec x = mul(difference, bend), one = set1(1), minus = set1(-1);
    return add(add(relu(add(x, one)), minus), mul(minus, relu(add(x, minus))));
}

static void step(const VoxelGrid &grid, int64_t bx, int64_t by, int64_t bz, const RadianceStep &step, float *values,
                 float *gradient, float *first, float *second) {
    const int64_t by_row = grid.blocks[0], by_layer = grid.blocks[0] * grid.blocks[1];
    const int64_t place = bz * by_layer + by * by_row + bx;
    const int64_t block = grid.index[place] * kVoxels;
    const int64_t at_block[3] = {bx, by, bz}, strides[3] = {1, by_row, by_layer}, inner[3] = {1, 4, 16};
    int64_t around[6];  // first voxel of the blocks before and after along each axis, -1 without
    for (int a = 0; a < 3; ++a) {
        around[2 * a] = at_block[a] > 0 ? grid.index[place - strides[a]] * kVoxels : -1;
        around[2 * a + 1] = at_block[a] + 1 < grid.blocks[a] ? grid.index[place + strides[a]] * kVoxels : -1;
    }
    const Vec keep1 = set1(step.beta1), keep2 = set1(step.beta2), new1 = set1(1 - step.beta1),
              new2 = set1(1 - step.beta2), tiny = set1(1e-15f), minus = set1(-1), zero = set1(0);
    for (int64_t v = 0; v < kVoxels; ++v) {
        const int64_t at = block + v;
        float *g = gradient + at * kLine;
        if (g[3] == 0 && g[0] == 0 && g[1] == 0 && g[2] == 0) continue;
        const float *neighbours[6];
        int n = 0;
        for (int a = 0; a < 3; ++a) {
            const int64_t inside = v / inner[a] & 3;
            const int64_t before = inside > 0 ? block + v - inner[a] : around[2 * a] + v + 3 * inner[a];
            const int64_t after = inside < 3 ? block + v + inner[a] : around[2 * a + 1] + v - 3 * inner[a];
            if (inside > 0 || around[2 * a] >= 0) neighbours[n++] = values + before * kLine;
            if (inside < 3 || around[2 * a + 1] >= 0) neighbours[n++] = values + after * kLine;
        }
        float *x = values + at * kLine, *m = first + at * kLine, *s = second + at * kLine;
        for (int k = 0; k < kVecs; ++k) {
            const int64_t o = k * W;
            const Vec here = load(x + o), bend = load(step.bend + o);
            Vec slopes = zero;
            for (int i = 0; i < n; ++i)
                slopes = add(slopes, slope_of(add(here, mul(minus, load(neighbours[i] + o))), bend));
            const Vec whole = madd(load(step.smooth + o), slopes, load(g + o));
            const Vec moment = madd(keep1, load(m + o), mul(new1, whole));
            const Vec square = madd(keep2, load(s + o), mul(new2, mul(whole, whole)));
            store(m + o, moment);
            store(s + o, square);
            store(x + o, add(here, mul(mul(minus, load(step.rate + o)), div(moment, add(root(square), tiny)))));
            store(g + o, zero);
        }
    }
}
