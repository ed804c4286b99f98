#pragma once

// The news of a fake_disk, as store/news_ops.cpp reads them.

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "store/cluster.hpp"
#include "support/fake_disk.hpp"

namespace prooftrack {

inline track::active_transaction fake_active_row(const std::string& id, const fake_disk::transaction_row& row) {
    return {*transaction_id::parse(id), row.facts, row.revision, fake_disk::shard_of(row)};
}

inline op_result<std::monostate> fake_want_poll(fake_disk& disk, const std::string& id, wall_time now) {
    const auto found = disk.transactions.find(id);
    if (found == disk.transactions.end() || !found->second.facts.watched)
        return fake_disk::error(store::store_error::not_found, "want a poll");
    disk.mail.push_back({store::mail_kind::wanted_poll, found->second.number, {}, now});
    return std::monostate();
}

/// Numbers of the rows of which a poll was wanted that was not made, as store/news_ops.cpp finds them.
inline std::set<std::uint64_t> fake_open_wishes(const fake_disk& disk) {
    std::map<std::uint64_t, wall_time> last;
    for (const fake_mailbox::letter& one : disk.mail) {
        if (one.kind == store::mail_kind::wanted_poll) last[one.subject] = one.at;
    }
    std::set<std::uint64_t> open;
    for (const auto& [id, row] : disk.transactions) {
        const auto wish = last.find(row.number);
        if (wish == last.end() || !row.facts.watched) continue;
        if (!row.facts.last_polled_at || *row.facts.last_polled_at < wish->second + seconds(30))
            open.insert(row.number);
    }
    return open;
}

inline store::cluster_news fake_read_news(const fake_disk& disk, const store::news_cursor& after) {
    constexpr std::size_t most = 100; // in one answer
    store::cluster_news news;
    news.first_seq = event_seq{disk.first_seq()};
    news.last_seq = event_seq{disk.last_seq};
    const auto last_row = static_cast<std::int64_t>(disk.last_number);
    const auto last_mail = static_cast<std::int64_t>(disk.mail.size());
    if (after.row < 0) {
        news.next = {last_row, last_mail};
        return news;
    }
    news.next = {
        std::min(last_row, after.row + static_cast<std::int64_t>(most)),
        std::min(last_mail, after.mail + static_cast<std::int64_t>(most))};
    news.more = news.next.row < last_row || news.next.mail < last_mail;
    std::set<std::uint64_t> rows;
    std::set<std::uint64_t> polls;
    std::set<std::string> lanes;
    for (auto place = after.mail; place < news.next.mail; ++place) {
        const fake_mailbox::letter& one = disk.mail[static_cast<std::size_t>(place)];
        if (one.kind == store::mail_kind::row && disk.holds(one.subject)) rows.insert(one.subject);
        if (one.kind == store::mail_kind::wanted_poll && disk.holds(one.subject)) polls.insert(one.subject);
        if (one.kind == store::mail_kind::lane) lanes.insert(one.lane);
        if (one.kind == store::mail_kind::retried) news.retried.push_back(delivery_id{one.subject});
        if (one.kind == store::mail_kind::controls) news.controls_changed = true;
        if (one.kind == store::mail_kind::replays) news.replays_changed = true;
    }
    for (const auto& [id, row] : disk.transactions) {
        const auto number = static_cast<std::int64_t>(row.number);
        const bool is_new = number > after.row && number <= news.next.row && disk.holds(row.number);
        if (is_new || rows.contains(row.number)) news.rows.push_back(fake_active_row(id, row));
        if (polls.contains(row.number)) news.wanted_polls.push_back(*transaction_id::parse(id));
    }
    news.lanes.assign(lanes.begin(), lanes.end());
    return news;
}

} // namespace prooftrack
