// The path tracer's door: checks, bounds of blocks of cells, and the split of a picture into tiles.
#include "path.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model.h"
#include "path_kernels.h"
#include "pool.h"
#include "processor.h"

using namespace hinr;

static_assert(kPathChannels == HINR_FILM_CHANNELS, "one film");

const PathKernels *hinr::find_path_kernels(int isa) {
    if (!hinr_isa_supported(isa)) return nullptr;
    isa = vector_isa(isa);
#ifdef HINR_X86
    if (isa == HINR_ISA_AVX2) return &kPathAvx2;
    if (isa != HINR_ISA_GENERIC) return &kPathAvx512;
#elif defined(HINR_ARM)
    if (isa == HINR_ISA_NEON) return &kPathNeon;
#endif
    return &kPathGeneric;
}

namespace {

constexpr int64_t kMostPoints = (int64_t(1) << 31) - 1, kMostRows = 1 << 20, kMostPixels = int64_t(1) << 28;
constexpr double kShortestBlock = 1e-5;  // diagonals: with shorter ones rounding counts

uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

int64_t blocks_of(int64_t dim) { return (dim - 1 + kPathBlock - 1) / kPathBlock; }

int check_medium(const hinr_path_medium *medium) {
    if (!medium || !medium->values || !medium->extinction || !medium->colors) return HINR_ERROR_NULL;
    int64_t n_points = 1;
    for (int a = 0; a < 3; ++a) {
        if (medium->dims[a] < 2 || medium->dims[a] > kMostPoints / n_points) return HINR_ERROR_SIZE;
        n_points *= medium->dims[a];
        const double spacing = medium->spacing[a];
        if (!(spacing * kPathBlock >= kShortestBlock) || !(spacing <= 1)) return HINR_ERROR_RANGE;
    }
    if (medium->n_rows < 1 || medium->n_rows > kMostRows) return HINR_ERROR_SIZE;
    if (!std::isfinite(medium->low) || !(medium->scale >= 0) || !std::isfinite(medium->scale)) return HINR_ERROR_RANGE;
    return HINR_OK;
}

int check_view(const hinr_path_view *view) {
    if (!view) return HINR_ERROR_NULL;
    if (view->width < 1 || view->height < 1 || view->width > kMostPixels / view->height) return HINR_ERROR_SIZE;
    if (view->n_bounces < 1 || view->n_bounces > 1024) return HINR_ERROR_SIZE;
    if (view->image && (view->image_width < 1 || view->image_height < 1 || view->image_width > kMostPixels / view->image_height))
        return HINR_ERROR_SIZE;
    if (!(std::abs(view->g) < 1) || !(view->surface >= 0) || !(view->gloss >= 0 && view->gloss <= 1)) return HINR_ERROR_RANGE;
    for (const double number : view->camera)
        if (!std::isfinite(number)) return HINR_ERROR_RANGE;
    return HINR_OK;
}

template <class Number> void copy(const double *from, Number *to, int n) {
    for (int i = 0; i < n; ++i) to[i] = Number(from[i]);
}

PathMedium packed(const hinr_path_medium &m) {
    PathMedium p{};
    p.values = m.values;
    p.extinction = m.extinction;
    p.colors = m.colors;
    p.bounds = m.bounds;
    for (int a = 0; a < 3; ++a) {
        p.dims[a] = int32_t(m.dims[a]);
        p.blocks[a] = int32_t(blocks_of(m.dims[a]));
    }
    copy(m.spacing, p.spacing, 3);
    p.low = float(m.low);
    p.scale = float(m.scale);
    p.n_rows = int32_t(m.n_rows);
    return p;
}

PathView packed(const hinr_path_view &v) {
    PathView p{};
    p.g = float(v.g);
    p.surface = float(v.surface);
    p.gloss = float(v.gloss);
    copy(v.light, p.light, 3);
    copy(v.light_color, p.light_color, 3);
    p.light_cosine = float(v.light_cosine);
    copy(v.below, p.below, 3);
    copy(v.above, p.above, 3);
    copy(v.axes, p.axes, 9);
    p.image = v.image;
    p.image_width = int32_t(v.image_width);
    p.image_height = int32_t(v.image_height);
    copy(v.camera, p.camera, 18);
    copy(v.lens, p.lens, 6);
    p.focus = float(v.focus);
    p.width = int32_t(v.width);
    p.height = int32_t(v.height);
    p.n_bounces = int32_t(v.n_bounces);
    for (int c = 0; c < 3; ++c) {
        p.is_lit = p.is_lit || p.light_color[c] > 0;
        p.is_surrounded = p.is_surrounded || p.above[c] > 0 || (!p.image && p.below[c] > 0);
    }
    for (const float number : p.lens) p.has_lens = p.has_lens || number != 0;
    return p;
}

// The largest of any range of rows: tables of the largest of 1, 2, 4, ... rows from each on.
class Largest {
public:
    Largest(const float *rows, int64_t n) : levels_(1, std::vector<float>(rows, rows + n)) {
        for (int64_t reach = 1; 2 * reach <= n; reach *= 2) {
            const std::vector<float> &fine = levels_.back();
            std::vector<float> next(size_t(n - 2 * reach + 1));
            for (size_t i = 0; i < next.size(); ++i) next[i] = std::max(fine[i], fine[i + size_t(reach)]);
            levels_.push_back(std::move(next));
        }
    }
    float between(int64_t first, int64_t last) const {
        size_t level = 0;
        while ((int64_t(2) << level) <= last - first + 1) ++level;
        const std::vector<float> &rows = levels_[level];
        return std::max(rows[size_t(first)], rows[size_t(last + 1 - (int64_t(1) << level))]);
    }

private:
    std::vector<std::vector<float>> levels_;
};

// Lowest and highest value at the corners of a block's cells; false where it has none.
bool range_of(const PathMedium &m, int64_t bx, int64_t by, int64_t bz, float &low, float &high) {
    low = INFINITY;
    high = -INFINITY;
    const int64_t nx = m.dims[0], ny = m.dims[1];
    const int64_t x1 = std::min<int64_t>((bx + 1) * kPathBlock, nx - 1), y1 = std::min<int64_t>((by + 1) * kPathBlock, ny - 1);
    const int64_t z1 = std::min<int64_t>((bz + 1) * kPathBlock, m.dims[2] - 1);
    for (int64_t z = bz * kPathBlock; z <= z1; ++z)
        for (int64_t y = by * kPathBlock; y <= y1; ++y)
            for (int64_t x = bx * kPathBlock; x <= x1; ++x) {
                const float value = m.values[(z * ny + y) * nx + x];
                low = value < low ? value : low;  // NaN is neither
                high = value > high ? value : high;
            }
    return low <= high;
}

}  // namespace

int64_t hinr_path_bounds_size(const int64_t *dims) {
    if (!dims) return 0;
    int64_t size = 1;
    for (int a = 0; a < 3; ++a) {
        if (dims[a] < 2 || dims[a] > kMostPoints) return 0;
        size *= blocks_of(dims[a]) + 2;
        if (size > kMostPoints) return 0;
    }
    return size;
}

int hinr_path_bounds(const hinr_path_medium *medium, float *bounds) {
    if (const int error = check_medium(medium)) return error;
    if (!bounds) return HINR_ERROR_NULL;
    return guarded([&] {
        const PathMedium m = packed(*medium);
        const Largest largest(m.extinction, m.n_rows);
        const int64_t row = m.blocks[0] + 2, slice = row * (m.blocks[1] + 2);
        std::fill(bounds, bounds + slice * (m.blocks[2] + 2), 0.0f);
        // a row more at both ends: interpolation rounds
        const auto row_of = [&](float value, float more) {
            return int64_t(std::min(std::max((value - m.low) * m.scale + more, 0.0f), float(m.n_rows - 1)));
        };
        parallel_for(m.blocks[2], num_threads(), [&](int64_t bz, int) {
            for (int64_t by = 0; by < m.blocks[1]; ++by)
                for (int64_t bx = 0; bx < m.blocks[0]; ++bx) {
                    float low, high;
                    if (range_of(m, bx, by, bz, low, high))
                        bounds[(bz + 1) * slice + (by + 1) * row + bx + 1] = largest.between(row_of(low, -0.5f), row_of(high, 1.5f));
                }
        });
        return int(HINR_OK);
    });
}

int64_t hinr_path_tiles(int64_t width, int64_t height) {
    return ((width + kPathTile - 1) / kPathTile) * ((height + kPathTile - 1) / kPathTile);
}

int hinr_path_trace(int isa, const hinr_path_medium *medium, const hinr_path_view *view, int64_t sample, int64_t first,
                    int64_t n, float *film) {
    if (const int error = check_medium(medium)) return error;
    if (const int error = check_view(view)) return error;
    if (!medium->bounds || !film) return HINR_ERROR_NULL;
    if (sample < 0 || first < 0 || n < 0 || first + n > hinr_path_tiles(view->width, view->height)) return HINR_ERROR_SIZE;
    const PathKernels *kernels = find_path_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        const PathMedium m = packed(*medium);
        const PathView v = packed(*view);
        const uint64_t pixels = mixed(view->seed + 0x9e3779b97f4a7c15ull), run = mixed(pixels ^ mixed(uint64_t(sample) + 1));
        const int64_t across = (view->width + kPathTile - 1) / kPathTile;
        parallel_for(n, num_threads(), [&](int64_t task, int) {
            const int64_t x = (first + task) % across * kPathTile, y = (first + task) / across * kPathTile;
            const PathTile tile = {int32_t(x), int32_t(std::min(x + kPathTile, view->width)),
                                   int32_t(y), int32_t(std::min(y + kPathTile, view->height)),
                                   uint32_t(sample), {uint32_t(run), uint32_t(run >> 32)},
                                   {uint32_t(pixels), uint32_t(pixels >> 32)}, film};
            kernels->tile(m, v, tile);
        });
        return int(HINR_OK);
    });
}
