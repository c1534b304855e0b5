// Non-local means for films (Rousselle et al. 2012, "Adaptive rendering with non-local means filtering"): a pixel becomes the
// mean of those around whose neighbourhoods are the same but for the noise that the samples show, and that agree in opacity,
// in the colour and in the distance of what rays met first. Where there is no noise left, nothing changes.
#include <algorithm>
#include <cstring>
#include <vector>

#include "model.h"
#include "path.h"
#include "path_kernels.h"
#include "pool.h"

using namespace hinr;

namespace {

constexpr int64_t kMargin = kFilmReach + kFilmPatch, kBandRows = 16;
constexpr int kColors = 4, kGuides = 4;
constexpr float kGuideNoise = 0.08f;  // variance of a guide's one sample, about

// Numbers of all pixels, with a margin that repeats the outermost ones.
class Plane {
public:
    Plane(int64_t width, int64_t height)
        : stride_(width + 2 * kMargin), width_(width), height_(height), memory_(size_t(stride_ * (height + 2 * kMargin))) {}
    float *row(int64_t y) { return memory_.data() + (y + kMargin) * stride_ + kMargin; }
    int64_t stride() const { return stride_; }

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

}  // namespace

int hinr_path_denoise(int isa, const float *film, int64_t width, int64_t height, float *out) {
    if (!film || !out) return HINR_ERROR_NULL;
    if (width < 1 || height < 1 || width > (int64_t(1) << 28) / height) return HINR_ERROR_SIZE;
    const PathKernels *kernels = find_path_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        Picture picture(film, width, height);
        FilmPlan plan{};
        plan.width = width;
        plan.stride = picture.guide_noise.stride();
        for (size_t c = 0; c < kColors; ++c) plan.colors[c] = picture.colors[c].row(0);
        for (size_t c = 0; c < 3; ++c) plan.noise[c] = picture.noise[c].row(0);
        for (size_t g = 0; g < kGuides; ++g) plan.guides[g] = picture.guides[g].row(0);
        plan.guide_noise = picture.guide_noise.row(0);
        plan.out = out;
        const int64_t n_bands = (height + kBandRows - 1) / kBandRows, wide = width + 2 * kFilmPatch;
        const int n_threads = int(std::min<int64_t>(num_threads(), n_bands));
        const int64_t rows = kBandRows + 2 * kFilmPatch, floats = rows * (wide + width) + 2 * width + kBandRows * 5 * width;
        const Buffer memory(size_t(floats * n_threads));
        parallel_for(n_bands, n_threads, [&](int64_t band, int thread) {
            const int64_t first = band * kBandRows, last = std::min(first + kBandRows, height);
            kernels->film_band(plan, first, last, memory.data() + floats * thread);
        });
        return int(HINR_OK);
    });
}
