#include "pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace hinr {
namespace {

class Pool {
public:
    // Runs the job on the caller and on up to `helpers` threads, started when they are first wanted.
    void run(int64_t n, int helpers, const std::function<void(int64_t, int)> &body) {
        std::unique_lock<std::mutex> one_job(job_mutex_, std::try_to_lock);
        if (!one_job.owns_lock() || helpers == 0) {  // others hold the threads: waiting would gain nothing
            for (int64_t task = 0; task < n; ++task) body(task, 0);
            return;
        }
        {
            std::lock_guard<std::mutex> lock(mutex_);
            body_ = &body;
            n_ = n;
            next_ = 0;
            error_ = nullptr;
            wanted_ = helpers;
            ++generation_;
            while (started_ < helpers) start();
        }
        wake_.notify_all();
        work(0);
        std::unique_lock<std::mutex> lock(mutex_);
        wanted_ = 0;  // helpers that have not woken yet need not come
        done_.wait(lock, [this] { return active_ == 0; });
        body_ = nullptr;
        if (error_) std::rethrow_exception(error_);
    }

private:
    void start() {
        const int id = started_;
        std::thread([this, id] { serve(id); }).detach();
        ++started_;
    }

    void serve(int id) {
        uint64_t seen = 0;
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return generation_ != seen && id < wanted_; });
            seen = generation_;
            ++active_;
            lock.unlock();
            work(id + 1);
            lock.lock();
            if (--active_ == 0) done_.notify_one();
        }
    }

    void work(int thread) {
        try {
            for (int64_t task; (task = next_.fetch_add(1)) < n_;) (*body_)(task, thread);
        } catch (...) {
            next_ = n_;
            std::lock_guard<std::mutex> lock(mutex_);
            if (!error_) error_ = std::current_exception();
        }
    }

    std::mutex job_mutex_, mutex_;
    std::condition_variable wake_, done_;
    const std::function<void(int64_t, int)> *body_ = nullptr;
    std::exception_ptr error_;
    std::atomic<int64_t> next_{0};
    int64_t n_ = 0;
    uint64_t generation_ = 0;
    int wanted_ = 0, active_ = 0, started_ = 0;
};

// Never destroyed: its threads sleep in it until the process ends.
std::atomic<Pool *> the_pool{nullptr};
std::atomic<int> thread_limit{0};

#if !defined(_WIN32)
void forget_threads() { the_pool = nullptr; }  // a forked child has none of its parent's
#endif

Pool &pool() {
    Pool *found = the_pool;
    if (found) return *found;
#if !defined(_WIN32)
    static const int registered = pthread_atfork(nullptr, nullptr, forget_threads);
    (void)registered;
#endif
    Pool *made = new Pool;
    if (the_pool.compare_exchange_strong(found, made)) return *made;
    delete made;
    return *found;
}

}  // namespace

void set_num_threads(int n) { thread_limit = n; }

int num_threads() {
    const int limit = thread_limit, processors = int(std::thread::hardware_concurrency());
    return limit ? limit : processors ? processors : 1;
}

void parallel_for(int64_t n, int n_threads, const std::function<void(int64_t, int)> &body) {
    int64_t helpers = n_threads - 1;
    if (helpers > n - 1) helpers = n - 1;
    pool().run(n, int(helpers > 0 ? helpers : 0), body);
}

}  // namespace hinr
