#pragma once

// Requests that wait for something, each with its deadline.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "base/time.hpp"

namespace prooftrack::engine {

/// Gives out the ids of requests that wait, for all lists that share a `cancel_wait`.
class wait_numbers {
  public:
    api::wait_id next() { return api::wait_id{++last_}; }

  private:
    std::uint64_t last_ = 0;
};

/// Owns waiting requests by id. Adding, taking and the next deadline cost O(log n), however many wait.
template <class Waiting>
class wait_list {
  public:
    /// The id is of `wait_numbers`.
    void add(api::wait_id id, steady_time deadline, Waiting waiting) {
        deadlines_.emplace(deadline, id);
        waiting_.emplace(id, std::pair(deadline, std::move(waiting)));
    }

    /// Takes it out; nullopt when it is no longer here.
    std::optional<Waiting> take(api::wait_id id) {
        const auto found = waiting_.find(id);
        if (found == waiting_.end()) return std::nullopt;
        deadlines_.erase({found->second.first, id});
        Waiting waiting = std::move(found->second.second);
        waiting_.erase(found);
        return waiting;
    }

    std::vector<Waiting> take_all() {
        std::vector<Waiting> all;
        all.reserve(waiting_.size());
        for (auto& [id, waiting] : waiting_) all.push_back(std::move(waiting.second));
        waiting_.clear();
        deadlines_.clear();
        return all;
    }

    /// The next one whose deadline has come.
    std::optional<Waiting> take_expired(steady_time now) {
        if (deadlines_.empty() || deadlines_.begin()->first > now) return std::nullopt;
        return take(deadlines_.begin()->second);
    }

    std::optional<steady_time> next_deadline() const {
        return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
    }
    std::size_t size() const { return waiting_.size(); }

  private:
    std::map<api::wait_id, std::pair<steady_time, Waiting>> waiting_;
    std::set<std::pair<steady_time, api::wait_id>> deadlines_;
};

} // namespace prooftrack::engine
