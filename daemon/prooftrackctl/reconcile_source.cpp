#include "prooftrackctl/reconcile_source.hpp"

#include <fmt/format.h>

#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

std::optional<std::string> text_of(const json_view& value) {
    std::string text = value.text();
    return text.empty() ? std::nullopt : std::optional(std::move(text));
}

/// Asks for page after page; `request` makes one from a cursor. A page may be empty and have a cursor: what stood on it
/// does not fit a filter, or is gone.
template <class Request, class Visit>
void each_page(command_context& context, std::string_view items, const Request& request, const Visit& visit) {
    std::string cursor;
    for (;;) {
        const api_reply reply = ask(context, request(cursor));
        const json_view page = json_of(reply);
        for (const json_view& item : page[items].elements()) visit(item);
        std::string next = page["next_cursor"].text();
        if (next.empty() || next == cursor) return;
        cursor = std::move(next);
    }
}

} // namespace

track::known_transaction known_transaction_of(const json_view& transaction) {
    track::known_transaction known;
    std::string state;
    json_view proof;
    for (const json_view::member& one : transaction.members()) { // one pass: there may be a million of them
        if (one.name == "merchant_transaction_id") known.id = one.value.text();
        if (one.name == "state") state = one.value.text();
        if (one.name == "status") known.status = text_of(one.value);
        if (one.name == "tracked_at") known.tracked_at = one.value.text();
        if (one.name == "settled_at") known.settled_at = one.value.text();
        if (one.name == "proof") proof = one.value;
    }
    const auto parsed = track::parse_tracking_state(state);
    if (known.id.empty() || !parsed)
        throw command_failure(
            exit_status::refused,
            fmt::format("the daemon's list cannot be understood (state {}): is it newer?", printable(state)));
    known.state = *parsed;
    for (const json_view::member& one : proof.members()) {
        if (one.name == "fiat_amount") known.fiat_amount = text_of(one.value);
        if (one.name == "fiat_currency") known.fiat_currency = text_of(one.value);
    }
    return known;
}

std::vector<std::string> former_statuses_of(const json_view& history) {
    std::vector<std::string> words;
    for (const json_view& change : history["changes"].elements()) {
        const auto to_state = track::parse_tracking_state(change["to_state"].text());
        std::string word = change["from_status"].text();
        if (to_state &&
            track::takes_word_back(
                track::parse_tracking_state(change["from_state"].text()), word, *to_state, change["to_status"].text()))
            words.push_back(std::move(word));
    }
    return words;
}

void api_reconcile_source::each_transaction(const std::function<void(const track::known_transaction&)>& visit) {
    const auto request = [](const std::string& cursor) { return list_request_of({}, page_size, cursor); };
    each_page(context_, "transactions", request, [&visit](const json_view& one) { visit(known_transaction_of(one)); });
}

void api_reconcile_source::each_owed(const std::function<void(std::string_view)>& visit) {
    for (const char* state : {"pending", "dead"}) {
        deliveries_command wanted;
        wanted.state = state;
        const auto request = [&wanted](const std::string& cursor) {
            return deliveries_request(wanted, page_size, cursor);
        };
        each_page(context_, "deliveries", request, [&visit](const json_view& one) {
            visit(one["merchant_transaction_id"].text());
        });
    }
}

std::optional<track::known_transaction> api_reconcile_source::find(const std::string& id) {
    auto answer = context_.api.exchange(get_request(id));
    if (!answer) throw_unreachable(context_, answer.error());
    if (answer->status == 404) return std::nullopt;
    if (!answer->ok()) throw_refused(*answer);
    return known_transaction_of(json_of(*answer));
}

std::vector<std::string> api_reconcile_source::former_statuses(const std::string& id) {
    const auto answer = context_.api.exchange(history_request(id));
    if (!answer) throw_unreachable(context_, answer.error());
    if (answer->status == 404) return {}; // pruned since the page was read
    if (!answer->ok()) throw_refused(*answer);
    return former_statuses_of(json_of(*answer));
}

} // namespace prooftrack::ctl
