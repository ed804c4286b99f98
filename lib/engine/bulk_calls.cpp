#include "engine/bulk_calls.hpp"

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "engine/problems.hpp"

namespace prooftrack::engine {
namespace {

/// About a millisecond of the loop, and one commit.
constexpr std::size_t rows_a_slice = 250;
/// A count reads rows and changes none.
constexpr std::size_t rows_a_count = 1'000;
/// So many slices in a row of which no row could be ended.
constexpr int most_idle_slices = 5;

} // namespace

void bulk_calls::untrack_matching(
    api::untrack_request request, api::client_identity who, api::backend_handler<api::untrack_summary> handler) {
    request.filter.only_open = true;
    if (request.is_dry_run) {
        start(count(std::move(request.filter)), std::move(handler));
    } else {
        start(end_all(std::move(request.filter), who), std::move(handler));
    }
}

task<api::outcome<api::untrack_summary>> bulk_calls::count(track::transaction_query matching) {
    api::untrack_summary all;
    matching.limit = rows_a_count;
    do {
        const auto page = co_await call(store_, &store::store::list, matching);
        if (!page) co_return store_problem(page.error());
        all.matched += page->transactions.size();
        matching.cursor = page->next_cursor;
    } while (!matching.cursor.empty());
    co_return all;
}

task<api::outcome<api::untrack_summary>> bulk_calls::end_all(
    track::transaction_query matching, api::client_identity who) {
    api::untrack_summary all;
    matching.limit = rows_a_slice;
    std::set<std::string> done_here; // of the slice: one that is posted again meanwhile is not ended again
    for (int tries = most_idle_slices; tries > 0;) {
        auto page = co_await call(store_, &store::store::list, matching);
        if (!page) co_return stop(store_problem(page.error()), all.untracked, who);
        std::string next = std::move(page->next_cursor);
        std::vector<track::transaction_view> rows = std::move(page->transactions);
        std::erase_if(rows, [&](const track::transaction_view& row) { return done_here.contains(row.id.str()); });
        const auto slice = co_await call(*this, &bulk_calls::end_slice, std::move(rows), who);
        all.untracked += slice.ended.size();
        done_here.insert(slice.ended.begin(), slice.ended.end());
        if (slice.error) co_return stop(store_problem(*slice.error), all.untracked, who);
        if (slice.moved > 0) { // from the same place again: those that have ended match no more
            tries = !slice.ended.empty() ? most_idle_slices : tries - 1;
            continue;
        }
        if (next.empty()) {
            all.matched = all.untracked;
            audit_.write({"untrack_matching", "count", all.untracked, who}, "done");
            co_return all;
        }
        matching.cursor = std::move(next);
        done_here.clear();
        tries = most_idle_slices;
    }
    co_return stop(
        refuse(
            api::problem_code::unavailable,
            "some that match are not loaded yet or are changed again and again: repeat the call, which is safe"),
        all.untracked, who);
}

/// The rows of a slice on their way; whoever ends last reports.
struct bulk_calls::slice_work {
    std::size_t open = 0;
    slice_result result;
    unique_function<void(slice_result)> handler;

    void take(std::string id, row_result one) {
        if (one.what == row_end::ended) result.ended.push_back(std::move(id));
        if (one.what == row_end::moved) ++result.moved;
        if (one.error && !result.error) result.error = std::move(one.error);
        if (--open == 0) handler(std::move(result));
    }
};

void bulk_calls::end_slice(
    std::vector<track::transaction_view> rows, api::client_identity who, unique_function<void(slice_result)> handler) {
    if (rows.empty()) {
        handler({});
        return;
    }
    auto work = std::make_shared<slice_work>(slice_work{rows.size(), {}, std::move(handler)});
    polls_.follow_clock();
    for (track::transaction_view& row : rows) {
        auto done = [work, id = row.id.str()](row_result one) mutable { work->take(std::move(id), std::move(one)); };
        track::active_transaction wanted{std::move(row.id), std::move(row.facts), row.revision, row.shard};
        start(end_one(std::move(wanted), who), std::move(done));
    }
}

/// Called in the turn of the loop in which the clock was followed.
task<bulk_calls::row_result> bulk_calls::end_one(track::active_transaction wanted, api::client_identity who) {
    const track::tracker& core = polls_.core();
    const auto found = core.find(wanted.id.str());
    if (!found) {
        auto end = co_await end_stored(std::move(wanted), who);
        co_return end;
    }
    const track::row_ref row = *found;
    const bool is_ours = core.may_untrack(row) && core.revision(row) == wanted.revision;
    if (is_ours) polls_.step_at_once(track::untracked_event{row});
    if (!core.is_recording(row)) { // what another node has changed may be read here before its news are
        if (store_.cluster() != nullptr) polls_.refresh(std::move(wanted));
        co_return row_result{};
    }
    const auto recorded = co_await call(polls_, &poll_driver::after_change, row);
    if (!is_ours) co_return row_result{};
    co_return ended(wanted.id, recorded, who);
}

task<bulk_calls::row_result> bulk_calls::end_stored(track::active_transaction wanted, api::client_identity who) {
    if (store_.cluster() == nullptr) co_return row_result{}; // it has ended, or is not loaded yet
    if (polls_.holds(wanted.shard)) { // it is being loaded, or another node has just taken it and the news are to come
        polls_.refresh(std::move(wanted));
        co_return row_result{};
    }
    const transaction_id id = wanted.id;
    const auto recorded = co_await call(polls_, &poll_driver::end_stored, std::move(wanted));
    co_return ended(id, recorded, who);
}

bulk_calls::row_result bulk_calls::ended(
    const transaction_id& id, const op_result<std::monostate>& recorded, api::client_identity who) {
    if (!recorded) {
        const error_code why = recorded.error().code;
        if (why == store::store_error::stale || why == store::store_error::not_found) return {};
        return {row_end::failed, recorded.error()};
    }
    audit_.write({"untrack", "merchant_transaction_id", id.str(), who}, "done");
    return {row_end::ended, std::nullopt};
}

/// What was ended before stays so, and is audited as well.
api::problem bulk_calls::stop(api::problem why, std::uint64_t untracked, api::client_identity who) {
    audit_.write({"untrack_matching", "count", untracked, who}, word_of(why.code));
    why.members.push_back(api::problem_member::number("untracked", untracked));
    return why;
}

} // namespace prooftrack::engine
