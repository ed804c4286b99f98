#include "prooftrackctl/webhook_receiver.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "callback/signing.hpp"

namespace prooftrack::ctl {

namespace {

std::string header_of(const received_request& request, const char* name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? "" : found->second;
}

std::optional<std::int64_t> number_in(std::string_view text) {
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

} // namespace

receipt webhook_receiver::take(const received_request& request, wall_time now) {
    receipt result;
    result.id = header_of(request, "webhook-id");
    const auto refuse = [&result](int status, std::string reason) {
        result.status = status;
        result.reason = std::move(reason);
        return result;
    };
    if (request.method != "POST") return refuse(405, request.method + " is not POST");
    const std::string timestamp = header_of(request, "webhook-timestamp");
    const std::string signature = header_of(request, "webhook-signature");
    if (result.id.empty() || timestamp.empty() || signature.empty())
        return refuse(401, "webhook-id, -timestamp or -signature is missing");
    const auto sent = number_in(timestamp);
    if (!sent) return refuse(401, "webhook-timestamp is not a number");
    if (!callback::is_fresh_webhook(*sent, now)) {
        return refuse(401, "webhook-timestamp is over 5 minutes from this clock: a replay, or a clock that is wrong?");
    }
    if (!callback::verify_webhook(keys_, result.id, *sent, request.body, signature))
        return refuse(401, "the signature is not by one of the secrets");
    result.status = answer_;
    // After an answer other than 2xx the event is sent again: it stays unseen, so that the repeat is shown.
    if (answer_ / 100 != 2) {
        result.is_new = true;
        return result;
    }
    result.is_new = seen_.insert(result.id).second;
    if (!result.is_new) return result;
    order_.push_back(result.id);
    if (order_.size() > ids_kept) {
        seen_.erase(order_.front());
        order_.pop_front();
    }
    return result;
}

} // namespace prooftrack::ctl
