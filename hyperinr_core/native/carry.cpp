// Steps as splines, and what is carried along paths through them: checks, and the split into tasks. Values do not depend on it.
#include "carry.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "flow_kernels.h"
#include "model.h"
#include "pool.h"

using namespace hinr;

namespace {

using Floats = std::vector<float>;

constexpr int64_t kPointsPerTask = 4096, kPlanesPerTask = 16;
constexpr int64_t kMostPoints = int64_t(1) << 20;  // along an axis
constexpr int64_t kMostOffset = (int64_t(1) << 31) - 1;  // in an array: it is a 32 bit number
constexpr int kReach = HINR_SPLINE_REACH;
static_assert(kCarryChannels == 16 && kCarrySteps == 4, "the layout that motion.py writes");

// The weights that a spline's coefficient has of the values around it.
void spline_weights(float *weights) {
    const double pole = std::sqrt(3.0) - 2.0;
    for (int k = -kReach; k <= kReach; ++k) weights[k + kReach] = float(-6.0 * pole / (1.0 - pole * pole) * std::pow(pole, std::abs(k)));
}

// Weighted sums along one axis of an array (planes, length, row): the axis gets 2 * kReach shorter.
Floats filtered(const FlowKernels &kernels, const float *values, int64_t planes, int64_t length, int64_t row) {
    float weights[2 * kReach + 1];
    spline_weights(weights);
    const int64_t left = length - 2 * kReach;
    Floats found(size_t(planes * left * row));
    parallel_for(planes * left, num_threads(), [&](int64_t task, int) {
        const float *rows[2 * kReach + 1];
        const int64_t plane = task / left, line = task % left;
        for (int k = 0; k <= 2 * kReach; ++k) rows[k] = values + (plane * length + line + k) * row;
        kernels.combine(rows, weights, 2 * kReach + 1, row, found.data() + task * row);
    });
    return found;
}

Floats filtered_along_rows(const FlowKernels &kernels, const float *values, int64_t rows, int64_t length) {
    float weights[2 * kReach + 1];
    spline_weights(weights);
    const int64_t left = length - 2 * kReach;
    Floats found(size_t(rows * left));
    parallel_for(rows, num_threads(), [&](int64_t row, int) {
        kernels.smooth(values + row * length, weights, 2 * kReach + 1, left, found.data() + row * left);
    });
    return found;
}

// Coefficients of the splines through 16 numbers at m nodes along one axis of an array (planes, m, row): padded as nodes are.
Floats through(const FlowKernels &kernels, const Floats &values, int64_t planes, int64_t m, int64_t row, bool wraps, int64_t size) {
    float weights[2 * kReach + 1];
    spline_weights(weights);
    Floats found(size_t(planes * size * row * kCarryChannels));
    parallel_for(planes * row, num_threads(), [&](int64_t task, int) {
        const int64_t margin = kReach + 1, plane = task / row, at = task % row;
        const auto node = [&](int64_t i) { return values.data() + ((plane * m + i) * row + at) * kCarryChannels; };
        Floats line(size_t((size + 2 * kReach) * kCarryChannels)), out(size_t(size * kCarryChannels));
        const auto place = [&](int64_t i) { return line.data() + (i + margin) * kCarryChannels; };
        for (int64_t i = 0; i < m; ++i) std::copy(node(i), node(i) + kCarryChannels, place(i));
        for (int64_t i = 1; i <= margin; ++i)  // around the axis; or straight at borders: what is turned about their values
            for (int c = 0; c < kCarryChannels; ++c) {
                place(-i)[c] = wraps ? place(m - i)[c] : 2.0f * place(0)[c] - place(i)[c];
                place(m - 1 + i)[c] = wraps ? place(i - 1)[c] : 2.0f * place(m - 1)[c] - place(m - 1 - i)[c];
            }
        if (wraps) std::copy(place(margin % m), place(margin % m) + kCarryChannels, place(m + margin));
        const float *rows[2 * kReach + 1];
        for (int k = 0; k <= 2 * kReach; ++k) rows[k] = line.data() + k * kCarryChannels;
        kernels.combine(rows, weights, 2 * kReach + 1, size * kCarryChannels, out.data());
        for (int64_t i = 0; i < size; ++i)
            std::copy(&out[size_t(i * kCarryChannels)], &out[size_t(i * kCarryChannels)] + kCarryChannels,
                      &found[size_t(((plane * size + i) * row + at) * kCarryChannels)]);
    });
    return found;
}

bool sound(const hinr_nodes &nodes) {
    for (int a = 0; a < 3; ++a) {
        if (nodes.n[a] < 1 || nodes.n[a] > kMostPoints || !(nodes.scale[a] >= 0.0) || nodes.scale[a] > 1.0) return false;
        if (nodes.size[a] < (nodes.scale[a] == 0.0 ? 1 : 4) || nodes.size[a] > 2 * kMostPoints) return false;
    }
    return nodes.size[0] * nodes.size[1] <= kMostOffset / nodes.size[2];
}

bool sound(const hinr_nodes &nodes, const hinr_moment &m) {
    for (int a = 0; a < 3; ++a)
        if (m.size[a] < (a == 0 && nodes.n[0] == 1 ? 1 : 4) || m.size[a] > 2 * kMostPoints) return false;
    if (m.size[0] * m.size[1] > kMostOffset / m.size[2]) return false;
    // of four steps the gap is the one in the middle
    const bool placed = m.n_steps == 4 ? m.first == 1 : m.first >= 0 && m.first <= m.n_steps - 2;
    return m.n_steps >= 2 && m.n_steps <= kCarrySteps && placed && m.n_components >= 1 && m.n_components <= 1024;
}

NodesJob job_of(const hinr_nodes &nodes) {
    NodesJob job = {};
    for (int a = 0; a < 3; ++a) {
        job.n[a] = nodes.n[a];
        job.size[a] = nodes.size[a];
        job.wraps[a] = nodes.wraps[a] != 0;
        job.scale[a] = float(nodes.scale[a]);
        job.per_turn[a] = 1.0f / float(nodes.n[a]);
    }
    job.coefficients = nodes.coefficients;
    return job;
}

CarryJob job_of(const hinr_moment &m) {
    CarryJob job = {};
    for (int a = 0; a < 3; ++a) {
        job.start[a] = m.start[a];
        job.size[a] = m.size[a];
        job.first_place[a] = float(m.first_place[a]);
        job.last_place[a] = float(m.last_place[a]);
        job.turn[a] = float(m.turn[a]);
    }
    job.steps = m.steps;
    job.values = m.values;
    job.n_steps = m.n_steps;
    job.first = m.first;
    job.n_components = m.n_components;
    job.at_step = m.at_step != 0;
    for (int j = 0; j < kCarrySteps; ++j) job.weights[j] = float(m.weights[j]);
    job.share = float(m.share);
    job.bend = float(m.bend);
    return job;
}

}  // namespace

int hinr_spline(int isa, const float *values, const int64_t *size, float *coefficients) {
    if (!values || !size || !coefficients) return HINR_ERROR_NULL;
    for (int a = 0; a < 3; ++a)
        if (size[a] < 1 || size[a] > 2 * kMostPoints || (size[a] != 1 && size[a] <= 2 * kReach)) return HINR_ERROR_SIZE;
    const FlowKernels *kernels = find_flow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        int64_t n[3] = {size[0], size[1], size[2]};
        Floats current;
        const float *from = values;
        if (n[0] > 1) {
            current = filtered(*kernels, from, 1, n[0], n[1] * n[2]);
            n[0] -= 2 * kReach;
            from = current.data();
        }
        if (n[1] > 1) {
            Floats next = filtered(*kernels, from, n[0], n[1], n[2]);
            current.swap(next);
            n[1] -= 2 * kReach;
            from = current.data();
        }
        if (n[2] > 1) {
            Floats next = filtered_along_rows(*kernels, from, n[0] * n[1], n[2]);
            current.swap(next);
            n[2] -= 2 * kReach;
            from = current.data();
        }
        std::copy(from, from + n[0] * n[1] * n[2], coefficients);
        return int(HINR_OK);
    });
}

int hinr_channels(int isa, const hinr_nodes *nodes, const float *z, const float *y, const float *x, int64_t n, float *channels) {
    if (!nodes || !nodes->coefficients || !z || !y || !x || !channels) return HINR_ERROR_NULL;
    if (n < 0) return HINR_ERROR_SIZE;
    if (!sound(*nodes)) return HINR_ERROR_CONFIG;
    const FlowKernels *kernels = find_flow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    const NodesJob job = job_of(*nodes);
    return guarded([&] {
        parallel_for((n + kPointsPerTask - 1) / kPointsPerTask, num_threads(), [&](int64_t task, int) {
            const int64_t first = task * kPointsPerTask, count = std::min(kPointsPerTask, n - first);
            kernels->channels(job, z + first, y + first, x + first, count, channels + first * kCarryChannels);
        });
        return int(HINR_OK);
    });
}

int hinr_now(int isa, const hinr_nodes *nodes, const double *on_path, int n_steps, float *coefficients) {
    if (!nodes || !nodes->coefficients || !on_path || !coefficients) return HINR_ERROR_NULL;
    if (!sound(*nodes) || n_steps < 2 || n_steps > kCarrySteps) return HINR_ERROR_CONFIG;
    const FlowKernels *kernels = find_flow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    const NodesJob job = job_of(*nodes);
    return guarded([&] {
        int64_t m[3];
        Floats places[3];
        for (int a = 0; a < 3; ++a) {
            m[a] = job.scale[a] == 0.0f ? 1 : job.size[a] - (job.wraps[a] ? 3 : 2);
            for (int64_t i = 0; i < m[a]; ++i) places[a].push_back(i ? float(double(i) / nodes->scale[a]) : 0.0f);
        }
        float weights[kCarrySteps] = {0};
        for (int j = 0; j < n_steps; ++j) weights[j] = float(on_path[j]);
        const int64_t count = job.size[0] * job.size[1] * job.size[2];
        Floats travelled(size_t(4 * count)), current(size_t(m[0] * m[1] * m[2] * kCarryChannels));
        for (int64_t i = 0; i < count; ++i)
            for (int j = 0; j < n_steps; ++j)
                for (int a = 0; a < 3; ++a) travelled[size_t(4 * i + a)] += weights[j] * job.coefficients[i * kCarryChannels + 4 * j + a];
        parallel_for(m[0] * m[1], num_threads(), [&](int64_t row, int) {
            kernels->now(job, travelled.data(), weights, n_steps, places[0][size_t(row / m[1])], places[1][size_t(row % m[1])],
                         places[2].data(), m[2], current.data() + row * m[2] * kCarryChannels);
        });
        for (int a = 0; a < 3; ++a) {
            if (job.size[a] == 1) continue;
            const int64_t planes = a == 0 ? 1 : a == 1 ? job.size[0] : job.size[0] * job.size[1];
            const int64_t row = a == 0 ? m[1] * m[2] : a == 1 ? m[2] : 1;
            current = through(*kernels, current, planes, m[a], row, job.wraps[a] || m[a] == 1, job.size[a]);
        }
        std::copy(current.begin(), current.end(), coefficients);
        return int(HINR_OK);
    });
}

int hinr_carry(int isa, const hinr_nodes *nodes, const hinr_moment *moment, const float *z, int64_t nz, const float *y,
               int64_t ny, const float *x, int64_t nx, int scattered, float *values) {
    if (!nodes || !moment || !nodes->coefficients || !moment->steps || !moment->values || !z || !y || !x || !values)
        return HINR_ERROR_NULL;
    if (nz < 0 || ny < 0 || nx < 0) return HINR_ERROR_SIZE;
    if (!sound(*nodes) || !sound(*nodes, *moment)) return HINR_ERROR_CONFIG;
    const FlowKernels *kernels = find_flow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    const NodesJob lattice = job_of(*nodes);
    const CarryJob job = job_of(*moment);
    return guarded([&] {
        if (scattered) {
            parallel_for((nx + kPointsPerTask - 1) / kPointsPerTask, num_threads(), [&](int64_t task, int) {
                const int64_t first = task * kPointsPerTask, n = std::min(kPointsPerTask, nx - first);
                Floats room(size_t(job.n_components) * kCarryGroup);
                kernels->carry_points(lattice, job, z + first, y + first, x + first, n, room.data(), values + first * job.n_components);
            });
            return int(HINR_OK);
        }
        // planes of a task follow each other, so that what the last one needed is near when the next one does
        const int64_t n_rows = std::max<int64_t>(1, kPointsPerTask / std::max<int64_t>(nx, 1)), across = (ny + n_rows - 1) / n_rows;
        const int64_t n_planes = std::max<int64_t>(1, std::min<int64_t>(kPlanesPerTask, nz * across / (4 * num_threads())));
        parallel_for((nz + n_planes - 1) / n_planes * across, num_threads(), [&](int64_t task, int) {
            Floats room(size_t((lattice.size[1] + 1) * lattice.size[2] * kCarryChannels + job.n_components * kCarryGroup));
            const int64_t begin = task / across * n_planes, first = task % across * n_rows;
            for (int64_t plane = begin; plane < std::min(nz, begin + n_planes); ++plane)
                kernels->carry_rows(lattice, job, z[plane], y + first, std::min(n_rows, ny - first), x, nx, room.data(),
                                    values + (plane * ny + first) * nx * job.n_components);
        });
        return int(HINR_OK);
    });
}
