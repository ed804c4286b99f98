#pragma once

// Requests that wait for the end of a transaction: `GET …?wait=`.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.hpp"
#include "engine/wait_list.hpp"

namespace prooftrack::engine {

/// Who waits for which id. Knows nothing of answers: it hands the handlers back when the id has ended or the time is
/// over.
class transaction_waits {
  public:
    struct waiting_request {
        api::wait_id id = api::no_wait;
        transaction_id transaction;
        api::backend_handler<track::transaction_view> handler;
    };

    void add(waiting_request request, steady_time deadline) {
        by_transaction_.emplace(request.transaction, request.id);
        const api::wait_id id = request.id;
        waits_.add(id, deadline, std::move(request));
    }
    std::optional<waiting_request> take(api::wait_id id) { return forget(waits_.take(id)); }
    std::optional<waiting_request> take_expired(steady_time now) { return forget(waits_.take_expired(now)); }
    std::vector<waiting_request> take_for(const transaction_id& transaction) {
        std::vector<waiting_request> taken;
        for (auto found = by_transaction_.find(transaction); found != by_transaction_.end();
             found = by_transaction_.find(transaction)) {
            taken.push_back(*take(found->second));
        }
        return taken;
    }
    bool waits_for(const transaction_id& transaction) const { return by_transaction_.contains(transaction); }
    /// Each that somebody waits for, once.
    std::vector<transaction_id> transactions() const {
        std::vector<transaction_id> all;
        for (auto at = by_transaction_.begin(); at != by_transaction_.end();
             at = by_transaction_.upper_bound(at->first))
            all.push_back(at->first);
        return all;
    }
    std::optional<steady_time> next_wake() const { return waits_.next_deadline(); }
    bool empty() const { return waits_.size() == 0; }

  private:
    std::optional<waiting_request> forget(std::optional<waiting_request> request) {
        if (!request) return request;
        const auto [first, last] = by_transaction_.equal_range(request->transaction);
        for (auto at = first; at != last; ++at) {
            if (at->second != request->id) continue;
            by_transaction_.erase(at);
            break;
        }
        return request;
    }

    wait_list<waiting_request> waits_;
    std::multimap<transaction_id, api::wait_id> by_transaction_;
};

} // namespace prooftrack::engine
