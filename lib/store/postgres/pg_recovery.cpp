#include "store/postgres/pg_recovery.hpp"

#include <algorithm>

#include "net/worker_thread.hpp"

namespace prooftrack::store {

void pg_recovery::begin(pg_ownership own, bool is_undecided, std::string new_log_id) {
    stop();
    is_ended_ = false;
    found_.reset();
    auto work = [this, own = std::move(own), is_undecided, log_id = std::move(new_log_id)] {
        run(own, is_undecided, log_id);
    };
    thread_ = net::start_worker("store-connect", std::move(work));
}

void pg_recovery::run(const pg_ownership& own, bool is_undecided, const std::string& new_log_id) {
    const auto hand_over = [this](outcome what) {
        {
            const std::lock_guard lock(mutex_);
            found_.emplace(std::move(what));
        }
        wake_();
    };
    for (milliseconds length = first_pause; !is_ended_; length = std::min(length * 2, longest_pause)) {
        try {
            return hand_over(regain(target_, password_, own, is_undecided, new_log_id, is_ended_));
        } catch (const ownership_lost& lost) {
            return hand_over(std::string(lost.what()));
        } catch (const std::exception&) {
            // Not yet: no server, no room for a session, or another session has the row.
        }
        if (!pause(length)) return;
    }
}

bool pg_recovery::pause(milliseconds length) {
    std::unique_lock lock(mutex_);
    return !ended_.wait_for(lock, length, [this] { return is_ended_.load(); });
}

std::optional<pg_recovery::outcome> pg_recovery::take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(found_, std::nullopt);
}

void pg_recovery::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_ended_ = true;
        ended_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

} // namespace prooftrack::store
