// Non-local means for films (Rousselle et al. 2012, "Adaptive rendering with non-local means filtering"): a pixel becomes the
// mean of those around whose neighbourhoods are the same but for the noise that the samples show, and that agree in opacity,
// in the colour and in the distance of what rays met first. Where there is no noise left, nothing changes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model.h"
#include "path.h"
#include "pool.h"

using namespace hinr;

namespace {

constexpr int64_t kReach = 6, kPatch = 2, kMargin = kReach + kPatch;  // pixels around: that count; that are compared
constexpr int64_t kBandRows = 16;
constexpr int kColors = 4, kGuides = 4;
constexpr float kTolerance = 0.9f;     // of the noise: the smaller, the less is smoothed
constexpr float kLeast = 1e-6f;        // variance: differences so small are none
constexpr float kGuideWidth = 0.05f;   // difference of a guide that counts where its noise is gone
constexpr float kGuideNoise = 0.08f;   // variance of a guide's one sample, about

// Numbers of all pixels, with a margin that repeats the outermost ones.
class Plane {
public:
    Plane(int64_t width, int64_t height)
        : stride_(width + 2 * kMargin), width_(width), height_(height), memory_(size_t(stride_ * (height + 2 * kMargin))) {}
    float *row(int64_t y) { return memory_.data() + (y + kMargin) * stride_ + kMargin; }
    const float *row(int64_t y) const { return memory_.data() + (y + kMargin) * stride_ + kMargin; }

    void fill_margin() {
        for (int64_t y = 0; y < height_; ++y)
            for (int64_t x = 1; x <= kMargin; ++x) {
                row(y)[-x] = row(y)[std::min(x - 1, width_ - 1)];
                row(y)[width_ - 1 + x] = row(y)[std::max<int64_t>(width_ - x, 0)];
            }
        for (int64_t y = 1; y <= kMargin; ++y) {
            std::memcpy(row(-y) - kMargin, row(std::min(y - 1, height_ - 1)) - kMargin, sizeof(float) * size_t(stride_));
            std::memcpy(row(height_ - 1 + y) - kMargin, row(std::max<int64_t>(height_ - y, 0)) - kMargin,
                        sizeof(float) * size_t(stride_));
        }
    }

    // The mean of each pixel and those next to it.
    void smooth() {
        fill_margin();
        Plane mean(width_, height_);
        for (int64_t y = 0; y < height_; ++y)
            for (int64_t x = 0; x < width_; ++x) {
                float sum = 0;
                for (int64_t dy = -1; dy <= 1; ++dy) sum += row(y + dy)[x - 1] + row(y + dy)[x] + row(y + dy)[x + 1];
                mean.row(y)[x] = sum / 9;
            }
        memory_.swap(mean.memory_);
        fill_margin();
    }

private:
    int64_t stride_, width_, height_;
    std::vector<float> memory_;
};

inline float square(float x) { return x * x; }

struct Picture {
    int64_t width, height;
    std::vector<Plane> colors, guides;  // colors: radiance and opacity
    std::vector<Plane> noise;           // variance of the mean of each of three colours
    Plane guide_noise;                  // of a guide, about

    Picture(const float *film, int64_t w, int64_t h)
        : width(w), height(h), colors(kColors, Plane(w, h)), guides(kGuides, Plane(w, h)), noise(3, Plane(w, h)), guide_noise(w, h) {
        for (int64_t y = 0; y < h; ++y)
            for (int64_t x = 0; x < w; ++x) take(film + (y * w + x) * HINR_FILM_CHANNELS, x, y);
        for (Plane &plane : colors) plane.fill_margin();
        for (Plane &plane : guides) plane.smooth();
        for (Plane &plane : noise) plane.smooth();
        guide_noise.smooth();
    }

private:
    void take(const float *pixel, int64_t x, int64_t y) {
        const float n = std::max(pixel[9], 1.0f), hits = std::max(pixel[3], 1.0f);
        for (int c = 0; c < kColors; ++c) colors[size_t(c)].row(y)[x] = pixel[c] / n;
        for (int c = 0; c < 3; ++c) guides[size_t(c)].row(y)[x] = pixel[4 + c] / n;
        guides[3].row(y)[x] = pixel[7] / hits;
        const float mean = (0.2126f * pixel[0] + 0.7152f * pixel[1] + 0.0722f * pixel[2]) / n;
        // of a single sample its square tells as much as there is to know
        const float variance = n > 1 ? std::max(pixel[8] / n - mean * mean, 0.0f) * n / (n - 1) : mean * mean;
        // a path has one colour, mostly: its parts go up and down together
        for (size_t c = 0; c < 3; ++c) noise[c].row(y)[x] = variance / n * square(pixel[c] / n / std::max(mean, 1e-6f));
        guide_noise.row(y)[x] = kGuideNoise / n;
    }
};

// exp(-x) for x >= 0, to 3 per cent: enough for a weight.
inline float faded(float x) {
    const float t = 1 + std::min(x, 30.0f) * (1 / 16.0f), t2 = t * t, t4 = t2 * t2, t8 = t4 * t4;
    return 1 / (t8 * t8);
}

// What the pixels of a band differ by from those at an offset, a row (width + 2 kPatch) at a time, from x = -kPatch on.
void differences(const Picture &p, int64_t y, int64_t dx, int64_t dy, float *__restrict out) {
    const int64_t begin = -kPatch, n = p.width + 2 * kPatch;
    std::memset(out, 0, sizeof(float) * size_t(n));
    for (size_t c = 0; c < 3; ++c) {
        const float *a = p.colors[c].row(y) + begin, *b = p.colors[c].row(y + dy) + begin + dx;
        const float *noise = p.noise[c].row(y) + begin, *other_noise = p.noise[c].row(y + dy) + begin + dx;
        for (int64_t x = 0; x < n; ++x) {
            const float d = a[x] - b[x], more = std::min(noise[x], other_noise[x]);
            out[x] += (d * d - (noise[x] + more)) / (kLeast + kTolerance * kTolerance * (noise[x] + other_noise[x]));
        }
    }
}

// Weights of the pixels at an offset from those of a row, times what the guides say.
void weigh(const Picture &p, int64_t y, int64_t dx, int64_t dy, const float *sums, float *__restrict weights) {
    constexpr float share = 1.0f / float(3 * (2 * kPatch + 1) * (2 * kPatch + 1));
    for (int64_t x = 0; x < p.width; ++x) weights[x] = std::max(sums[x] * share, 0.0f);
    const float *noise = p.guide_noise.row(y);
    for (int g = 0; g < kGuides; ++g) {
        const float *a = p.guides[size_t(g)].row(y), *b = p.guides[size_t(g)].row(y + dy) + dx;
        for (int64_t x = 0; x < p.width; ++x) {
            const float d = a[x] - b[x];
            weights[x] += d * d / (2 * (kGuideWidth * kGuideWidth + noise[x]));
        }
    }
    for (int64_t x = 0; x < p.width; ++x) weights[x] = faded(weights[x]);
}

void filter_band(const Picture &p, int64_t first, int64_t last, float *out) {
    const int64_t rows = last - first, wide = p.width + 2 * kPatch;
    std::vector<float> apart(size_t((rows + 2 * kPatch) * wide)), across(size_t((rows + 2 * kPatch) * p.width));
    std::vector<float> sums(size_t(p.width)), weights(size_t(p.width)), totals(size_t(rows * p.width * (kColors + 1)));
    for (int64_t dy = -kReach; dy <= kReach; ++dy)
        for (int64_t dx = -kReach; dx <= kReach; ++dx) {
            for (int64_t r = 0; r < rows + 2 * kPatch; ++r) {
                float *row = apart.data() + r * wide;
                differences(p, first - kPatch + r, dx, dy, row);
                float *__restrict sum = across.data() + r * p.width;
                for (int64_t x = 0; x < p.width; ++x) sum[x] = row[x] + row[x + 1] + row[x + 2] + row[x + 3] + row[x + 4];
            }
            for (int64_t r = 0; r < rows; ++r) {
                const float *row = across.data() + r * p.width;
                for (int64_t x = 0; x < p.width; ++x) {
                    const float *s = row + x;
                    sums[size_t(x)] = s[0] + s[p.width] + s[2 * p.width] + s[3 * p.width] + s[4 * p.width];
                }
                weigh(p, first + r, dx, dy, sums.data(), weights.data());
                for (int c = 0; c <= kColors; ++c) {
                    float *__restrict total = totals.data() + (r * (kColors + 1) + c) * p.width;
                    if (c == kColors) {
                        for (int64_t x = 0; x < p.width; ++x) total[x] += weights[size_t(x)];
                        continue;
                    }
                    const float *color = p.colors[size_t(c)].row(first + r + dy) + dx;
                    for (int64_t x = 0; x < p.width; ++x) total[x] += weights[size_t(x)] * color[x];
                }
            }
        }
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t x = 0; x < p.width; ++x)
            for (int c = 0; c < kColors; ++c) {
                const float *total = totals.data() + r * (kColors + 1) * p.width + x;
                out[((first + r) * p.width + x) * kColors + c] = total[c * p.width] / total[kColors * p.width];
            }
}

}  // namespace

int hinr_path_denoise(const float *film, int64_t width, int64_t height, float *out) {
    if (!film || !out) return HINR_ERROR_NULL;
    if (width < 1 || height < 1 || width > (int64_t(1) << 28) / height) return HINR_ERROR_SIZE;
    return guarded([&] {
        const Picture picture(film, width, height);
        parallel_for((height + kBandRows - 1) / kBandRows, num_threads(), [&](int64_t band, int) {
            filter_band(picture, band * kBandRows, std::min((band + 1) * kBandRows, height), out);
        });
        return int(HINR_OK);
    });
}
