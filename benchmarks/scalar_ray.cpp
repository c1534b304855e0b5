// One ray for each voxel as one writes it first: trilinear samples, one voxel after the other. What benchmarks/shadow.py
// compares with; nothing else uses it.
#include <cmath>
#include <cstdint>

extern "C" void scalar_rays(const float *tau, const int64_t *dims, const double *step, double length,
                            const int64_t *voxels, int64_t n, float *out) {
    const int64_t nx = dims[0], ny = dims[1], nz = dims[2];
#pragma omp parallel for schedule(dynamic, 512)
    for (int64_t i = 0; i < n; ++i) {
        float x = float(voxels[i] % nx), y = float(voxels[i] / nx % ny), z = float(voxels[i] / (nx * ny)), sum = 0;
        const float dx = float(step[0]), dy = float(step[1]), dz = float(step[2]);
        x += 0.5f * dx, y += 0.5f * dy, z += 0.5f * dz;
        while (x >= 0 && y >= 0 && z >= 0 && x <= float(nx - 1) && y <= float(ny - 1) && z <= float(nz - 1)) {
            const int64_t a = int64_t(x), b = int64_t(y), c = int64_t(z);
            const float fx = x - float(a), fy = y - float(b), fz = z - float(c);
            const int64_t right = a + 1 < nx, up = b + 1 < ny ? nx : 0, back = c + 1 < nz ? nx * ny : 0;
            const float *p = tau + (c * ny + b) * nx + a;
            const float near0 = p[0] + fx * (p[right] - p[0]), near1 = p[up] + fx * (p[up + right] - p[up]);
            const float far0 = p[back] + fx * (p[back + right] - p[back]);
            const float far1 = p[back + up] + fx * (p[back + up + right] - p[back + up]);
            const float lower = near0 + fy * (near1 - near0), upper = far0 + fy * (far1 - far0);
            sum += lower + fz * (upper - lower);
            x += dx, y += dy, z += dz;
        }
        out[i] = std::exp(-sum * float(length));
    }
}
