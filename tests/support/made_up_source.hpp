#pragma once

// What is known here, made up for a reconciliation.

#include <map>
#include <string>
#include <vector>

#include "track/reconcile_source.hpp"

namespace prooftrack {

struct made_up_source : track::reconcile_source {
    std::vector<track::known_transaction> listed;
    std::vector<std::string> owed;
    std::map<std::string, track::known_transaction> missed; ///< not in the list, but there
    std::map<std::string, std::vector<std::string>> former;
    std::vector<std::string> asked_for_history;

    void each_transaction(const std::function<void(const track::known_transaction&)>& visit) override {
        for (const auto& one : listed) visit(one);
    }
    void each_owed(const std::function<void(std::string_view)>& visit) override {
        for (const auto& one : owed) visit(one);
    }
    std::optional<track::known_transaction> find(const std::string& id) override {
        for (const auto& one : listed) {
            if (one.id == id) return one;
        }
        const auto found = missed.find(id);
        return found == missed.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<std::string> former_statuses(const std::string& id) override {
        asked_for_history.push_back(id);
        return former[id];
    }
};

inline track::known_transaction settled_as(
    const std::string& id, const std::string& status, const std::string& amount = "100.00") {
    return {id,
            track::tracking_state::settled,
            status,
            amount,
            "EUR",
            "2026-04-07T08:00:00.000Z",
            "2026-04-07T09:00:00.000Z"};
}

inline track::known_transaction still_pending(const std::string& id) {
    return {id, track::tracking_state::tracking, "pending", {}, {}, "2026-04-08T08:00:00.000Z", ""};
}

} // namespace prooftrack
