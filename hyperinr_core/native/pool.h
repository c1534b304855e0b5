// Threads of our own, asleep unless there is work: nothing spins against torch's or VTK's threads.
#ifndef HYPERINR_POOL_H
#define HYPERINR_POOL_H

#include <cstdint>
#include <functional>

namespace hinr {

constexpr int kMaxThreads = 1024;

// Threads that the next parallel_for may use, the caller's among them.
void set_num_threads(int n);
int num_threads();

// Calls body(task, thread) for every task in [0, n); thread is in [0, n_threads). Tasks are handed out as threads
// become free, so a body must not depend on which thread it runs on. The first exception of a body is rethrown here.
void parallel_for(int64_t n, int n_threads, const std::function<void(int64_t task, int thread)> &body);

}  // namespace hinr
#endif
