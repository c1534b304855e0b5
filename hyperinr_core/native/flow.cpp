// Optical flow from coarse to fine: checks, lattices, and the split into tasks. Values do not depend on the split.
#include "flow.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "flow_kernels.h"
#include "model.h"
#include "pool.h"
#include "processor.h"

using namespace hinr;

namespace {

using Floats = std::vector<float>;

constexpr int64_t kColumns = 16;        // lines of a spline that are filtered side by side
constexpr int64_t kApart = 16;           // floats between planes: equal places of many would share a line of the cache
constexpr double kTruncate = 2.5;       // standard deviations that a Gaussian window reaches

// The point that stands at place i of an axis: around it, or reflected in its border points.
int64_t folded(int64_t i, int64_t n, bool wraps) {
    if (n == 1) return 0;
    const int64_t period = wraps ? n : 2 * n - 2;
    i = ((i % period) + period) % period;
    return i < n ? i : period - i;
}

struct Lattice {
    FlowAxes axes;
    int n_axes;

    int64_t size() const { return axes.n[0] * axes.n[1] * axes.n[2]; }
    int64_t rows() const { return axes.n[0] * axes.n[1]; }
    int64_t nx() const { return axes.n[2]; }
    int first() const { return 3 - n_axes; }  // the first axis that there is
    bool same(const Lattice &other) const { return std::equal(axes.n, axes.n + 3, other.axes.n); }

    Lattice coarser(int64_t smallest) const {
        Lattice found = *this;
        for (int a = first(); a < 3; ++a)
            if (axes.n[a] >= 2 * smallest) found.axes.n[a] = (axes.n[a] + 1) / 2;
        return found;
    }
};

// A volume with its border. Planes have none along z.
class Padded {
public:
    Padded(const Lattice &lattice, const float *volume, bool cubic) {
        const FlowAxes &axes = lattice.axes;
        const int64_t pad_z = lattice.n_axes == 3 ? kFlowPad : 0;
        const int64_t nx = axes.n[2] + 2 * kFlowPad, ny = axes.n[1] + 2 * kFlowPad, nz = axes.n[0] + 2 * pad_z;
        memory_.resize(size_t(nx * ny * nz));
        volume_ = {memory_.data(), nx, nx * ny, axes, cubic};
        parallel_for(nz, num_threads(), [&](int64_t k, int) {
            const int64_t z = source(k - pad_z, axes.n[0], axes.wraps[0]);
            for (int64_t j = 0; j < ny; ++j) {
                const int64_t y = source(j - kFlowPad, axes.n[1], axes.wraps[1]);
                const float *from = volume + (z * axes.n[1] + y) * axes.n[2];
                float *to = memory_.data() + (k * ny + j) * nx;
                for (int64_t i = 0; i < kFlowPad; ++i) {
                    to[i] = from[source(i - kFlowPad, axes.n[2], axes.wraps[2])];
                    to[nx - 1 - i] = from[source(axes.n[2] + kFlowPad - 1 - i, axes.n[2], axes.wraps[2])];
                }
                std::copy(from, from + axes.n[2], to + kFlowPad);
            }
        });
    }
    const FlowVolume &volume() const { return volume_; }

private:
    // as NumPy pads: reflected where the axis is long enough, else the border's point
    static int64_t source(int64_t i, int64_t n, bool wraps) {
        return wraps || n > kFlowPad ? folded(i, n, wraps) : std::min(std::max<int64_t>(i, 0), n - 1);
    }
    Floats memory_;
    FlowVolume volume_;
};

const double kPole = std::sqrt(3.0) - 2.0;

// One line of a cubic spline's coefficients in place of its values, for kColumns lines side by side.
void filter_lines(double *line, int64_t n, bool wraps) {
    if (n < 2) return;
    const auto each = [](auto &&body) {
        for (int64_t c = 0; c < kColumns; ++c) body(c);
    };
    const auto at = [line](int64_t i, int64_t c) -> double & { return line[i * kColumns + c]; };
    for (int64_t i = 0; i < n * kColumns; ++i) line[i] *= 6.0;
    double power = kPole;
    if (wraps) {
        for (int64_t i = 1; i < n; ++i, power *= kPole) each([&](int64_t c) { at(0, c) += power * at(n - i, c); });
        each([&](int64_t c) { at(0, c) /= 1.0 - power; });
    } else {
        const double last = std::pow(kPole, double(n - 1));
        each([&](int64_t c) { at(0, c) += last * at(n - 1, c); });
        for (int64_t i = 1; i < n - 1; ++i, power *= kPole)
            each([&](int64_t c) { at(0, c) += power * (at(i, c) + last * at(n - 1 - i, c)); });
        each([&](int64_t c) { at(0, c) /= 1.0 - last * last; });
    }
    for (int64_t i = 1; i < n; ++i) each([&](int64_t c) { at(i, c) += kPole * at(i - 1, c); });
    if (wraps) {
        power = kPole;
        for (int64_t i = 0; i < n - 1; ++i, power *= kPole) each([&](int64_t c) { at(n - 1, c) += power * at(i, c); });
        each([&](int64_t c) { at(n - 1, c) *= kPole / (power - 1.0); });
    } else {
        each([&](int64_t c) { at(n - 1, c) = (kPole * at(n - 2, c) + at(n - 1, c)) * kPole / (kPole * kPole - 1.0); });
    }
    for (int64_t i = n - 2; i >= 0; --i) each([&](int64_t c) { at(i, c) = kPole * (at(i + 1, c) - at(i, c)); });
}

void spline(const Lattice &lattice, float *volume) {
    const int64_t *n = lattice.axes.n;
    const int64_t strides[3] = {n[1] * n[2], n[2], 1};
    for (int axis = lattice.first(); axis < 3; ++axis) {
        const int64_t n_lines = lattice.size() / n[axis], length = n[axis], stride = strides[axis];
        if (length == 1) continue;
        // lines by number: the axes that are left, the fastest last
        const auto start_of = [&](int64_t line) {
            if (axis == 2) return line * n[2];
            return axis == 1 ? line / n[2] * strides[0] + line % n[2] : line;
        };
        parallel_for((n_lines + kColumns - 1) / kColumns, num_threads(), [&](int64_t task, int) {
            const int64_t first = task * kColumns, count = std::min(kColumns, n_lines - first);
            std::vector<double> lines(size_t(length * kColumns), 0.0);
            for (int64_t c = 0; c < count; ++c) {
                const float *from = volume + start_of(first + c);
                for (int64_t i = 0; i < length; ++i) lines[size_t(i * kColumns + c)] = double(from[i * stride]);
            }
            filter_lines(lines.data(), length, lattice.axes.wraps[axis]);
            for (int64_t c = 0; c < count; ++c) {
                float *to = volume + start_of(first + c);
                for (int64_t i = 0; i < length; ++i) to[i * stride] = float(lines[size_t(i * kColumns + c)]);
            }
        });
    }
}

Padded prepared(const Lattice &lattice, const float *volume, bool cubic) {
    if (!cubic) return Padded(lattice, volume, false);
    Floats coefficients(volume, volume + lattice.size());
    spline(lattice, coefficients.data());
    return Padded(lattice, coefficients.data(), true);
}

// A Gaussian mean over windows of one width.
class Smoother {
public:
    Smoother(const FlowKernels &kernels, const Lattice &lattice, double sigma) : kernels_(kernels), lattice_(lattice) {
        radius_ = int64_t(kTruncate * sigma + 0.5);
        double total = 0;
        std::vector<double> weights;
        for (int64_t i = -radius_; i <= radius_; ++i) weights.push_back(std::exp(-0.5 * double(i * i) / (sigma * sigma)));
        for (const double weight : weights) total += weight;
        for (const double weight : weights) weights_.push_back(float(weight / total));
        for (int a = 0; a < 3; ++a)
            for (int64_t i = -radius_; i < lattice.axes.n[a] + radius_; ++i)
                source_[a].push_back(folded(i, lattice.axes.n[a], lattice.axes.wraps[a]));
    }

    // One plane along x and y, in place, with `more` times another plane added first.
    void plane(float *here, float more, const float *there) const {
        const int64_t nx = lattice_.axes.n[2], ny = lattice_.axes.n[1];
        Floats padded(size_t(nx + 2 * radius_)), rows(size_t(nx * ny));
        for (int64_t y = 0; y < ny; ++y) {
            const float *row = here + y * nx, *other = there + y * nx;
            for (int64_t i = 0; i < nx + 2 * radius_; ++i) {
                const int64_t x = source_[2][size_t(i)];
                padded[size_t(i)] = there ? row[x] + more * other[x] : row[x];
            }
            kernels_.smooth(padded.data(), weights_.data(), 2 * radius_ + 1, nx, rows.data() + y * nx);
        }
        std::vector<const float *> around(size_t(2 * radius_ + 1));
        for (int64_t y = 0; y < ny; ++y) {
            for (int64_t k = 0; k <= 2 * radius_; ++k) around[size_t(k)] = rows.data() + source_[1][size_t(y + k)] * nx;
            kernels_.combine(around.data(), weights_.data(), 2 * radius_ + 1, nx, here + y * nx);
        }
    }

    // Row (y, z) along z, of planes so far apart, into `out`; a plane has nothing to do.
    void along_z(const float *volume, int64_t plane, int64_t y, int64_t z, float *out) const {
        const int64_t nx = lattice_.axes.n[2];
        if (lattice_.n_axes == 2) {
            std::copy(volume + y * nx, volume + (y + 1) * nx, out);
            return;
        }
        const float *around[64];
        for (int64_t k = 0; k <= 2 * radius_; ++k) around[k] = volume + source_[0][size_t(z + k)] * plane + y * nx;
        kernels_.combine(around, weights_.data(), 2 * radius_ + 1, nx, out);
    }

private:
    const FlowKernels &kernels_;
    const Lattice &lattice_;
    int64_t radius_;
    Floats weights_;
    std::vector<int64_t> source_[3];
};

// Values at the points of another lattice over the same box, times a factor.
Floats resampled(const FlowKernels &kernels, const Lattice &from, const float *volume, const Lattice &to, float factor) {
    const Padded padded(from, volume, false);
    Floats out(size_t(to.size()));
    float ratio[3];
    for (int a = 0; a < 3; ++a) ratio[a] = float(double(from.axes.n[a]) / double(to.axes.n[a]));
    const auto place = [&](int a, int64_t i) { return (float(i) + 0.5f) * ratio[a] - 0.5f; };
    const int64_t nx = to.nx(), ny = to.axes.n[1];
    parallel_for(to.rows(), num_threads(), [&](int64_t row, int) {
        Floats x(static_cast<size_t>(nx)), y(size_t(nx), place(1, row % ny)), z(size_t(nx), place(0, row / ny));
        for (int64_t i = 0; i < nx; ++i) x[size_t(i)] = place(2, i);
        float *values = out.data() + row * nx;
        kernels.sample(padded.volume(), z.data(), y.data(), x.data(), nx, values);
        if (factor != 1.0f)
            for (int64_t i = 0; i < nx; ++i) values[i] *= factor;
    });
    return out;
}

Floats halved(const FlowKernels &kernels, const Lattice &fine, const float *volume, const Lattice &coarse) {
    const Smoother smoother(kernels, fine, 2.0 / 3.0);
    Floats once(volume, volume + fine.size()), twice(size_t(fine.size()));
    const int64_t plane = fine.nx() * fine.axes.n[1];
    parallel_for(fine.axes.n[0], num_threads(), [&](int64_t z, int) { smoother.plane(once.data() + z * plane, 0.0f, nullptr); });
    parallel_for(fine.rows(), num_threads(), [&](int64_t row, int) {
        smoother.along_z(once.data(), plane, row % fine.axes.n[1], row / fine.axes.n[1], twice.data() + row * fine.nx());
    });
    return resampled(kernels, fine, twice.data(), coarse, 1.0f);
}

// Derivative of a row by an axis: central, around a periodic axis, one-sided at a border.
void slope_of(const Lattice &lattice, const float *volume, int axis, int64_t z, int64_t y, float *out) {
    const int64_t nx = lattice.nx(), ny = lattice.axes.n[1];
    const auto row_at = [&](int64_t k, int64_t j) { return volume + (k * ny + j) * nx; };
    const int64_t n = lattice.axes.n[axis];
    const bool wraps = lattice.axes.wraps[axis];
    if (n == 1) {
        std::fill(out, out + nx, 0.0f);
        return;
    }
    const auto pair_of = [&](int64_t i, int64_t &before, int64_t &after) {
        before = i > 0 ? i - 1 : wraps ? n - 1 : 0;
        after = i < n - 1 ? i + 1 : wraps ? 0 : n - 1;
        return wraps || (i > 0 && i < n - 1) ? 0.5f : 1.0f;
    };
    if (axis == 2) {
        const float *row = row_at(z, y);
        for (int64_t i = 1; i < nx - 1; ++i) out[i] = 0.5f * (row[i + 1] - row[i - 1]);
        for (const int64_t i : {int64_t(0), nx - 1}) {
            int64_t before, after;
            const float factor = pair_of(i, before, after);
            out[i] = factor * (row[after] - row[before]);
        }
        return;
    }
    int64_t before, after;
    const float factor = pair_of(axis == 1 ? y : z, before, after);
    const float *low = axis == 1 ? row_at(z, before) : row_at(before, y);
    const float *high = axis == 1 ? row_at(z, after) : row_at(after, y);
    for (int64_t i = 0; i < nx; ++i) out[i] = factor * (high[i] - low[i]);
}

// The search on one lattice: volumes of both sides, by channel, and the motion that is improved in place. Volumes on a finer
// lattice over the same box are matched at this one's points alone, by their own slopes there.
class Registration {
public:
    Registration(const FlowKernels &kernels, const Lattice &lattice, const Lattice &sampled, double window, double pull, float *motion)
        : kernels_(kernels), lattice_(lattice), sampled_(sampled), sparse_(!lattice.same(sampled)), smoother_(kernels, lattice, window),
          pull_(pull), n_(lattice.n_axes), n_pairs_(n_ * (n_ + 1) / 2), motion_(motion),
          mean_(size_t(lattice.size() * (sparse_ ? n_ : 1))), change_(size_t(lattice.size())),
          plane_(lattice.nx() * lattice.axes.n[1] + kApart), volume_(plane_ * lattice.axes.n[0]), sums_(size_t(volume_ * (n_pairs_ + n_))) {
        for (int a = 0; a < 3; ++a) ratio_[a] = float(double(sampled.axes.n[a]) / double(lattice.axes.n[a]));
    }

    void iterate(const std::vector<const float *> &before, const std::vector<const float *> &after, int64_t count, bool cubic) {
        std::vector<Padded> starts, ends;
        for (const float *channel : before) starts.push_back(prepared(sampled_, channel, cubic));
        for (const float *channel : after) ends.push_back(prepared(sampled_, channel, cubic));
        for (int64_t k = 0; k < count; ++k) {
            std::fill(sums_.begin(), sums_.end(), 0.0f);
            for (size_t c = 0; c < starts.size(); ++c) {
                warp(starts[c].volume(), ends[c].volume());
                add_equations();
            }
            solve(pull());
        }
    }

private:
    // Both sides half way towards each other: their mean, or its slopes where they are sparse, and what is left between them.
    void warp(const FlowVolume &start, const FlowVolume &end) {
        const int64_t nx = lattice_.nx(), ny = lattice_.axes.n[1], size = lattice_.size();
        parallel_for(lattice_.rows(), num_threads(), [&](int64_t row, int) {
            Floats places(size_t(6 * nx)), values(size_t(8 * nx));
            float *low[3], *high[3], *first[4], *second[4];
            for (int a = 0; a < 3; ++a) {
                low[a] = places.data() + a * nx;
                high[a] = places.data() + (3 + a) * nx;
                const float fixed = a == 0 ? float(row / ny) : float(row % ny);
                const float *moved = a < lattice_.first() ? nullptr : motion_ + (a - lattice_.first()) * size + row * nx;
                for (int64_t i = 0; i < nx; ++i) {
                    const float point = a == 2 ? float(i) : fixed, half = moved ? 0.5f * moved[i] : 0.0f;
                    low[a][i] = sparse_ ? (point - half + 0.5f) * ratio_[a] - 0.5f : point - half;
                    high[a][i] = sparse_ ? (point + half + 0.5f) * ratio_[a] - 0.5f : point + half;
                }
            }
            for (int k = 0; k < 4; ++k) {
                first[k] = values.data() + k * nx;
                second[k] = values.data() + (4 + k) * nx;
            }
            if (sparse_) {
                kernels_.slopes(start, low[0], low[1], low[2], nx, first);
                kernels_.slopes(end, high[0], high[1], high[2], nx, second);
                for (int a = 0; a < n_; ++a) {
                    float *slope = mean_.data() + a * size + row * nx;
                    const int axis = lattice_.first() + a;
                    const float half = 0.5f * ratio_[axis];
                    for (int64_t i = 0; i < nx; ++i) slope[i] = half * (first[1 + axis][i] + second[1 + axis][i]);
                }
            } else {
                kernels_.sample(start, low[0], low[1], low[2], nx, first[0]);
                kernels_.sample(end, high[0], high[1], high[2], nx, second[0]);
                float *mean = mean_.data() + row * nx;
                for (int64_t i = 0; i < nx; ++i) mean[i] = 0.5f * (first[0][i] + second[0][i]);
            }
            float *change = change_.data() + row * nx;
            for (int64_t i = 0; i < nx; ++i) change[i] = first[0][i] - second[0][i];
        });
    }

    void add_equations() {
        const int64_t nx = lattice_.nx(), ny = lattice_.axes.n[1], size = lattice_.size();
        parallel_for(lattice_.rows(), num_threads(), [&](int64_t row, int) {
            Floats memory(size_t(n_ * nx));
            const float *slopes[3], *moved[3];
            float *matrix[6], *right[3];
            for (int a = 0; a < n_; ++a) {
                slopes[a] = sparse_ ? mean_.data() + a * size + row * nx : memory.data() + a * nx;
                if (!sparse_) slope_of(lattice_, mean_.data(), lattice_.first() + a, row / ny, row % ny, memory.data() + a * nx);
                moved[a] = motion_ + a * size + row * nx;
                right[a] = sum_row(n_pairs_ + a, row);
            }
            for (int p = 0; p < n_pairs_; ++p) matrix[p] = sum_row(p, row);
            kernels_.equations(n_, slopes, change_.data() + row * nx, moved, nx, matrix, right);
        });
    }

    // The share of the mean squared gradient that pulls towards the surrounding motion.
    float pull() const {
        const int64_t size = lattice_.size(), plane = size / lattice_.axes.n[0];
        std::vector<double> parts(size_t(lattice_.axes.n[0]), 0.0);  // by plane, so that the sum does not depend on threads
        parallel_for(lattice_.axes.n[0], num_threads(), [&](int64_t z, int) {
            for (int a = 0, p = 0; a < n_; p += n_ - a, ++a) {
                const float *diagonal = sums_.data() + p * volume_ + z * plane_;
                for (int64_t i = 0; i < plane; ++i) parts[size_t(z)] += double(diagonal[i]);
            }
        });
        double total = 0;
        for (const double part : parts) total += part;
        return float(pull_ * total / double(size * n_) + 1e-12);
    }

    void solve(float pull) {
        const int64_t nx = lattice_.nx(), ny = lattice_.axes.n[1], nz = lattice_.axes.n[0], size = lattice_.size();
        const int n_sums = n_pairs_ + n_;
        parallel_for(n_sums * nz, num_threads(), [&](int64_t task, int) {
            const int64_t s = task / nz, z = task % nz;
            const float *added = s < n_pairs_ ? nullptr : motion_ + (s - n_pairs_) * size + z * nx * ny;
            smoother_.plane(sums_.data() + s * volume_ + z * plane_, pull, added);
        });
        parallel_for(lattice_.rows(), num_threads(), [&](int64_t row, int) {
            Floats memory(size_t(n_sums * nx));
            float *matrix[6], *right[3], *motion[3];
            for (int s = 0; s < n_sums; ++s) {
                float *out = memory.data() + s * nx;
                smoother_.along_z(sums_.data() + s * volume_, plane_, row % ny, row / ny, out);
                (s < n_pairs_ ? matrix[s] : right[s - n_pairs_]) = out;
            }
            for (int a = 0; a < n_; ++a) motion[a] = motion_ + a * size + row * nx;
            kernels_.solve(n_, matrix, right, pull, nx, motion);
        });
    }

    float *sum_row(int number, int64_t row) {
        const int64_t ny = lattice_.axes.n[1];
        return sums_.data() + number * volume_ + row / ny * plane_ + row % ny * lattice_.nx();
    }

    const FlowKernels &kernels_;
    const Lattice &lattice_, &sampled_;
    const bool sparse_;
    const Smoother smoother_;
    const double pull_;
    const int n_, n_pairs_;
    float *motion_;
    float ratio_[3];  // points that are sampled for each of the lattice
    Floats mean_, change_;
    const int64_t plane_, volume_;  // strides of the sums
    Floats sums_;
};

// A lattice and the channels of both sides on it.
struct Scale {
    Lattice lattice;
    std::vector<Floats> owned;
    std::vector<const float *> before, after;
};

int make_lattice(int n_axes, const int64_t *shape, const uint8_t *periodic, Lattice &lattice) {
    if (!shape || !periodic) return HINR_ERROR_NULL;
    if (n_axes != 2 && n_axes != 3) return HINR_ERROR_CONFIG;
    lattice = {{{1, 1, 1}, {0, 0, 0}}, n_axes};
    for (int a = 0; a < n_axes; ++a) {
        if (shape[a] < 1 || shape[a] > (int64_t(1) << 20)) return HINR_ERROR_SIZE;
        lattice.axes.n[3 - n_axes + a] = shape[a];
        lattice.axes.wraps[3 - n_axes + a] = periodic[a] != 0;
    }
    return HINR_OK;
}

Scale coarser_level(const FlowKernels &kernels, const Scale &fine, const Lattice &lattice) {
    Scale level = {lattice, {}, {}, {}};
    for (const auto *side : {&fine.before, &fine.after})
        for (const float *channel : *side) level.owned.push_back(halved(kernels, fine.lattice, channel, lattice));
    for (size_t c = 0; c < level.owned.size(); ++c)
        (c < fine.before.size() ? level.before : level.after).push_back(level.owned[c].data());
    return level;
}

// Motion on another lattice over the same box, in its points.
Floats refined(const FlowKernels &kernels, const Lattice &from, const Floats &motion, const Lattice &to) {
    Floats found;
    for (int a = 0; a < from.n_axes; ++a) {
        const int axis = from.first() + a;
        const float growth = float(double(to.axes.n[axis]) / double(from.axes.n[axis]));
        const Floats part = resampled(kernels, from, motion.data() + a * from.size(), to, growth);
        found.insert(found.end(), part.begin(), part.end());
    }
    return found;
}

void search(const FlowKernels &kernels, const Scale &finest, const hinr_flow_settings &settings, int every, float *motion) {
    std::vector<Scale> levels;  // coarser ones, the finest of them first
    const Scale *last = &finest;
    levels.reserve(64);
    for (;;) {
        const Lattice next = last->lattice.coarser(settings.smallest);
        if (next.same(last->lattice)) break;
        levels.push_back(coarser_level(kernels, *last, next));
        last = &levels.back();
    }
    const Lattice &lattice = every == 1 || levels.empty() ? finest.lattice : levels.front().lattice;
    Floats found(size_t(finest.lattice.n_axes * last->lattice.size()), 0.0f);
    for (size_t k = levels.size(); k-- > 0;) {
        const Scale &level = levels[k];
        Registration(kernels, level.lattice, level.lattice, settings.window, settings.pull, found.data())
            .iterate(level.before, level.after, settings.n_coarse, false);
        const Lattice &fine = k > 0 ? levels[k - 1].lattice : lattice;
        if (!fine.same(level.lattice)) found = refined(kernels, level.lattice, found, fine);
    }
    const bool sparse = !lattice.same(finest.lattice);
    Registration registration(kernels, lattice, finest.lattice, settings.window / (sparse ? every : 1), settings.pull, found.data());
    if (!sparse) registration.iterate(finest.before, finest.after, settings.n_linear, false);
    registration.iterate(finest.before, finest.after, settings.n_cubic + (sparse ? settings.n_linear : 0), true);
    for (int a = 0; a < lattice.n_axes; ++a) {
        const int axis = lattice.first() + a;
        const float ratio = float(double(finest.lattice.axes.n[axis]) / double(lattice.axes.n[axis]));
        for (int64_t i = a * lattice.size(); i < (a + 1) * lattice.size(); ++i) motion[i] = sparse ? ratio * found[size_t(i)] : found[size_t(i)];
    }
}

}  // namespace

namespace hinr {

const FlowKernels *find_flow_kernels(int isa) {
    if (!hinr_isa_supported(isa)) return nullptr;
    isa = vector_isa(isa);
#ifdef HINR_X86
    if (isa == HINR_ISA_AVX2) return &kFlowAvx2;
    if (isa != HINR_ISA_GENERIC) return &kFlowAvx512;
#elif defined(HINR_ARM)
    if (isa == HINR_ISA_NEON) return &kFlowNeon;
#endif
    return &kFlowGeneric;
}

}  // namespace hinr

int hinr_flow(int isa, const float *before, const float *after, int64_t n_channels, int n_axes, const int64_t *shape,
              const uint8_t *periodic, const hinr_flow_settings *settings, int every, float *motion) {
    if (!before || !after || !settings || !motion) return HINR_ERROR_NULL;
    Scale finest;
    if (const int error = make_lattice(n_axes, shape, periodic, finest.lattice)) return error;
    if (n_channels < 1 || n_channels > 1024) return HINR_ERROR_SIZE;
    const bool fits = settings->window > 0 && settings->window <= 12 && settings->pull >= 0 && settings->smallest >= 1;
    const bool counts = (every == 1 || every == 2) && settings->n_coarse >= 0 && settings->n_linear >= 0 && settings->n_cubic >= 0;
    if (!fits || !counts) return HINR_ERROR_CONFIG;
    const FlowKernels *kernels = find_flow_kernels(isa);
    if (!kernels) return HINR_ERROR_ISA;
    return guarded([&] {
        for (int64_t c = 0; c < n_channels; ++c) {
            finest.before.push_back(before + c * finest.lattice.size());
            finest.after.push_back(after + c * finest.lattice.size());
        }
        search(*kernels, finest, *settings, every, motion);
        return int(HINR_OK);
    });
}
