// Adam's numbers for one step.
#ifndef HYPERINR_ADAM_H
#define HYPERINR_ADAM_H

#include <cmath>

#include "kernels.h"

namespace hinr {

constexpr int64_t kAdamPart = 1 << 12;  // stays in the nearest cache

// Step `step`, counted from 1, with grad_scale times the gradient.
inline AdamStep adam_step(int64_t step, double lr, double beta1, double beta2, double eps, float grad_scale,
                          bool keep_zeros) {
    const double step_size = lr / (1 - std::pow(beta1, double(step)));
    const double root_bias = 1 / std::sqrt(1 - std::pow(beta2, double(step)));
    return {grad_scale, float(step_size), float(root_bias), float(beta1), float(beta2), float(eps), keep_zeros};
}

}  // namespace hinr
#endif
