// Fitting a radiance field to pictures: batches of single rays, whose samples are sorted by layers of blocks. A layer is
// summed and stepped by one thread, in the order of the rays, so that the number of threads changes no bit.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "model.h"
#include "pool.h"
#include "radiance_door.h"
#include "team.h"

using namespace hinr;

namespace {

constexpr int64_t kChunk = 128;  // rays of a task
constexpr int64_t kMostRays = 1 << 20;

// The numbers of a ray: splitmix64 of where it is in the run.
uint64_t mixed(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

struct Drawn {
    int64_t view, pixel;
    float offset;
};

Drawn draw(const hinr_radiance_pictures &pictures, uint64_t seed, int64_t step, int64_t ray) {
    const uint64_t first = mixed(mixed(mixed(seed) ^ uint64_t(step)) ^ uint64_t(ray)), second = mixed(first);
    const int64_t n_pixels = pictures.width * pictures.height;
    return {int64_t((first >> 32) * uint64_t(pictures.n_views) >> 32),
            int64_t((second >> 32) * uint64_t(n_pixels) >> 32), float(second & 0xffff) / 65536.0f};
}

int check_pictures(const hinr_radiance_pictures *pictures, int64_t batch_rays) {
    if (!pictures || !pictures->cameras || !pictures->pictures || !pictures->background) return HINR_ERROR_NULL;
    if (pictures->n_views < 1 || pictures->width < 1 || pictures->height < 1 || pictures->width > 1 << 14 ||
        pictures->height > 1 << 14 || pictures->n_views > 1 << 20 || batch_rays < 1 || batch_rays > kMostRays)
        return HINR_ERROR_SIZE;
    return pictures->n_channels == 3 || pictures->n_channels == 4 ? HINR_OK : HINR_ERROR_SIZE;
}

RadianceTarget target_of(const hinr_radiance_pictures &pictures, const Drawn &drawn, float scale) {
    RadianceTarget target{};
    const uint8_t *color = pictures.pictures[drawn.view] + drawn.pixel * pictures.n_channels;
    const bool alpha = pictures.n_channels == 4;
    target.color[3] = alpha ? float(color[3]) / 255.0f : 0.0f;
    target.scale[3] = alpha ? scale : 0.0f;
    for (int c = 0; c < 3; ++c) {
        target.color[c] = float(color[c]) / 255.0f * (alpha ? target.color[3] : 1.0f);
        target.background[c] = alpha ? 0.0f : pictures.background[drawn.pixel * 3 + c];
        target.scale[c] = scale;
    }
    return target;
}

// The samples of some rays, and their order by planes of cells.
struct Chunk {
    std::unique_ptr<RadianceSample[]> samples;
    std::unique_ptr<uint32_t[]> order;
    std::vector<int64_t> starts;  // of plane z in `order`
    double loss;
};

class Batches {
public:
    Batches(const RadianceKernels &kernels, const VoxelGrid &grid, const hinr_radiance_pictures &pictures,
            int64_t batch_rays, uint64_t seed)
        : kernels_(kernels), grid_(grid), pictures_(pictures), rays_(batch_rays), seed_(seed) {
        double diagonal = 0;
        for (const int64_t n : grid.dims) diagonal += double(n * n);
        const int64_t most = kChunk * int64_t(std::sqrt(diagonal) + 2);
        chunks_.resize(size_t((batch_rays + kChunk - 1) / kChunk));
        for (Chunk &chunk : chunks_) {
            chunk.samples.reset(new RadianceSample[size_t(most)]);
            chunk.order.reset(new uint32_t[size_t(most)]);
            chunk.starts.resize(size_t(4 * grid.blocks[2] + 2));
        }
    }

    int64_t n_chunks() const { return int64_t(chunks_.size()); }

    void learn(int64_t number, int64_t step) {
        Chunk &chunk = chunks_[size_t(number)];
        chunk.loss = 0;
        int64_t n = 0;
        for (int64_t ray = number * kChunk; ray < std::min(rays_, (number + 1) * kChunk); ++ray) {
            const Drawn drawn = draw(pictures_, seed_, step, ray);
            const hinr_radiance_camera &camera = pictures_.cameras[drawn.view];
            const RadianceRay seen = ray_through(camera, pictures_.width, pictures_.height, drawn.pixel, drawn.offset);
            const RadianceTarget target = target_of(pictures_, drawn, 1.0f / float(rays_));
            const int64_t count = kernels_.learn(grid_, seen, target, chunk.samples.get() + n, chunk.loss);
            for (int64_t i = n; i < n + count; ++i) chunk.samples[size_t(i)].view = uint32_t(drawn.view);
            n += count;
        }
        sort(chunk, n);
    }

    // Sums the gradients of a layer of blocks.
    void spread(int64_t layer, float *gradient, uint8_t *touched) const {
        const size_t first = size_t(std::max<int64_t>(4 * layer - 1, 0)), last = size_t(4 * layer + 4);
        for (const Chunk &chunk : chunks_)
            for (int64_t i = chunk.starts[first]; i < chunk.starts[last]; ++i) {
                const RadianceSample &sample = chunk.samples[chunk.order[size_t(i)]];
                kernels_.spread(grid_, pictures_.cameras[sample.view].towards, sample, layer, gradient, touched);
            }
    }

    double loss() const {
        double sum = 0;
        for (const Chunk &chunk : chunks_) sum += chunk.loss;
        return sum / (pictures_.n_channels == 4 ? 4 : 3);
    }

private:
    static void sort(Chunk &chunk, int64_t n) {
        std::fill(chunk.starts.begin(), chunk.starts.end(), 0);
        for (int64_t i = 0; i < n; ++i) ++chunk.starts[(chunk.samples[size_t(i)].cell >> 20) + 2];
        for (size_t z = 2; z < chunk.starts.size(); ++z) chunk.starts[z] += chunk.starts[z - 1];
        for (int64_t i = 0; i < n; ++i)
            chunk.order[size_t(chunk.starts[(chunk.samples[size_t(i)].cell >> 20) + 1]++)] = uint32_t(i);
    }

    const RadianceKernels &kernels_;
    const VoxelGrid &grid_;
    const hinr_radiance_pictures &pictures_;
    int64_t rays_;
    uint64_t seed_;
    std::vector<Chunk> chunks_;
};

RadianceStep step_of(const hinr_radiance_settings &settings) {
    RadianceStep step{};
    for (int i = 0; i < kLine; ++i) {
        const bool density = i == 3;
        if (i % 4 == 3 && !density) continue;  // numbers that are not used stay 0
        step.rate[i] = float(density ? settings.rate_density : settings.rate_color);
        step.smooth[i] = float(density ? settings.smooth_density : settings.smooth_color) / float(settings.batch_rays);
        step.bend[i] = 1 / float(density ? settings.bend_density : settings.bend_color);
    }
    step.beta1 = float(settings.beta1);
    step.beta2 = float(settings.beta2);
    return step;
}

}  // namespace

int hinr_radiance_fit(int isa, const hinr_radiance_field *field, float *first, float *second,
                      const hinr_radiance_pictures *pictures, const hinr_radiance_settings *settings,
                      int64_t first_step, int64_t n_steps, double *loss) {
    if (!first || !second || !settings || !loss) return HINR_ERROR_NULL;
    if (const int error = check_pictures(pictures, settings->batch_rays)) return error;
    if (!(settings->bend_density > 0) || !(settings->bend_color > 0)) return HINR_ERROR_RANGE;
    const RadianceKernels *kernels = find_radiance_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const CheckedField checked(field);
        if (checked.error) return checked.error;
        const VoxelGrid &grid = checked.grid;
        const RadianceStep step = step_of(*settings);
        Batches batches(*kernels, grid, *pictures, settings->batch_rays, settings->seed);
        const Buffer gradient(size_t(field->n_blocks * kVoxels * kLine));
        std::vector<uint8_t> touched(size_t(field->n_blocks), 0);
        const auto update = [&](int64_t layer) {
            batches.spread(layer, gradient.data(), touched.data());
            for (int64_t y = 0; y < grid.blocks[1]; ++y)
                for (int64_t x = 0; x < grid.blocks[0]; ++x) {
                    const int64_t block = grid.index[(layer * grid.blocks[1] + y) * grid.blocks[0] + x];
                    if (block < 0 || !touched[size_t(block)]) continue;
                    kernels->step(grid, x, y, layer, step, field->values, gradient.data(), first, second);
                    touched[size_t(block)] = 0;
                }
        };
        Team team;
        team.run(num_threads(), [&] {
            for (int64_t number = first_step; number < first_step + n_steps; ++number) {
                team.phase(batches.n_chunks(), [&](int64_t chunk, int) { batches.learn(chunk, number); });
                // smoothing reads the layers beside, which must not change meanwhile
                team.phase((grid.blocks[2] + 1) / 2, [&](int64_t half, int) { update(2 * half); });
                team.phase(grid.blocks[2] / 2, [&](int64_t half, int) { update(2 * half + 1); });
            }
        });
        *loss = batches.loss();
        return int(HINR_OK);
    });
}

int hinr_radiance_gradient(int isa, const hinr_radiance_field *field, const hinr_radiance_pictures *pictures,
                           int64_t batch_rays, uint64_t seed, int64_t step, float *gradient, double *loss) {
    if (!gradient || !loss) return HINR_ERROR_NULL;
    if (const int error = check_pictures(pictures, batch_rays)) return error;
    const RadianceKernels *kernels = find_radiance_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const CheckedField checked(field);
        if (checked.error) return checked.error;
        Batches batches(*kernels, checked.grid, *pictures, batch_rays, seed);
        std::vector<uint8_t> touched(size_t(field->n_blocks), 0);
        std::fill(gradient, gradient + field->n_blocks * kVoxels * kLine, 0.0f);
        for (int64_t chunk = 0; chunk < batches.n_chunks(); ++chunk) batches.learn(chunk, step);
        for (int64_t layer = 0; layer < checked.grid.blocks[2]; ++layer)
            batches.spread(layer, gradient, touched.data());
        *loss = batches.loss();
        return int(HINR_OK);
    });
}

int hinr_radiance_draw(const hinr_radiance_pictures *pictures, int64_t batch_rays, uint64_t seed, int64_t step,
                       int64_t *views, int64_t *pixels, float *offsets) {
    if (!views || !pixels || !offsets) return HINR_ERROR_NULL;
    if (const int error = check_pictures(pictures, batch_rays)) return error;
    for (int64_t ray = 0; ray < batch_rays; ++ray) {
        const Drawn drawn = draw(*pictures, seed, step, ray);
        views[ray] = drawn.view;
        pixels[ray] = drawn.pixel;
        offsets[ray] = drawn.offset;
    }
    return HINR_OK;
}
