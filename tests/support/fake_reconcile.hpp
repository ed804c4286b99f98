#pragma once

// A reconciliation with a fake_disk: all lines at once.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/reconcile_ops.hpp"
#include "support/fake_disk.hpp"

namespace prooftrack {

class fake_reconcile_source final : public track::reconcile_source {
  public:
    explicit fake_reconcile_source(const fake_disk& disk) : disk_(disk) {}

    void each_transaction(const std::function<void(const track::known_transaction&)>& visit) override {
        std::map<std::uint64_t, std::string> by_number;
        for (const auto& [id, row] : disk_.transactions) by_number[row.number] = id;
        for (const auto& [number, id] : by_number) visit(known(id));
    }
    void each_owed(const std::function<void(std::string_view)>& visit) override {
        for (const auto& [id, row] : disk_.rows) {
            const track::delivery_state state = row.view.state;
            if (state == track::delivery_state::pending || state == track::delivery_state::dead)
                visit(row.view.transaction.str());
        }
    }
    std::optional<track::known_transaction> find(const std::string& id) override {
        return disk_.transactions.contains(id) ? std::optional(known(id)) : std::nullopt;
    }
    std::vector<std::string> former_statuses(const std::string& id) override {
        std::vector<std::string> words;
        for (const track::history_entry& one : disk_.transactions.at(id).history) {
            if (track::takes_word_back(one.from_state, one.from_status, one.to_state, one.to_status))
                words.push_back(one.from_status);
        }
        return words;
    }

  private:
    track::known_transaction known(const std::string& id) const {
        const track::transaction_view view = disk_.view_of(id, disk_.transactions.at(id));
        track::known_transaction one;
        one.id = id;
        one.state = view.facts.state;
        if (!view.facts.status.empty()) one.status = view.facts.status;
        one.tracked_at = format_wall_time(view.facts.tracked_at);
        if (view.facts.settled_at) one.settled_at = format_wall_time(*view.facts.settled_at);
        store::read_amounts(view.proof, one);
        return one;
    }

    const fake_disk& disk_;
};

inline std::string fake_reconcile(const fake_disk& disk, const track::reconcile_job& job) {
    std::string out;
    fake_reconcile_source source(disk);
    job(source, [&out](std::string_view line) { out.append(line) += '\n'; });
    return out;
}

} // namespace prooftrack
