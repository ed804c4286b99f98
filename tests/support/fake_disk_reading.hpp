#pragma once

// The rest of a fake_disk's rules: lists, the event log, named consumers, sessions and pruning.

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/json.hpp"
#include "support/fake_disk.hpp"

namespace prooftrack {

inline std::vector<track::active_transaction> fake_active(const fake_disk& disk) {
    std::vector<track::active_transaction> active;
    for (const auto& [id, row] : disk.transactions) {
        if (!row.facts.watched) continue;
        active.push_back({*transaction_id::parse(id), row.facts, row.revision, fake_disk::shard_of(row)});
    }
    std::stable_sort(
        active.begin(), active.end(), [](const track::active_transaction& a, const track::active_transaction& b) {
            return a.facts.last_polled_at.value_or(wall_time{}) < b.facts.last_polled_at.value_or(wall_time{});
        });
    return active;
}

/// Most bytes of bodies in a page, and of the entries of a history.
inline constexpr std::size_t fake_page_bytes = std::size_t{8} << 20U;
inline constexpr std::size_t fake_history_entries = 1000;

/// The key below which a page begins; a cursor is its list's letter and the last key of the page.
inline op_result<std::uint64_t> fake_cursor(char list, const std::string& cursor) {
    if (cursor.empty()) return std::numeric_limits<std::uint64_t>::max();
    std::uint64_t below = 0;
    const char* const end = cursor.data() + cursor.size();
    const auto read = std::from_chars(cursor.data() + 1, end, below);
    if (cursor.front() != list || read.ec != std::errc() || read.ptr != end)
        return op_error{make_error_code(boost::system::errc::invalid_argument), "list", "no such cursor"};
    return below;
}

/// Both ends are left out.
inline bool is_between(
    const std::optional<wall_time>& time, const std::optional<wall_time>& after,
    const std::optional<wall_time>& before) {
    return (!after || (time && *time > *after)) && (!before || (time && *time < *before));
}

/// The first end belongs to it, the last one does not.
inline bool is_within(wall_time time, const std::optional<wall_time>& since, const std::optional<wall_time>& until) {
    return (!since || time >= *since) && (!until || time < *until);
}

inline bool has_member(const std::string& metadata, const track::metadata_filter& wanted) {
    const auto members = net::top_level_members(metadata).value();
    return std::any_of(members.begin(), members.end(), [&](const net::json_member& member) {
        return member.key == wanted.key &&
               net::decode_json_string(member.value).value_or(std::string(member.value)) == wanted.value;
    });
}

inline bool is_owed_to(const fake_disk& disk, const std::string& transaction, const std::string& callback) {
    return std::any_of(disk.rows.begin(), disk.rows.end(), [&](const auto& each) {
        const track::delivery_view& view = each.second.view;
        return view.transaction.str() == transaction && view.callback == callback &&
               view.state != track::delivery_state::delivered;
    });
}

inline bool matches(
    const fake_disk& disk, const std::string& id, const fake_disk::transaction_row& row,
    const track::transaction_query& query) {
    const track::tracking_facts& facts = row.facts;
    if (query.only_open && is_ended(facts.state)) return false;
    return (!query.state || facts.state == *query.state) && (!query.status || facts.status == *query.status) &&
           is_between(facts.settled_at, query.settled_after, query.settled_before) &&
           is_between(facts.tracked_at, query.tracked_after, query.tracked_before) &&
           std::all_of(
               query.metadata.begin(), query.metadata.end(),
               [&](const track::metadata_filter& wanted) { return has_member(row.metadata, wanted); }) &&
           id.starts_with(query.id_prefix.value_or("")) &&
           (!query.not_delivered_to || is_owed_to(disk, id, *query.not_delivered_to));
}

inline op_result<track::transaction_page> fake_list(const fake_disk& disk, const track::transaction_query& query) {
    const auto below = fake_cursor('t', query.cursor);
    if (!below) return below.error();
    std::map<std::uint64_t, const std::string*> by_number;
    for (const auto& [id, row] : disk.transactions) {
        if (row.number < *below && matches(disk, id, row, query)) by_number[row.number] = &id;
    }
    track::transaction_page page;
    std::size_t bytes = 0;
    std::uint64_t last = 0;
    for (auto place = by_number.rbegin(); place != by_number.rend(); ++place) {
        if (page.transactions.size() == query.limit || bytes >= fake_page_bytes) {
            page.next_cursor = "t" + std::to_string(last);
            break;
        }
        page.transactions.push_back(disk.view_of(*place->second, disk.transactions.at(*place->second)));
        bytes += page.transactions.back().metadata.size() + page.transactions.back().proof.size();
        last = place->first;
    }
    return page;
}

inline op_result<track::delivery_page> fake_deliveries(const fake_disk& disk, const track::delivery_query& query) {
    const auto below = fake_cursor('d', query.cursor);
    if (!below) return below.error();
    track::delivery_page page;
    for (auto row = disk.rows.rbegin(); row != disk.rows.rend(); ++row) {
        const track::delivery_view& view = row->second.view;
        if (row->first >= *below || (query.state && view.state != *query.state) ||
            (query.callback && view.callback != *query.callback) ||
            (query.transaction && view.transaction.str() != *query.transaction) ||
            !is_within(row->second.recorded_at, query.since, query.until)) {
            continue;
        }
        if (page.deliveries.size() == query.limit) {
            page.next_cursor = "d" + std::to_string(value_of(page.deliveries.back().id));
            break;
        }
        page.deliveries.push_back(view);
    }
    return page;
}

template <class Entry>
void keep_latest(std::vector<Entry>& entries) {
    if (entries.size() <= fake_history_entries) return;
    entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(fake_history_entries));
}

inline std::optional<track::transaction_history> fake_history(const fake_disk& disk, const std::string& id) {
    const auto found = disk.transactions.find(id);
    if (found == disk.transactions.end()) return std::nullopt;
    track::transaction_history page;
    page.changes = found->second.history;
    for (const auto& [number, row] : disk.rows) {
        if (row.view.transaction.str() == id) page.deliveries.push_back(row.view);
    }
    keep_latest(page.changes);
    keep_latest(page.deliveries);
    return page;
}

inline store::event_page fake_events_after(const fake_disk& disk, event_seq after, std::size_t limit) {
    store::event_page page;
    page.first_seq = event_seq{disk.first_seq()};
    page.last_seq = event_seq{disk.last_seq};
    std::size_t bytes = 0;
    for (auto row = disk.events.upper_bound(value_of(after));
         row != disk.events.end() && page.events.size() < limit && bytes < fake_page_bytes; ++row) {
        page.events.push_back({event_seq{row->first}, *row->second.body});
        bytes += page.events.back().body.size();
    }
    return page;
}

inline store::event_page fake_events_between(const fake_disk& disk, const track::event_query& query) {
    store::event_page page;
    page.first_seq = event_seq{disk.first_seq()};
    page.last_seq = event_seq{disk.last_seq};
    page.looked_at = std::max(query.after, page.last_seq);
    std::size_t bytes = 0;
    for (auto row = disk.events.upper_bound(value_of(query.after)); row != disk.events.end(); ++row) {
        if (!is_within(row->second.timestamp, query.since, query.until)) continue;
        if (page.events.size() >= query.limit || bytes >= fake_page_bytes) {
            page.looked_at = page.events.empty() ? query.after : page.events.back().seq;
            break;
        }
        page.events.push_back({event_seq{row->first}, *row->second.body});
        bytes += page.events.back().body.size();
    }
    return page;
}

inline track::consumer_view fake_consumer(const fake_disk& disk, const std::string& name) {
    const event_seq seq = disk.consumers.at(name).seq;
    track::consumer_view view{name, seq, 0, std::nullopt};
    const auto oldest = disk.events.upper_bound(value_of(seq));
    if (oldest == disk.events.end()) return view;
    view.lag = disk.last_seq - oldest->first + 1;
    view.oldest_pending = oldest->second.timestamp;
    return view;
}

inline op_result<std::pair<bool, track::consumer_view>> fake_put_consumer(
    fake_disk& disk, const std::string& name, std::optional<event_seq> seq) {
    if (seq && value_of(*seq) > disk.last_seq) return fake_disk::error(store::store_error::beyond_last, "put consumer");
    const auto [place, fresh] = disk.consumers.try_emplace(name, fake_disk::consumer_row{event_seq{disk.last_seq}});
    if (seq) place->second.seq = *seq;
    return std::pair(fresh, fake_consumer(disk, name));
}

inline op_result<track::consumer_view> fake_delete_consumer(fake_disk& disk, const std::string& name) {
    if (!disk.consumers.contains(name)) return fake_disk::error(store::store_error::not_found, "delete consumer");
    track::consumer_view last = fake_consumer(disk, name);
    disk.consumers.erase(name);
    return last;
}

inline op_result<track::consumer_view> fake_acknowledge(fake_disk& disk, const std::string& name, event_seq seq) {
    const auto found = disk.consumers.find(name);
    if (found == disk.consumers.end()) return fake_disk::error(store::store_error::not_found, "acknowledge");
    if (value_of(seq) > disk.last_seq) return fake_disk::error(store::store_error::beyond_last, "acknowledge");
    found->second.seq = std::max(found->second.seq, seq);
    return fake_consumer(disk, name);
}

inline store::session_claim fake_claim(
    fake_disk& disk, const store::digest& key, const store::digest& body, wall_time now) {
    const auto [place, fresh] = disk.sessions.try_emplace(key, fake_disk::session_row{body, now, ""});
    if (fresh) return {store::session_claim::verdict::fresh, ""};
    if (place->second.body != body) return {store::session_claim::verdict::other_body, ""};
    if (place->second.transaction.empty()) return {store::session_claim::verdict::outcome_unknown, ""};
    return {store::session_claim::verdict::done, place->second.transaction};
}

/// The ended transactions that nothing is owed on, the longest ended first.
inline void fake_prune_transactions(fake_disk& disk, const store::prune_request& request, store::prune_result& result) {
    std::map<std::pair<wall_time, std::uint64_t>, std::string> ended;
    for (const auto& [id, row] : disk.transactions) {
        if (row.ended_at && *row.ended_at < request.ended_before && !row.facts.watched)
            ended[{*row.ended_at, row.number}] = id;
    }
    if (ended.empty()) return;
    for (const auto& [line, ids] : disk.pending) {
        if (ids.empty()) continue;
        const auto owner = disk.transactions.find(line.second);
        if (owner == disk.transactions.end() || !owner->second.ended_at) continue;
        ended.erase({*owner->second.ended_at, owner->second.number});
    }
    std::set<std::string> gone;
    for (const auto& [place, id] : ended) {
        if (gone.size() == request.limit) {
            result.more = true;
            break;
        }
        gone.insert(id);
        disk.transactions.erase(id);
    }
    std::erase_if(disk.rows, [&](const auto& each) { return gone.contains(each.second.view.transaction.str()); });
    std::erase_if(disk.pending, [&](const auto& line) { return gone.contains(line.first.second); });
    result.transactions = gone.size();
}

/// The oldest events, as long as nobody needs them.
inline void fake_prune_events(fake_disk& disk, const store::prune_request& request, store::prune_result& result) {
    while (!disk.events.empty()) {
        const auto first = disk.events.begin();
        const fake_disk::event_row& event = first->second;
        const auto owner = disk.transactions.find(event.transaction);
        const bool is_old = event.timestamp < request.consumed_before;
        const auto is_of_event = [seq = first->first](const auto& each) { return value_of(each.second.seq) == seq; };
        if (owner != disk.transactions.end() && owner->second.number == event.transaction_number) {
            const bool is_owed = std::any_of(disk.rows.begin(), disk.rows.end(), [&](const auto& each) {
                return is_of_event(each) && each.second.view.state == track::delivery_state::pending;
            });
            if (!is_old || is_owed) return;
        }
        std::vector<std::string> late;
        for (const auto& [name, consumer] : disk.consumers) {
            if (value_of(consumer.seq) < first->first) late.push_back(name);
        }
        if (!late.empty() && !is_old) return;
        if (result.events == request.limit) {
            result.more = true;
            return;
        }
        for (const std::string& name : late) {
            const auto& reported = result.overtaken_consumers;
            if (std::find(reported.begin(), reported.end(), name) == reported.end())
                result.overtaken_consumers.push_back(name);
        }
        std::erase_if(disk.rows, is_of_event);
        disk.event_ids.erase(event.id);
        disk.events.erase(first);
        ++result.events;
    }
}

inline store::prune_result fake_prune(fake_disk& disk, const store::prune_request& request) {
    store::prune_result result;
    fake_prune_transactions(disk, request, result);
    fake_prune_events(disk, request, result);
    std::size_t keys = 0;
    std::erase_if(disk.sessions, [&](const auto& each) {
        return each.second.claimed_at < request.ended_before && keys++ < request.limit;
    });
    result.more = result.more || keys > request.limit;
    return result;
}

} // namespace prooftrack
