// Threads that stay awake over the many short phases of one call: a phase is handed out without a lock, and whoever
// waits spins for some microseconds, then gives way, then sleeps. No phase needs a helper to come: on busy processors the
// caller does what nobody else does.
#ifndef HYPERINR_TEAM_H
#define HYPERINR_TEAM_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace hinr {

class Team {
public:
    using Body = std::function<void(int64_t task, int thread)>;

    // Calls lead on this thread, with n_threads - 1 helpers at hand for the phases that it runs.
    void run(int n_threads, const std::function<void()> &lead);

    // Calls body(task, thread) for every task in [0, n), n < 2^24, and returns when all are done. Called by `lead` alone;
    // a body must not throw, nor depend on which thread it runs on.
    void phase(int64_t n, const Body &body);

private:
    // One word: the phase's number, its tasks, and the next of them. So a thread takes a task and learns at once whether
    // it is one, however late it comes.
    static int64_t next(uint64_t ticket) { return int64_t(ticket & 0xffffff); }
    static int64_t tasks(uint64_t ticket) { return int64_t(ticket >> 24 & 0xffffff); }

    bool take(int thread);
    void help(int thread);
    void wake();
    template <class Ready> void wait(const Ready &ready);

    std::atomic<uint64_t> ticket_{0};
    std::atomic<int64_t> finished_{0};
    std::atomic<int> sleepers_{0};
    std::atomic<bool> over_{false};
    const Body *body_ = nullptr;
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace hinr
#endif
