#pragma once

// The rest of a fake_disk's rules: lists, the event log, named consumers, sessions and pruning.

#include <string>
#include <utility>
#include <vector>

#include "support/fake_disk.hpp"

namespace prooftrack {

inline std::vector<active_transaction> fake_active(const fake_disk& disk) {
    std::vector<active_transaction> active;
    for (const auto& [id, row] : disk.transactions) {
        if (row.facts.watched) active.push_back({*transaction_id::parse(id), row.facts, row.revision});
    }
    std::stable_sort(active.begin(), active.end(), [](const active_transaction& a, const active_transaction& b) {
        return a.facts.last_polled_at.value_or(wall_time{}) < b.facts.last_polled_at.value_or(wall_time{});
    });
    return active;
}

inline transaction_page fake_list(const fake_disk& disk, const transaction_query& query) {
    std::map<std::uint64_t, const std::string*> newest;
    for (const auto& [id, row] : disk.transactions) newest[row.number] = &id;
    transaction_page page;
    std::uint64_t last = 0;
    for (auto place = newest.rbegin(); place != newest.rend(); ++place) {
        const auto& row = disk.transactions.at(*place->second);
        if (!query.cursor.empty() && place->first >= std::stoull(query.cursor)) continue;
        const auto& settled = row.facts.settled_at;
        if ((query.state && row.facts.state != *query.state) || (query.status && row.facts.status != *query.status) ||
            (query.settled_after && (!settled || *settled < *query.settled_after)) ||
            (query.settled_before && (!settled || *settled >= *query.settled_before))) {
            continue;
        }
        if (page.transactions.size() == query.limit) {
            page.next_cursor = std::to_string(last);
            break;
        }
        page.transactions.push_back(disk.view_of(*place->second, row));
        last = place->first;
    }
    return page;
}

inline std::optional<history_page> fake_history(const fake_disk& disk, const std::string& id) {
    const auto found = disk.transactions.find(id);
    if (found == disk.transactions.end()) return std::nullopt;
    history_page page;
    page.changes = found->second.history;
    for (const auto& [number, row] : disk.rows) {
        if (row.view.transaction.str() == id) page.deliveries.push_back(row.view);
    }
    return page;
}

inline event_page fake_events_after(const fake_disk& disk, event_seq after, std::size_t limit) {
    event_page page;
    page.first_seq = event_seq{disk.first_seq()};
    page.last_seq = event_seq{disk.last_seq};
    for (auto row = disk.events.upper_bound(value_of(after)); row != disk.events.end() && page.events.size() < limit;
         ++row) {
        page.events.push_back({event_seq{row->first}, *row->second.body});
    }
    return page;
}

inline consumer_view fake_consumer(const fake_disk& disk, const std::string& name) {
    const event_seq seq = disk.consumers.at(name).seq;
    consumer_view view{name, seq, disk.last_seq - value_of(seq), std::nullopt};
    const auto oldest = disk.events.upper_bound(value_of(seq));
    if (oldest != disk.events.end()) view.oldest_pending = oldest->second.timestamp;
    return view;
}

inline op_result<std::pair<bool, consumer_view>> fake_put_consumer(fake_disk& disk, const std::string& name,
                                                                   std::optional<event_seq> seq) {
    if (seq && value_of(*seq) > disk.last_seq) return fake_disk::error(store_error::beyond_last, "put consumer");
    const auto [place, fresh] = disk.consumers.try_emplace(name, fake_disk::consumer_row{event_seq{disk.last_seq}});
    if (seq) place->second.seq = *seq;
    return std::pair(fresh, fake_consumer(disk, name));
}

inline op_result<consumer_view> fake_delete_consumer(fake_disk& disk, const std::string& name) {
    if (!disk.consumers.contains(name)) return fake_disk::error(store_error::not_found, "delete consumer");
    consumer_view last = fake_consumer(disk, name);
    disk.consumers.erase(name);
    return last;
}

inline op_result<consumer_view> fake_acknowledge(fake_disk& disk, const std::string& name, event_seq seq) {
    const auto found = disk.consumers.find(name);
    if (found == disk.consumers.end()) return fake_disk::error(store_error::not_found, "acknowledge");
    if (value_of(seq) > disk.last_seq) return fake_disk::error(store_error::beyond_last, "acknowledge");
    found->second.seq = std::max(found->second.seq, seq);
    return fake_consumer(disk, name);
}

inline session_claim fake_claim(fake_disk& disk, const digest& key, const digest& body) {
    const auto [place, fresh] = disk.sessions.try_emplace(key, fake_disk::session_row{body, ""});
    if (fresh) return {session_claim::verdict::fresh, ""};
    if (place->second.body != body) return {session_claim::verdict::other_body, ""};
    if (place->second.transaction.empty()) return {session_claim::verdict::outcome_unknown, ""};
    return {session_claim::verdict::done, place->second.transaction};
}

inline prune_result fake_prune(fake_disk& disk, const prune_request& request) {
    prune_result result;
    for (auto row = disk.transactions.begin(); row != disk.transactions.end();) {
        const std::string id = row->first;
        const bool owes = std::any_of(disk.pending.begin(), disk.pending.end(), [&](const auto& line) {
            return line.first.second == id && !line.second.empty();
        });
        if (!row->second.ended_at || *row->second.ended_at >= request.ended_before || row->second.facts.watched ||
            owes) {
            ++row;
            continue;
        }
        if (result.transactions == request.limit) {
            result.more = true;
            break;
        }
        std::erase_if(disk.rows, [&](const auto& delivery) { return delivery.second.view.transaction.str() == id; });
        row = disk.transactions.erase(row);
        ++result.transactions;
    }
    while (!disk.events.empty()) {
        const auto first = disk.events.begin();
        const bool needed =
            disk.transactions.contains(first->second.transaction) || first->second.timestamp >= request.ended_before;
        if (needed) break;
        std::vector<std::string> late;
        for (const auto& [name, consumer] : disk.consumers) {
            if (value_of(consumer.seq) < first->first) late.push_back(name);
        }
        if (!late.empty() && first->second.timestamp >= request.consumed_before) break;
        if (result.events == request.limit) {
            result.more = true;
            break;
        }
        for (const std::string& name : late) {
            const auto& told = result.overtaken_consumers;
            if (std::find(told.begin(), told.end(), name) == told.end()) result.overtaken_consumers.push_back(name);
        }
        disk.events.erase(first);
        ++result.events;
    }
    return result;
}

} // namespace prooftrack
