#pragma once

// Pauses, flushes and dismissals of a fake_disk.

#include <optional>
#include <string>

#include "support/fake_disk.hpp"

namespace prooftrack {

inline std::optional<wall_time> fake_set_paused(
    fake_disk& disk, const std::string& callback, std::optional<wall_time> since) {
    disk.tell_all(store::mail_kind::controls);
    if (!since) {
        disk.pauses.erase(callback);
        return std::nullopt;
    }
    return disk.pauses.emplace(callback, *since).first->second;
}

inline op_result<std::uint64_t> fake_flush(fake_disk& disk, const std::string& callback, wall_time now) {
    if (disk.pauses.contains(callback)) return op_error{make_error_code(store::store_error::paused), "flush", callback};
    std::uint64_t count = 0;
    for (auto& [id, row] : disk.rows) {
        if (row.view.callback != callback || row.view.state != track::delivery_state::pending) continue;
        ++count;
        if (!row.is_head || *row.view.next_attempt_at <= now) continue;
        disk.make_head(row, now);
        disk.tell_owners_of_lane(row.lane);
    }
    return count;
}

inline op_result<track::delivery_view> fake_dismiss(fake_disk& disk, delivery_id id, const std::string& note) {
    const auto found = disk.rows.find(value_of(id));
    if (found == disk.rows.end()) return fake_disk::error(store::store_error::not_found, "dismiss");
    track::delivery_view& view = found->second.view;
    if (view.state != track::delivery_state::dead)
        return op_error{
            make_error_code(store::store_error::not_dead), "dismiss", std::string(track::to_string(view.state))};
    view.state = track::delivery_state::dismissed;
    view.note = note;
    return view;
}

inline std::uint64_t fake_dismiss_dead(
    fake_disk& disk, const std::optional<std::string>& callback, const std::string& note) {
    std::uint64_t count = 0;
    for (auto& [id, row] : disk.rows) {
        if (callback && row.view.callback != *callback) continue;
        if (fake_dismiss(disk, delivery_id{id}, note)) ++count;
    }
    return count;
}

} // namespace prooftrack
