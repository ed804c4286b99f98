#include "prooftrackctl/requests.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::string_view json_type = "application/json";

/// Longer than the daemon's own deadline for a call to Proof, so that it is the daemon who says what went wrong.
constexpr milliseconds proof_patience{60'000};
/// The receiver has its own timeout in the daemon, at most a few minutes by any sane configuration.
constexpr milliseconds callback_patience{300'000};
/// A million rows take minutes, and nothing is said before the end.
constexpr milliseconds bulk_patience{3'600'000};
/// The events are counted before the answer.
constexpr milliseconds replay_patience{600'000};
/// The copy is made before its first byte is sent.
constexpr milliseconds backup_patience{600'000};

/// Collects `?name=value&…`.
class query {
  public:
    explicit query(std::string path) : text_(std::move(path)) {}
    /// An empty value is left out.
    query& add(std::string_view name, std::string_view value) { return value.empty() ? *this : add_any(name, value); }
    query& add_any(std::string_view name, std::string_view value) {
        text_ += fmt::format("{}{}={}", first_ ? '?' : '&', name, percent_encoded(value));
        first_ = false;
        return *this;
    }
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
    bool first_ = true;
};

std::string transaction_path(std::string_view id) { return "/v1/transactions/" + percent_encoded(id); }

api_request get_of(std::string target) {
    api_request request;
    request.target = std::move(target);
    return request;
}

api_request change(std::string method, std::string target, std::string body = "") {
    api_request request;
    request.method = std::move(method);
    request.target = std::move(target);
    if (!body.empty()) request.content_type = json_type;
    request.body = std::move(body);
    return request;
}

/// `{"order":"A-17"}`: all values are strings.
std::string object_of(const std::vector<std::pair<std::string, std::string>>& members) {
    std::string out = "{";
    for (const auto& [key, value] : members)
        out += fmt::format("{}{}:{}", out.size() == 1 ? "" : ",", json_string(key), json_string(value));
    return out + '}';
}

template <class Command>
Command with_span(Command what, wall_time now) {
    what.since = resolved_time(what.since, now);
    what.until = resolved_time(what.until, now);
    return what;
}

} // namespace

std::string tracking_members(const tracking_arguments& options) {
    std::string out;
    if (options.callback_url) out += ",\"callback_url\":" + json_string(*options.callback_url);
    if (!options.metadata.empty()) out += ",\"metadata\":" + object_of(options.metadata);
    if (options.overdue_after) out += ",\"overdue_after\":" + json_string(*options.overdue_after);
    return out;
}

api_request track_request_of(const track_command& what) {
    return change(
        "POST", "/v1/transactions",
        fmt::format("{{\"merchant_transaction_id\":{}{}}}", json_string(what.id), tracking_members(what.options)));
}

api_request get_request(std::string_view id) { return get_of(transaction_path(id)); }

api_request wait_request(std::string_view id, milliseconds wait) {
    const milliseconds span = std::clamp(wait, milliseconds(0), longest_wait_request);
    if (span == milliseconds(0)) return get_request(id);
    auto request = get_of(query(transaction_path(id)).add("wait", format_duration(span)).take());
    request.patience += span;
    return request;
}

api_request history_request(std::string_view id) { return get_of(transaction_path(id) + "/history"); }

api_request list_request_of(const list_command& what, std::uint64_t limit, std::string_view cursor) {
    query asked("/v1/transactions");
    asked.add("state", what.state).add("status", what.status);
    for (const auto& [key, value] : what.metadata) asked.add_any("metadata." + percent_encoded(key), value);
    return get_of(asked.add("tracked_after", what.tracked_after)
                      .add("tracked_before", what.tracked_before)
                      .add("settled_after", what.settled_after)
                      .add("settled_before", what.settled_before)
                      .add("not_delivered_to", what.not_delivered_to)
                      .add("id_prefix", what.id_prefix)
                      .add("limit", std::to_string(limit))
                      .add("cursor", cursor)
                      .take());
}

std::string resolved_time(const std::string& text, wall_time now) {
    if (const auto time = time_or_date(text)) return format_wall_time(*time);
    const auto ago = parse_duration(text);
    return ago ? format_wall_time(now - *ago) : text;
}

list_command with_times(list_command what, wall_time now) {
    for (std::string* time : {&what.tracked_after, &what.tracked_before, &what.settled_after, &what.settled_before})
        *time = resolved_time(*time, now);
    return what;
}

deliveries_command with_times(deliveries_command what, wall_time now) { return with_span(std::move(what), now); }

export_command with_times(export_command what, wall_time now) { return with_span(std::move(what), now); }

replay_command with_times(replay_command what, wall_time now) { return with_span(std::move(what), now); }

events_command with_times(events_command what, wall_time now) { return with_span(std::move(what), now); }

untrack_command with_times(untrack_command what, wall_time now) {
    what.tracked_before = resolved_time(what.tracked_before, now);
    return what;
}

api_request untrack_request(std::string_view id) { return change("DELETE", transaction_path(id)); }

api_request set_request_of(const set_command& what) {
    std::string members;
    if (!what.metadata.empty()) members += ",\"metadata\":" + object_of(what.metadata);
    if (what.callback_url) members += ",\"callback_url\":" + json_string(*what.callback_url);
    if (what.removes_callback_url) members += ",\"callback_url\":null";
    return change("PATCH", transaction_path(what.id), fmt::format("{{{}}}", std::string_view(members).substr(1)));
}

api_request untrack_matching_request(const untrack_command& what, std::string_view state, bool dry_run) {
    std::vector<std::pair<std::string, std::string>> filter;
    if (!state.empty()) filter.emplace_back("state", state);
    if (!what.status.empty()) filter.emplace_back("status", what.status);
    for (const auto& [key, value] : what.metadata) filter.emplace_back("metadata." + key, value);
    if (!what.tracked_before.empty()) filter.emplace_back("tracked_before", what.tracked_before);
    api_request request = change(
        "POST", "/v1/transactions/untrack",
        fmt::format("{{\"filter\":{},\"dry_run\":{}}}", object_of(filter), dry_run));
    request.patience = bulk_patience;
    return request;
}

api_request poll_request(std::string_view id) { return change("POST", transaction_path(id) + "/poll"); }

api_request session_request_of(const session_command& what, std::string body) {
    if (what.body_file.empty()) {
        body = "{";
        for (const auto& [name, value] : what.fields) {
            body += fmt::format("{}{}:{}", body.size() == 1 ? "" : ",", json_string(name), json_string(value));
        }
        if (std::string tracking = tracking_members(what.tracking); !tracking.empty()) {
            body +=
                fmt::format("{}\"tracking\":{{{}}}", body.size() == 1 ? "" : ",", std::string_view(tracking).substr(1));
        }
        body += '}';
    }
    api_request request = change("POST", "/v1/sessions", std::move(body));
    request.content_type = json_type;
    request.patience = proof_patience;
    if (!what.idempotency_key.empty()) request.headers.emplace_back("Idempotency-Key", what.idempotency_key);
    return request;
}

api_request kyc_request(std::string_view user) {
    api_request request = get_of(fmt::format("/v1/users/{}/kyc-status", percent_encoded(user)));
    request.patience = proof_patience;
    return request;
}

api_request events_request(std::optional<std::uint64_t> after, std::uint64_t limit, const events_command& what) {
    return get_of(query("/v1/events")
                      .add("after", after ? std::to_string(*after) : "")
                      .add("since", what.since)
                      .add("until", what.until)
                      .add("limit", std::to_string(limit))
                      .take());
}

api_request event_stream_request(std::uint64_t after) {
    api_request request = get_of(query("/v1/events").add("after", std::to_string(after)).take());
    request.headers.emplace_back("Accept", "text/event-stream");
    request.patience = milliseconds(45'000); // three missed heartbeats
    return request;
}

api_request deliveries_request(const deliveries_command& what, std::uint64_t limit, std::string_view cursor) {
    return get_of(query("/v1/deliveries")
                      .add("state", what.state)
                      .add("callback", what.callback)
                      .add("merchant_transaction_id", what.transaction)
                      .add("since", what.since)
                      .add("until", what.until)
                      .add("limit", std::to_string(limit))
                      .add("cursor", cursor)
                      .take());
}

api_request retry_delivery_request(std::string_view delivery) {
    return change("POST", fmt::format("/v1/deliveries/{}/retry", percent_encoded(delivery)));
}

api_request retry_dead_request(std::string_view callback) {
    std::string body = R"({"state":"dead")";
    if (!callback.empty()) body += ",\"callback\":" + json_string(callback);
    return change("POST", "/v1/deliveries/retry", body + '}');
}

api_request callback_test_request(std::string_view name) {
    api_request request = change("POST", fmt::format("/v1/callbacks/{}/test", percent_encoded(name)));
    request.patience = callback_patience;
    return request;
}

api_request callback_control_request(const callback_control_command& what) {
    using action = callback_control_command::action;
    const char* const verb = what.what == action::pause ? "pause" : what.what == action::resume ? "resume" : "flush";
    return change("POST", fmt::format("/v1/callbacks/{}/{}", percent_encoded(what.name), verb));
}

api_request dismiss_request(const dismiss_command& what) {
    std::string members = what.dead ? R"("state":"dead")" : "";
    const auto add = [&members](const char* name, const std::string& value) {
        if (value.empty()) return;
        members += fmt::format("{}\"{}\":{}", members.empty() ? "" : ",", name, json_string(value));
    };
    add("callback", what.callback);
    add("note", what.note);
    const std::string one = what.dead ? "" : percent_encoded(what.delivery) + "/";
    return change("POST", fmt::format("/v1/deliveries/{}dismiss", one), "{" + members + "}");
}

api_request replay_request(const replay_command& what) {
    std::string body = fmt::format("{{\"callback\":{}", json_string(what.callback));
    if (what.after) body += fmt::format(",\"after_seq\":{}", *what.after);
    if (what.before) body += fmt::format(",\"before_seq\":{}", *what.before);
    if (!what.since.empty()) body += ",\"since\":" + json_string(what.since);
    if (!what.until.empty()) body += ",\"until\":" + json_string(what.until);
    for (std::size_t i = 0; i < what.types.size(); ++i)
        body += (i == 0 ? ",\"types\":[" : ",") + json_string(what.types[i]) + (i + 1 == what.types.size() ? "]" : "");
    if (what.all) body += ",\"only\":\"all\"";
    if (what.dry_run) body += ",\"dry_run\":true";
    api_request request = change("POST", "/v1/replays", body + "}");
    request.patience = replay_patience;
    return request;
}

api_request replays_request() { return get_of("/v1/replays"); }

api_request cancel_replay_request(std::uint64_t id) { return change("DELETE", fmt::format("/v1/replays/{}", id)); }

api_request consumers_request(const consumers_command& what) {
    const std::string one = "/v1/consumers/" + percent_encoded(what.name);
    const std::string seq = what.seq ? fmt::format("{{\"seq\":{}}}", *what.seq) : "";
    switch (what.what) {
    case consumers_command::action::list:
        return get_of("/v1/consumers");
    case consumers_command::action::add:
        return change("PUT", one, seq);
    case consumers_command::action::ack:
        return change("POST", one + "/ack", seq);
    case consumers_command::action::remove:
        return change("DELETE", one);
    }
    return {};
}

api_request status_request() { return get_of("/v1/status"); }

api_request backup_request() {
    api_request request = get_of("/v1/backup");
    request.patience = backup_patience;
    return request;
}

api_request export_request(const export_command& what) {
    api_request request = get_of(query("/v1/export/" + what.list)
                                     .add("format", what.format)
                                     .add("since", what.since)
                                     .add("until", what.until)
                                     .take());
    request.patience = backup_patience;
    return request;
}

api_request log_level_request(std::string_view level) {
    return change("PUT", "/v1/log-level", fmt::format("{{\"level\":{}}}", json_string(level)));
}

api_request ready_request() { return get_of("/readyz"); }

api_request metrics_request() { return get_of("/metrics"); }

api_request maintenance_request(bool is_on, std::string_view note) {
    std::string body = fmt::format("{{\"on\":{}", is_on);
    if (!note.empty()) body += ",\"note\":" + json_string(note);
    return change("PUT", "/v1/maintenance", body + '}');
}

} // namespace prooftrack::ctl
