#include "engine/options_calls.hpp"

#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"
#include "net/json.hpp"

namespace prooftrack::engine {
namespace {

/// So often the row is read.
constexpr int most_tries = 5;

api::problem already_ended(const track::transaction_view& view) {
    return refuse(
        api::problem_code::already_ended,
        fmt::format(
            "'{}' is untracked: POST it to /v1/transactions to track it anew, with any options", view.id.str()));
}

/// What is given is checked as that of a POST; a callback_url that stays may be one that is allowed no more.
std::optional<api::problem> check(const transaction_intake& intake, const api::options_patch& patch) {
    api::tracking_options given;
    given.callback_url = patch.callback_url;
    return intake.check(given);
}

/// The row as it will be: the patch over what is stored.
store::options_change make_change(
    const transaction_intake& intake, const track::transaction_view& stored, const api::options_patch& patch) {
    api::tracking_options options;
    if (patch.metadata) {
        options.metadata = patch.metadata->bytes;
        options.metadata_canonical = patch.metadata->canonical;
    } else {
        const auto canonical = net::canonical_json(stored.metadata);
        options.metadata = stored.metadata;
        options.metadata_canonical = canonical ? *canonical : stored.metadata;
    }
    options.callback_url = patch.sets_callback_url ? patch.callback_url : stored.callback_url;
    // As it was given or configured then: the two times of a row are moved together or not at all.
    options.overdue_after = stored.facts.overdue_at - stored.facts.tracked_at;
    track::new_transaction row = intake.make_row(api::track_request{stored.id, std::move(options)});
    return {
        .id = std::move(row.id),
        .revision = stored.revision,
        .metadata = std::move(row.metadata),
        .callback_url = std::move(row.callback_url),
        .callback_lane = std::move(row.callback_lane),
        .options_digest = row.options_digest};
}

} // namespace

void options_calls::set_options(
    transaction_id id, api::options_patch patch, api::client_identity who,
    api::backend_handler<track::transaction_view> handler) {
    auto audited = around_.audit.audited({"set_options", "merchant_transaction_id", id.str(), who}, std::move(handler));
    start(change(std::move(id), std::move(patch)), std::move(audited));
}

task<api::outcome<track::transaction_view>> options_calls::change(transaction_id id, api::options_patch patch) {
    if (auto refused = check(around_.intake, patch)) co_return std::move(*refused);
    for (int tries = most_tries; tries > 0; --tries) {
        const track::tracker& core = around_.polls.follow_clock();
        const auto found = core.find(id.str());
        if (found && core.is_recording(*found)) { // what would make this change stale
            const track::row_ref row = *found;
            co_await call(around_.polls, &poll_driver::after_change, row);
        }
        auto stored = co_await call(around_.storage, &store::store::find, id);
        if (!stored) co_return store_problem(stored.error());
        if (!*stored) co_return unknown_transaction(id);
        track::transaction_view view = std::move(**stored);
        if (view.facts.state == track::tracking_state::untracked) co_return already_ended(view);
        store::options_change wanted = make_change(around_.intake, view, patch);
        view.metadata = wanted.metadata;
        view.callback_url = wanted.callback_url;
        const auto set = co_await call(around_.storage, &store::store::set_options, std::move(wanted));
        if (!set && set.error().code == store::store_error::not_found) co_return unknown_transaction(id);
        if (!set && set.error().code == store::store_error::stale) continue;
        if (!set) co_return store_problem(set.error());
        if (const auto row = around_.polls.follow_clock().find(id.str()))
            around_.polls.step_at_once(track::revised_event{*row, view.revision, *set});
        co_return around_.views.with_live(std::move(view));
    }
    co_return refuse(
        api::problem_code::unavailable, fmt::format("'{}' is being changed again and again: try again", id.str()));
}

} // namespace prooftrack::engine
