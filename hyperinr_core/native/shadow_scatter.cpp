// Multiple scattering by Monte Carlo: random paths from each voxel backwards towards the light. Plain code, since paths
// diverge. A voxel's random numbers follow from the seed and its place, so threads change nothing.
#include <algorithm>
#include <cmath>
#include <vector>

#include "model.h"
#include "pool.h"
#include "shadow.h"

using namespace hinr;

namespace {

constexpr int64_t kBlockVoxels = 8;  // extinction is bounded by blocks of so many voxels across
constexpr int64_t kTaskVoxels = 64;
constexpr int kMaxScatterings = 64;  // of a path; what is left of it by then is little
constexpr int kMaxMoves = 1 << 20;   // so that rounding on a wall cannot hold a path for ever
constexpr double kPi = 3.14159265358979323846;

// PCG's output permutation over a counter: enough for Monte Carlo, and any voxel can start anywhere.
class Random {
public:
    Random(uint64_t seed, uint64_t stream) : state_(mix(seed ^ mix(stream + 0x9e3779b97f4a7c15ull))) {}
    double next() {  // in (0, 1)
        state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
        const uint32_t x = uint32_t(((state_ >> 18) ^ state_) >> 27), turn = uint32_t(state_ >> 59);
        return (double((x >> turn) | (x << ((32 - turn) & 31))) + 0.5) * (1.0 / 4294967296.0);
    }

private:
    static uint64_t mix(uint64_t x) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        return x ^ (x >> 31);
    }
    uint64_t state_;
};

struct Vector {
    double x, y, z;
};

double dot(const Vector &a, const Vector &b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

// A unit vector at an angle of a given cosine to another, turned at random.
Vector turned(const Vector &v, double cosine, double u) {
    const double sine = std::sqrt(std::max(0.0, 1 - cosine * cosine)), phi = 2 * kPi * u;
    const double sign = v.z >= 0 ? 1.0 : -1.0, a = -1 / (sign + v.z), b = v.x * v.y * a;  // Duff et al., 2017
    const double p = sine * std::cos(phi), q = sine * std::sin(phi);
    return {p * (1 + sign * v.x * v.x * a) + q * b + cosine * v.x, p * sign * b + q * (sign + v.y * v.y * a) + cosine * v.y,
            -p * sign * v.x - q * v.y + cosine * v.z};
}

struct Scene {
    const float *tau, *depth;  // depth: optical, towards the light; between points it is straighter than the light is
    int64_t nx, ny, nz, bx, by, bz;
    double spacing[3], albedo, g;
    Vector towards;
    std::vector<float> bounds;  // (bz, by, bx) largest extinction of each block of cells

    double phase(double cosine) const {
        const double base = 1 + g * g - 2 * g * cosine;
        return (1 - g * g) / (4 * kPi * base * std::sqrt(base));
    }

    double sampled_cosine(double u) const {
        if (std::abs(g) < 1e-3) return 1 - 2 * u;
        const double t = (1 - g * g) / (1 - g + 2 * g * u);
        return std::max(-1.0, std::min(1.0, (1 + g * g - t * t) / (2 * g)));
    }

    bool inside(const Vector &p) const {
        return p.x >= 0 && p.y >= 0 && p.z >= 0 && p.x <= double(nx - 1) && p.y <= double(ny - 1) && p.z <= double(nz - 1);
    }

    double at(const float *values, const Vector &p) const {
        const int64_t x = std::min(int64_t(p.x), std::max<int64_t>(nx - 2, 0)), dx = nx > 1;
        const int64_t y = std::min(int64_t(p.y), std::max<int64_t>(ny - 2, 0)), dy = ny > 1 ? nx : 0;
        const int64_t z = std::min(int64_t(p.z), std::max<int64_t>(nz - 2, 0)), dz = nz > 1 ? nx * ny : 0;
        const double fx = p.x - double(x), fy = p.y - double(y), fz = p.z - double(z);
        const float *v = values + (z * ny + y) * nx + x;
        const double near = (1 - fy) * (v[0] + fx * (v[dx] - v[0])) + fy * (v[dy] + fx * (v[dy + dx] - v[dy]));
        v += dz;
        const double far = (1 - fy) * (v[0] + fx * (v[dx] - v[0])) + fy * (v[dy] + fx * (v[dy + dx] - v[dy]));
        return near + fz * (far - near);
    }

    // The next scattering of a path by delta tracking, block by block; false when it leaves the grid.
    bool next_scattering(Vector &p, const Vector &direction, Random &random) const {
        const double step[3] = {direction.x / spacing[0], direction.y / spacing[1], direction.z / spacing[2]};
        double left = -std::log(random.next());  // optical depth until the next event
        for (int k = 0; k < kMaxMoves; ++k) {
            const double place[3] = {p.x, p.y, p.z};
            int64_t block[3];
            double way = 1e300;  // until the block's wall
            for (int a = 0; a < 3; ++a) {
                const int64_t n = a == 0 ? bx : a == 1 ? by : bz;
                double q = place[a] / double(kBlockVoxels);
                int64_t i = int64_t(q);
                if (step[a] < 0 && double(i) == q && i > 0) --i;  // on a wall, on the way down
                block[a] = std::min(i, n - 1);
                if (step[a] > 0) way = std::min(way, (double(block[a] + 1) * kBlockVoxels - place[a]) / step[a]);
                if (step[a] < 0) way = std::min(way, (double(block[a]) * kBlockVoxels - place[a]) / step[a]);
            }
            const double bound = bounds[size_t((block[2] * by + block[1]) * bx + block[0])];
            const bool event = bound > 0 && left < bound * way;
            const double move = event ? left / bound : way + 1e-9;
            p = {p.x + move * step[0], p.y + move * step[1], p.z + move * step[2]};
            if (!inside(p)) return false;
            if (!event) {
                left -= bound * way;
                continue;
            }
            if (random.next() * bound < at(tau, p)) return true;
            left = -std::log(random.next());
        }
        return false;
    }

    double path(Vector p, Random &random) const {
        Vector direction = turned({0, 0, 1}, 1 - 2 * random.next(), random.next());
        double sum = 0, weight = 4 * kPi;
        for (int k = 0; k < kMaxScatterings; ++k) {
            if (!next_scattering(p, direction, random)) break;
            weight *= albedo;
            sum += weight * phase(dot(direction, towards)) * std::exp(-at(depth, p));
            direction = turned(direction, sampled_cosine(random.next()), random.next());
        }
        return sum;
    }
};

void bound_blocks(Scene &scene) {
    scene.bx = (scene.nx + kBlockVoxels - 1) / kBlockVoxels;
    scene.by = (scene.ny + kBlockVoxels - 1) / kBlockVoxels;
    scene.bz = (scene.nz + kBlockVoxels - 1) / kBlockVoxels;
    scene.bounds.assign(size_t(scene.bx * scene.by * scene.bz), 0.0f);
    parallel_for(scene.bz, num_threads(), [&](int64_t bz, int) {
        for (int64_t z = bz * kBlockVoxels; z <= std::min((bz + 1) * kBlockVoxels, scene.nz - 1); ++z)
            for (int64_t y = 0; y < scene.ny; ++y)
                for (int64_t x = 0; x < scene.nx; ++x) {
                    const float value = scene.tau[(z * scene.ny + y) * scene.nx + x];
                    // a point on a wall bounds the cells of both sides
                    for (int64_t by = y / kBlockVoxels; by >= 0 && by * kBlockVoxels + kBlockVoxels >= y; --by)
                        for (int64_t bx = x / kBlockVoxels; bx >= 0 && bx * kBlockVoxels + kBlockVoxels >= x; --bx) {
                            float &bound = scene.bounds[size_t((bz * scene.by + by) * scene.bx + bx)];
                            bound = std::max(bound, value);
                        }
                }
    });
}

}  // namespace

int hinr_shadow_scatter(const float *tau, const float *direct, const int64_t *dims, const double *spacing,
                        const double *towards, double albedo, double g, const int64_t *voxels, int64_t n_voxels,
                        int64_t n_paths, uint64_t seed, float *out) {
    if (!tau || !direct || !dims || !spacing || !towards || !voxels || !out) return HINR_ERROR_NULL;
    for (int axis = 0; axis < 3; ++axis) {
        if (dims[axis] < 1 || dims[axis] > (int64_t(1) << 20)) return HINR_ERROR_SIZE;
        if (!(std::abs(spacing[axis]) > 0) || !std::isfinite(spacing[axis])) return HINR_ERROR_RANGE;
    }
    if (n_paths < 1 || n_voxels < 0) return HINR_ERROR_SIZE;
    for (int64_t i = 0; i < n_voxels; ++i)
        if (voxels[i] < 0 || voxels[i] >= dims[0] * dims[1] * dims[2]) return HINR_ERROR_INDEX;
    if (!(albedo >= 0 && albedo <= 1) || !(std::abs(g) < 1)) return HINR_ERROR_RANGE;
    return guarded([&] {
        std::vector<float> depth(static_cast<size_t>(dims[0] * dims[1] * dims[2]));
        for (size_t i = 0; i < depth.size(); ++i) depth[i] = -std::log(std::max(direct[i], 1e-30f));
        Scene scene = {tau, depth.data(), dims[0], dims[1], dims[2], 0, 0, 0, {spacing[0], spacing[1], spacing[2]}, albedo, g,
                       {towards[0], towards[1], towards[2]}, {}};
        bound_blocks(scene);
        parallel_for((n_voxels + kTaskVoxels - 1) / kTaskVoxels, num_threads(), [&](int64_t task, int) {
            for (int64_t i = task * kTaskVoxels; i < std::min((task + 1) * kTaskVoxels, n_voxels); ++i) {
                const int64_t x = voxels[i] % scene.nx, y = voxels[i] / scene.nx % scene.ny;
                const Vector start = {double(x), double(y), double(voxels[i] / (scene.nx * scene.ny))};
                Random random(seed, uint64_t(voxels[i]));
                double sum = 0;
                for (int64_t k = 0; k < n_paths; ++k) sum += scene.path(start, random);
                out[i] = float(direct[voxels[i]] + sum / double(n_paths));
            }
        });
        return int(HINR_OK);
    });
}
