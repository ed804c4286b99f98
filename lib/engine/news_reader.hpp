#pragma once

// Reads what other nodes committed, and passes it on.

#include <optional>

#include "base/lifetime.hpp"
#include "base/unique_function.hpp"
#include "engine/cluster_context.hpp"

namespace prooftrack::engine {

/// One read at a time: at most each 10 ms when there is something, each 500 ms in any case.
class news_reader {
  public:
    explicit news_reader(const cluster_context& around) : around_(around) {}

    /// Finds the end of the news. Then `ready` runs, and what comes behind it is read.
    void start(unique_function<void()> ready);
    void stop() { is_running_ = false; }
    bool is_ready() const { return is_ready_; }
    /// There may be some.
    void hurry();
    /// They may have changed without news of it; again, should they not be readable now.
    void reread_controls();

    std::optional<steady_time> next_wake() const;
    void on_wake(instant now);

  private:
    void read(instant now);
    void on_read(op_result<store::cluster_news> read);
    void apply(store::cluster_news news);

    const cluster_context& around_;
    unique_function<void()> then_ready_;
    store::news_cursor cursor_;
    bool is_running_ = false;
    bool is_ready_ = false;
    bool is_reading_ = false;
    bool is_wanted_ = false;
    bool owes_controls_ = false; ///< they changed, and could not be read
    steady_time read_at_{};      ///< the last read began
    lifetime alive_;
};

} // namespace prooftrack::engine
