#include "track/reconcile_source.hpp"

namespace prooftrack::track {
namespace {

std::optional<std::string_view> view_of(const std::optional<std::string>& text) {
    return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

} // namespace

known_facts known_transaction::facts(bool owed) const {
    return {state, view_of(status), view_of(fiat_amount), view_of(fiat_currency), owed, {}};
}

bool takes_word_back(
    std::optional<tracking_state> from_state, std::string_view from_status, tracking_state to_state,
    std::string_view to_status) {
    return from_state == tracking_state::settled && to_state == tracking_state::settled && !from_status.empty() &&
           from_status != to_status;
}

} // namespace prooftrack::track
