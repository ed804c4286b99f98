#include "engine/tracking_calls.hpp"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"
#include "net/json.hpp"

namespace prooftrack::engine {
namespace {

constexpr std::size_t rows_a_chunk = 1'000;

api::problem already_tracked(const transaction_id& id) {
    return refuse(
        api::problem_code::already_tracked,
        fmt::format("'{}' is tracked with other options: `prooftrackctl get {}` shows them", id.str(), id.str()));
}

track::transaction_view view_of(const track::new_transaction& row, const store::add_outcome& added) {
    return {
        .id = row.id,
        .facts = added.facts,
        .metadata = row.metadata,
        .callback_url = row.callback_url,
        .proof = "",
        .next_poll_at = std::nullopt,
        .consecutive_errors = 0,
        .last_error = "",
        .revision = added.revision,
        .shard = added.shard,
        .node = ""};
}

api::problem with_taken(api::problem failed, const api::import_summary& so_far) {
    failed.members.push_back(api::problem_member::number("taken", so_far.created + so_far.existing));
    return failed;
}

bool says_nothing(const api::tracking_options& options) {
    return options.metadata_canonical == "{}" && !options.callback_url && !options.overdue_after;
}

bool is_same(const track::transaction_view& stored, const api::tracking_options& options) {
    const auto metadata = net::canonical_json(stored.metadata);
    return stored.callback_url == options.callback_url && metadata && *metadata == options.metadata_canonical;
}

} // namespace

void tracking_calls::track(
    api::track_request request, api::client_identity who, api::backend_handler<api::tracked> handler) {
    start(add(std::move(request), who), std::move(handler));
}

task<api::outcome<api::tracked>> tracking_calls::add(api::track_request request, api::client_identity who) {
    auto taken = around_.intake.take(std::move(request));
    if (auto* refused = std::get_if<api::problem>(&taken)) co_return std::move(*refused);
    const auto& row = std::get<track::new_transaction>(taken);
    std::vector<track::new_transaction> rows{row};
    auto added = co_await call(around_.storage, &store::store::add, std::move(rows), std::nullopt);
    if (!added) co_return store_problem(added.error());
    const store::add_outcome& one = added->front();
    if (one.what == store::add_result::conflict) co_return already_tracked(row.id);
    if (one.what == store::add_result::existing) {
        auto found = co_await around_.views.find(row.id);
        if (auto* refused = std::get_if<api::problem>(&found)) co_return std::move(*refused);
        co_return api::tracked{false, std::move(std::get<track::transaction_view>(found))};
    }
    around_.audit.write({"track", "merchant_transaction_id", row.id.str(), who}, "done");
    begin(row.id, row.traceparent, one);
    co_return api::tracked{true, around_.views.with_live(view_of(row, one))};
}

void tracking_calls::begin(const transaction_id& id, std::string_view traceparent, const store::add_outcome& added) {
    std::vector<observe::log_field> fields{{"merchant_transaction_id", id.str()}};
    if (!traceparent.empty()) fields.emplace_back("traceparent", traceparent);
    around_.log.write(observe::log_event_id::transaction_tracked, std::span<const observe::log_field>(fields));
    around_.polls.take_in(track::active_transaction{id, added.facts, added.revision, added.shard});
}

task<std::optional<api::problem>> tracking_calls::track_session(
    transaction_id id, api::tracking_options options, std::optional<store::digest> session) {
    // The session exists: whatever has changed since the request to Proof, a stop or a reload, its id is recorded.
    std::vector<track::new_transaction> rows;
    rows.push_back(around_.intake.make_row(api::track_request{id, options}));
    auto added = co_await call(around_.storage, &store::store::add, std::move(rows), session);
    if (!added) co_return store_problem(added.error());
    const store::add_outcome& one = added->front();
    if (one.what != store::add_result::created) {
        auto refused = co_await compare_session(id, std::move(options), one);
        co_return refused;
    }
    begin(id, options.traceparent, one);
    co_return std::nullopt;
}

/// The id of a new session is here already. Options that say something are never dropped in silence.
task<std::optional<api::problem>> tracking_calls::compare_session(
    transaction_id id, api::tracking_options options, store::add_outcome known) {
    // Proof has just spoken of it: one that is seldom polled, or had failed, may go on.
    around_.changes.hint(id, [](const api::outcome<std::monostate>&) {});
    if (says_nothing(options)) co_return std::nullopt;
    if (known.what == store::add_result::conflict) co_return already_tracked(id);
    if (known.facts.state != track::tracking_state::settled) co_return std::nullopt;
    // The store takes a settled one as it is, whatever the options.
    const auto found = co_await call(around_.storage, &store::store::find, id);
    if (!found) co_return store_problem(found.error());
    if (!*found || !is_same(**found, options)) co_return already_tracked(id);
    co_return std::nullopt;
}

/// A part of an import that goes to the store in one call.
struct tracking_calls::chunk {
    struct source {
        transaction_id id;
        std::uint32_t line = 0;
        bool is_bare = false;
    };
    std::size_t next_line = 0; ///< of the import, where the next chunk begins
    std::vector<track::new_transaction> rows;
    std::vector<source> sources; ///< of each row
};

void tracking_calls::import(
    std::vector<api::import_line> lines, api::client_identity who, api::backend_handler<api::import_summary> handler) {
    start(add_lines(std::move(lines), who), std::move(handler));
}

task<api::outcome<api::import_summary>> tracking_calls::add_lines(
    std::vector<api::import_line> lines, api::client_identity who) {
    const std::string traceparent = lines.empty() ? std::string() : lines.front().request.options.traceparent;
    api::import_summary all;
    chunk part;
    for (;;) {
        if (auto refused = fill(part, lines, all)) co_return stop_import(std::move(*refused), all, who);
        if (part.rows.empty()) break;
        std::vector<track::new_transaction> rows = std::exchange(part.rows, {});
        const auto added = co_await call(around_.storage, &store::store::add, std::move(rows), std::nullopt);
        if (!added) co_return stop_import(store_problem(added.error()), all, who);
        count(part, *added, all);
    }
    around_.audit.write({"import", "count", all.created + all.existing, who}, "done");
    std::vector<observe::log_field> fields{
        {"source", "import"}, {"created", all.created}, {"existing", all.existing}, {"rejected", all.rejected.size()}};
    if (!traceparent.empty()) fields.emplace_back("traceparent", traceparent);
    around_.log.write(observe::log_event_id::transaction_tracked, std::span<const observe::log_field>(fields));
    co_return all;
}

/// What was taken before stays, so it is audited as well.
api::problem tracking_calls::stop_import(
    api::problem why, const api::import_summary& so_far, api::client_identity who) const {
    around_.audit.write({"import", "count", so_far.created + so_far.existing, who}, word_of(why.code));
    return with_taken(std::move(why), so_far);
}

/// A problem when it is not the line's own.
std::optional<api::problem> tracking_calls::fill(
    chunk& next, std::vector<api::import_line>& lines, api::import_summary& summary) const {
    next.sources.clear();
    while (next.next_line < lines.size() && next.rows.size() < rows_a_chunk) {
        api::import_line& line = lines[next.next_line++];
        auto taken = around_.intake.take(std::move(line.request));
        if (auto* refused = std::get_if<api::problem>(&taken)) {
            if (refused->code != api::problem_code::invalid_request) return std::move(*refused);
            summary.rejected.push_back({line.line, refused->code, std::move(refused->detail)});
            continue;
        }
        auto& row = std::get<track::new_transaction>(taken);
        next.sources.push_back({row.id, line.line, line.is_bare});
        next.rows.push_back(std::move(row));
    }
    return std::nullopt;
}

void tracking_calls::count(
    const chunk& added, const std::vector<store::add_outcome>& outcomes, api::import_summary& summary) {
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        const store::add_outcome& one = outcomes[i];
        const chunk::source& from = added.sources[i];
        // "Be sure that it is tracked": it says nothing of options, and changes none.
        const bool is_meant = one.what == store::add_result::conflict && from.is_bare;
        switch (is_meant ? store::add_result::existing : one.what) {
        case store::add_result::created:
            ++summary.created;
            around_.polls.take_in(track::active_transaction{from.id, one.facts, one.revision, one.shard});
            break;
        case store::add_result::existing:
            ++summary.existing;
            break;
        case store::add_result::conflict:
            summary.rejected.push_back(
                {from.line, api::problem_code::already_tracked, already_tracked(from.id).detail});
            break;
        }
    }
}

} // namespace prooftrack::engine
