// A batch's loss and gradients, in tasks that may run on any thread. Samples are split into groups by their number alone
// and every sum is taken in a fixed order, so that gradients do not depend on the number of threads.
#ifndef HYPERINR_GRADIENTS_H
#define HYPERINR_GRADIENTS_H

#include <memory>
#include <vector>

#include "model.h"

namespace hinr {

class Gradients {
public:
    Gradients(const Model &model, int64_t n_tables, int64_t n_points, int kind);

    // What is learned in one of the tables: points (n_points, D), targets (n_points, C), and what the table's loss counts.
    void set(int64_t table_number, const float *table, const float *points, const float *targets, float weight);

    // First samples and their number, of the table of a task of `learn`.
    struct Part { int64_t table, begin, n; };
    Part part(int64_t task) const;

    int64_t n_tasks() const { return int64_t(tasks_.size()); }
    void learn(int64_t task, const Scratch &scratch);

    // Then, in any order: adds a table's gradient on a level to that level's entries, ...
    void scatter(int64_t table, int level, float *grad) const;
    // ... and writes rows [first_row, last_row) of a layer's gradient.
    void reduce(int layer, int first_row, int last_row, float *grad) const;
    double loss() const;

private:
    const Model &model_;
    int64_t n_tables_, n_points_, group_, n_groups_;
    int kind_;
    Buffer grads_;
    int64_t grad_floats_ = 0;
    std::unique_ptr<float[]> grad_features_;
    std::vector<TrainTask> tasks_;
};

}  // namespace hinr
#endif
