#include "team.h"

#include <thread>

#include "pool.h"

namespace hinr {
namespace {

constexpr int kSpins = 2000;  // some tens of microseconds
constexpr int kYields = 20;

void pause() {
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
    __builtin_ia32_pause();
#endif
}

}  // namespace

void Team::run(int n_threads, const std::function<void()> &lead) {
    parallel_for(n_threads, n_threads, [&](int64_t, int thread) {
        if (thread) return help(thread);
        if (over_) return;
        lead();
        over_ = true;
        wake();
    });
}

void Team::phase(int64_t n, const Body &body) {
    if (n < 1) return;
    body_ = &body;
    finished_ = 0;
    ticket_ = ((ticket_ >> 48) + 1) << 48 | uint64_t(n) << 24;
    wake();
    while (take(0)) {
    }
    wait([&] { return finished_ == n; });
}

// Does the next task, if there is one.
bool Team::take(int thread) {
    const uint64_t seen = ticket_;
    if (next(seen) >= tasks(seen)) return false;
    const uint64_t mine = ticket_++;  // of the phase that is on by now
    if (next(mine) >= tasks(mine)) return false;
    (*body_)(next(mine), thread);
    if (++finished_ == tasks(mine)) wake();
    return true;
}

void Team::help(int thread) {
    while (!over_) {
        if (take(thread)) continue;
        const uint64_t seen = ticket_;
        if (next(seen) < tasks(seen)) continue;
        wait([&] { return over_ || ticket_ >> 48 != seen >> 48; });
    }
}

// Those who sleep counted themselves before they looked for the last time, so that none is missed.
void Team::wake() {
    if (sleepers_ == 0) return;
    { const std::lock_guard<std::mutex> lock(mutex_); }
    changed_.notify_all();
}

template <class Ready> void Team::wait(const Ready &ready) {
    for (int i = 0; i < kSpins; ++i) {
        if (ready()) return;
        pause();
    }
    for (int i = 0; i < kYields; ++i) {
        if (ready()) return;
        std::this_thread::yield();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleepers_;
    changed_.wait(lock, ready);
    --sleepers_;
}

}  // namespace hinr
