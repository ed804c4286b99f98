#pragma once

// The replays of a fake_disk, and the calls of the store about them.

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/fake_disk_reading.hpp"

namespace prooftrack {

inline std::uint64_t fake_pending(const fake_disk& disk, replay_id id) {
    return static_cast<std::uint64_t>(std::count_if(disk.rows.begin(), disk.rows.end(), [id](const auto& each) {
        return each.second.replay == id && each.second.view.state == track::delivery_state::pending;
    }));
}

inline track::replay_view fake_replay(const fake_disk& disk, replay_id id) {
    track::replay_view view = disk.replays.at(id);
    view.pending = fake_pending(disk, id);
    return view;
}

/// The transaction of an event, as long as it is there.
inline const fake_disk::transaction_row* fake_owner(const fake_disk& disk, const fake_disk::event_row& event) {
    const auto found = disk.transactions.find(event.transaction);
    if (found == disk.transactions.end() || found->second.number != event.transaction_number) return nullptr;
    return &found->second;
}

/// Which events a replay is about, of those that are there.
class fake_selection {
  public:
    fake_selection(const fake_disk& disk, track::replay_query wanted) : disk_(disk), wanted_(std::move(wanted)) {
        if (!wanted_.only_missing) return;
        for (const auto& [id, row] : disk.rows) {
            if (row.view.callback == wanted_.callback) owed_.insert(value_of(row.seq));
        }
    }
    bool has(std::uint64_t seq, const fake_disk::event_row& event) const {
        const auto type = std::find(wanted_.types.begin(), wanted_.types.end(), to_string(event.type));
        return type != wanted_.types.end() && is_within(event.timestamp, wanted_.since, wanted_.until) &&
               fake_owner(disk_, event) != nullptr && !owed_.contains(seq);
    }

  private:
    const fake_disk& disk_;
    track::replay_query wanted_;
    std::set<std::uint64_t> owed_; ///< were owed before
};

inline op_result<track::replay_view> fake_begin_replay(
    fake_disk& disk, track::replay_query query, bool dry_run, wall_time now) {
    std::size_t running = 0;
    for (const auto& [id, replay] : disk.replays) {
        if (replay.ended_at) continue;
        ++running;
        if (!dry_run && replay.query.callback == query.callback) {
            return op_error{
                make_error_code(store::store_error::busy), "begin a replay",
                fmt::format("replay {} to '{}' is running", value_of(id), query.callback)};
        }
    }
    if (!dry_run && running >= store::most_running_replays)
        return fake_disk::error(store::store_error::busy, "begin a replay");
    const event_seq behind_last{disk.last_seq + 1};
    query.before = std::min(query.before.value_or(behind_last), behind_last);
    track::replay_view view;
    view.query = std::move(query);
    view.created_at = now;
    const fake_selection selection(disk, view.query);
    for (const auto& [seq, event] : disk.events) {
        if (seq <= value_of(view.query.after) || seq >= value_of(*view.query.before)) continue;
        if (selection.has(seq, event)) ++view.events;
    }
    if (dry_run) return view;
    view.next = event_seq{value_of(view.query.after) + 1};
    view.id = replay_id{disk.replays.empty() ? 1 : value_of(disk.replays.rbegin()->first) + 1};
    disk.replays[view.id] = view;
    disk.tell_all(store::mail_kind::replays);
    std::size_t ended = 0;
    for (auto place = disk.replays.end(); place != disk.replays.begin();) {
        --place;
        if (place->second.ended_at && ++ended > store::most_ended_replays) place = disk.replays.erase(place);
    }
    return view;
}

/// The row of a replay's delivery of one event.
inline fake_disk::delivery_row fake_replayed_row(
    fake_disk& disk, const track::replay_view& replay, std::uint64_t seq, const fake_disk::event_row& event) {
    return {
        {delivery_id{++disk.last_delivery}, event.id, std::string(to_string(event.type)),
         *transaction_id::parse(event.transaction), replay.query.callback, track::delivery_state::pending, 0,
         std::nullopt, "", 0, std::nullopt},
        event_seq{seq},
        replay.query.callback,
        "",
        event.state,
        event.status,
        event.body,
        event.timestamp,
        event.traceparent,
        false,
        replay.id};
}

inline op_result<store::replay_progress> fake_advance_replay(fake_disk& disk, const store::replay_step& step) {
    const auto known = disk.replays.find(step.id);
    if (known == disk.replays.end()) return fake_disk::error(store::store_error::not_found, "advance a replay");
    store::replay_progress progress;
    track::replay_view& replay = known->second;
    if (!replay.ended_at) {
        const fake_selection selection(disk, replay.query);
        std::uint64_t pending = fake_pending(disk, step.id);
        auto place = disk.events.lower_bound(value_of(replay.next));
        for (; place != disk.events.end() && place->first < value_of(*replay.query.before); ++place) {
            if (pending >= step.most_pending || progress.made >= step.most_made) break;
            if (!selection.has(place->first, place->second)) continue;
            fake_disk::delivery_row made = fake_replayed_row(disk, replay, place->first, place->second);
            const std::uint64_t id = value_of(made.view.id);
            disk.lane_of(made.lane);
            auto& line = disk.line_of(made);
            const bool is_first = line.empty();
            line.insert(id);
            fake_disk::delivery_row& kept = disk.rows.emplace(id, std::move(made)).first->second;
            if (is_first) {
                disk.make_head(kept, step.now);
                if (const auto head = disk.give_out(kept)) progress.heads.push_back(*head);
            }
            ++progress.made;
            ++pending;
        }
        const bool is_through = place == disk.events.end() || place->first >= value_of(*replay.query.before);
        replay.next = is_through ? *replay.query.before : event_seq{place->first};
        replay.made += progress.made;
        if (is_through && pending == 0) {
            replay.state = track::replay_state::done;
            replay.ended_at = step.now;
        }
    }
    progress.replay = fake_replay(disk, step.id);
    return progress;
}

inline op_result<store::replay_end> fake_cancel_replay(
    fake_disk& disk, replay_id id, const std::vector<delivery_id>& under_way, wall_time now) {
    const auto known = disk.replays.find(id);
    if (known == disk.replays.end()) return fake_disk::error(store::store_error::not_found, "cancel a replay");
    store::replay_end end;
    if (!known->second.ended_at) {
        end.was_running = true;
        std::vector<fake_disk::delivery_row> dropped;
        for (auto row = disk.rows.begin(); row != disk.rows.end();) {
            fake_disk::delivery_row& each = row->second;
            const bool is_spared = std::find(under_way.begin(), under_way.end(), each.view.id) != under_way.end();
            if (each.replay != id || each.view.state != track::delivery_state::pending || is_spared) {
                ++row;
                continue;
            }
            const bool was_head = each.is_head;
            disk.unmake_head(each);
            disk.line_of(each).erase(row->first);
            if (was_head) dropped.push_back(each);
            ++end.dropped;
            row = disk.rows.erase(row);
        }
        for (const fake_disk::delivery_row& each : dropped) {
            if (auto head = disk.promote(each, now)) end.heads.push_back(*head);
        }
        known->second.made -= end.dropped;
        known->second.state = track::replay_state::cancelled;
        known->second.ended_at = now;
        disk.tell_all(store::mail_kind::replays);
    }
    end.replay = fake_replay(disk, id);
    return end;
}

inline op_result<std::vector<track::replay_view>> fake_list_replays(const fake_disk& disk) {
    std::vector<track::replay_view> views;
    for (auto place = disk.replays.rbegin(); place != disk.replays.rend(); ++place)
        views.push_back(fake_replay(disk, place->first));
    return views;
}

namespace store {

/// The calls about replays of a fake store, which has `change` and `read`.
template <class Fake>
class fake_replay_calls : public store {
  public:
    void begin_replay(
        track::replay_query query, bool dry_run, wall_time now, store_handler<track::replay_view> handler) override {
        fake().template change<track::replay_view>(
            [query = std::move(query), dry_run, now](fake_disk& disk) {
                return fake_begin_replay(disk, query, dry_run, now);
            },
            std::move(handler));
    }
    void advance_replay(replay_step step, store_handler<replay_progress> handler) override {
        fake().template change<replay_progress>(
            [step](fake_disk& disk) { return fake_advance_replay(disk, step); }, std::move(handler));
    }
    void cancel_replay(
        replay_id id, std::vector<delivery_id> under_way, wall_time now, store_handler<replay_end> handler) override {
        fake().template change<replay_end>(
            [id, under_way = std::move(under_way), now](fake_disk& disk) {
                return fake_cancel_replay(disk, id, under_way, now);
            },
            std::move(handler));
    }
    void replays(store_handler<std::vector<track::replay_view>> handler) override {
        fake().template read<std::vector<track::replay_view>>(
            [](fake_disk& disk) { return fake_list_replays(disk); }, std::move(handler));
    }

  private:
    Fake& fake() { return static_cast<Fake&>(*this); }
};

} // namespace store
} // namespace prooftrack
