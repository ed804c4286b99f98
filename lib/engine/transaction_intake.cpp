#include "engine/transaction_intake.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/http_url.hpp"
#include "engine/digests.hpp"
#include "engine/problems.hpp"

namespace prooftrack::engine {

std::optional<api::problem> transaction_intake::check(const api::tracking_options& options) const {
    if (rules_.state.life != daemon_state::phase::running)
        return refuse(api::problem_code::unavailable, "the daemon is starting or stopping: try again in a moment");
    if (rules_.state.disk == track::store_state::full) return full_disk();
    if (rules_.state.disk == track::store_state::unreachable) return unreachable_store();
    if (!options.callback_url) return std::nullopt;
    const auto url = rules_.callbacks.check_own(*options.callback_url);
    if (!url) return refuse(api::problem_code::invalid_request, fmt::format("callback_url: {}", url.error().message()));
    return std::nullopt;
}

track::new_transaction transaction_intake::make_row(api::track_request request) const {
    const milliseconds overdue_after = request.options.overdue_after.value_or(rules_.config.poll.overdue_after);
    track::new_transaction made{
        .id = std::move(request.id),
        .metadata = request.options.metadata,
        .callback_url = request.options.callback_url,
        .callback_lane = "",
        .now = rules_.clock.now().wall,
        .overdue_after = overdue_after,
        .options_digest = options_digest(request.options, overdue_after),
        .traceparent = request.options.traceparent};
    if (made.callback_url) made.callback_lane = format_lane(parse_http_url(*made.callback_url).value());
    return made;
}

api::outcome<track::new_transaction> transaction_intake::take(api::track_request request) const {
    if (auto refused = check(request.options)) return std::move(*refused);
    return make_row(std::move(request));
}

} // namespace prooftrack::engine
