#pragma once

// The export of a fake_disk: all rows at once.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/byte_source.hpp"
#include "support/fake_disk_reading.hpp"
#include "track/event.hpp"

namespace prooftrack {

/// Gives its pieces one by one.
class fake_byte_source final : public byte_source {
  public:
    explicit fake_byte_source(std::string all) : all_(std::move(all)) {}
    progress next(std::string& out) override {
        if (all_.empty()) return fails ? progress::broken : progress::end;
        out = all_.substr(0, piece_bytes);
        all_.erase(0, piece_bytes);
        return progress::more;
    }
    bool is_broken() const override { return fails && all_.empty(); }
    void set_waker(unique_function<void()>) override {}

    static constexpr std::size_t piece_bytes = 1000;
    bool fails = false; ///< breaks at its end

  private:
    std::string all_;
};

inline std::string fake_export(const fake_disk& disk, const track::export_query& query) {
    std::string out = query.head;
    if (query.list == track::export_list::transactions) {
        std::map<std::uint64_t, const std::string*> by_number;
        for (const auto& [id, row] : disk.transactions) {
            if (is_within(row.facts.tracked_at, query.since, query.until)) by_number[row.number] = &id;
        }
        for (const auto& [number, id] : by_number)
            query.write_transaction(out, disk.view_of(*id, disk.transactions.at(*id)));
    }
    if (query.list == track::export_list::events) {
        for (const auto& [seq, row] : disk.events) {
            if (is_within(row.timestamp, query.since, query.until))
                query.write_event(out, track::insert_seq(*row.body, event_seq{seq}));
        }
    }
    if (query.list == track::export_list::deliveries) {
        for (const auto& [id, row] : disk.rows) {
            if (is_within(row.recorded_at, query.since, query.until)) query.write_delivery(out, row.view);
        }
    }
    return out;
}

} // namespace prooftrack
