// The weights of non-local means, a band of a film's rows at a time (see path_denoise.cpp). Included inside the unit's namespace;
// plain loops along rows, which the compiler turns into vectors.

constexpr float kTolerance = 0.9f;    // of the noise: the smaller, the less is smoothed
constexpr float kLeast = 1e-6f;       // variance: differences so small are none
constexpr float kGuideWidth = 0.05f;  // difference of a guide that counts where its noise is gone
constexpr int kColors = 4, kGuides = 4;

HINR_INLINE float smaller(float a, float b) { return a < b ? a : b; }

// exp(-x) for x >= 0, to a few per cent: enough for a weight.
HINR_INLINE float faded(float x) {
    const float t = 1 + smaller(x, 30.0f) * (1 / 16.0f), t2 = t * t, t4 = t2 * t2, t8 = t4 * t4;
    return 1 / (t8 * t8);
}

// What the pixels of a row differ by from those at an offset, from x = -kFilmPatch on.
static void differences(const FilmPlan &p, int64_t y, int64_t dx, int64_t dy, float *__restrict out) {
    const int64_t n = p.width + 2 * kFilmPatch, at = y * p.stride - kFilmPatch, other = at + dy * p.stride + dx;
    for (int c = 0; c < 3; ++c) {
        const float *a = p.colors[c] + at, *b = p.colors[c] + other, *va = p.noise[c] + at, *vb = p.noise[c] + other;
        for (int64_t x = 0; x < n; ++x) {
            const float d = a[x] - b[x], noise = va[x] + smaller(va[x], vb[x]);
            const float apart = (d * d - noise) / (kLeast + kTolerance * kTolerance * (va[x] + vb[x]));
            out[x] = c ? out[x] + apart : apart;
        }
    }
}

// Weights of the pixels at an offset from those of a row, by the sums of their neighbourhoods' differences and the guides.
static void weigh(const FilmPlan &p, int64_t y, int64_t dx, int64_t dy, const float *sums, float *__restrict weights) {
    constexpr float share = 1.0f / float(3 * (2 * kFilmPatch + 1) * (2 * kFilmPatch + 1));
    const float *noise = p.guide_noise + y * p.stride;
    const float *a[kGuides], *b[kGuides];
    for (int g = 0; g < kGuides; ++g) {
        a[g] = p.guides[g] + y * p.stride;
        b[g] = a[g] + dy * p.stride + dx;
    }
    for (int64_t x = 0; x < p.width; ++x) {
        float apart = 0;
        for (int g = 0; g < kGuides; ++g) apart += (a[g][x] - b[g][x]) * (a[g][x] - b[g][x]);
        const float alike = sums[x] > 0 ? sums[x] * share : 0.0f;
        weights[x] = faded(alike + apart / (2 * (kGuideWidth * kGuideWidth + noise[x])));
    }
}

// Five neighbours along a row, and five rows: the sums over kFilmPatch pixels around each.
static void five(const float *from, int64_t stride, int64_t n, float *__restrict to) {
    static_assert(kFilmPatch == 2, "five");
    for (int64_t x = 0; x < n; ++x)
        to[x] = from[x] + from[x + stride] + from[x + 2 * stride] + from[x + 3 * stride] + from[x + 4 * stride];
}

static void film_band(const FilmPlan &p, int64_t first, int64_t last, float *memory) {
    const int64_t rows = last - first, wide = p.width + 2 * kFilmPatch, n = p.width;
    float *apart = memory, *across = apart + (rows + 2 * kFilmPatch) * wide, *sums = across + (rows + 2 * kFilmPatch) * n;
    float *weights = sums + n, *totals = weights + n;
    for (int64_t i = 0; i < rows * (kColors + 1) * n; ++i) totals[i] = 0;
    for (int64_t dy = -kFilmReach; dy <= kFilmReach; ++dy)
        for (int64_t dx = -kFilmReach; dx <= kFilmReach; ++dx) {
            for (int64_t r = 0; r < rows + 2 * kFilmPatch; ++r) {
                differences(p, first - kFilmPatch + r, dx, dy, apart + r * wide);
                five(apart + r * wide, 1, n, across + r * n);
            }
            for (int64_t r = 0; r < rows; ++r) {
                five(across + r * n, n, n, sums);
                weigh(p, first + r, dx, dy, sums, weights);
                float *__restrict total = totals + r * (kColors + 1) * n;
                for (int c = 0; c < kColors; ++c) {
                    const float *color = p.colors[c] + (first + r + dy) * p.stride + dx;
                    for (int64_t x = 0; x < n; ++x) total[c * n + x] += weights[x] * color[x];
                }
                for (int64_t x = 0; x < n; ++x) total[kColors * n + x] += weights[x];
            }
        }
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t x = 0; x < n; ++x)
            for (int c = 0; c < kColors; ++c) {
                const float *total = totals + r * (kColors + 1) * n + x;
                p.out[((first + r) * n + x) * kColors + c] = total[c * n] / total[kColors * n];
            }
}
