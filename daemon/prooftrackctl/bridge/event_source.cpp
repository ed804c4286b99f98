#include "prooftrackctl/bridge/event_source.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "prooftrackctl/bridge/window.hpp"
#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

namespace errc = boost::system::errc;

api_request events_behind(std::uint64_t after, std::size_t limit, milliseconds wait) {
    api_request request = events_request(after, limit);
    if (wait <= milliseconds(0)) return request;
    request.target += "&wait=" + format_duration(wait);
    request.patience += wait;
    return request;
}

consumers_command about(const std::string& name, consumers_command::action what, std::optional<std::uint64_t> seq) {
    consumers_command command;
    command.what = what;
    command.name = name;
    command.seq = seq;
    return command;
}

} // namespace

event_source::event_source(command_context& context, std::string consumer, bool from_oldest)
    : context_(context), consumer_(std::move(consumer)), from_oldest_(from_oldest), most_events_(max_bridge_window) {}

void event_source::begin() {
    const api_reply reply = ask(context_, events_request(0, 1));
    log_id_ = json_of(reply)["log_id"].text();
    if (place() != source_result::done) throw command_failure(exit_status::unreachable, reason_);
}

/// Away, or thrown.
source_result event_source::failed(const op_result<api_reply>& answer) {
    if (!answer) {
        if (answer.error().code == errc::make_error_condition(errc::permission_denied))
            throw_unreachable(context_, answer.error());
        reason_ = describe_unreachable(answer.error(), context_.options.socket);
        return source_result::away;
    }
    if (answer->status < 500 && answer->status != 408) throw_refused(*answer);
    reason_ = describe_refusal(*answer);
    return source_result::away;
}

source_result event_source::place() {
    const auto reply = context_.api.exchange(consumers_request({}));
    if (!reply || !reply->ok()) return failed(reply);
    const json_view list = json_of(*reply);
    for (const json_view& each : list["consumers"].elements()) {
        if (each["name"].text() != consumer_) continue;
        cursor_ = each["seq"].unsigned_integer().value_or(0);
        is_placed_ = true;
        return source_result::done;
    }
    // A restored database has the consumer where it stood then. One that does not know it may hold what was never
    // published.
    return make(from_oldest_ || is_other_log_);
}

source_result event_source::make(bool at_oldest) {
    const std::optional<std::uint64_t> seq = at_oldest ? std::optional<std::uint64_t>(0) : std::nullopt;
    const auto reply = context_.api.exchange(consumers_request(about(consumer_, consumers_command::action::add, seq)));
    if (!reply || !reply->ok()) return failed(reply);
    cursor_ = json_of(*reply)["seq"].unsigned_integer().value_or(0);
    is_placed_ = true;
    note(fmt::format(
        "made the consumer {}: events behind seq {} are published{}", consumer_, cursor_,
        at_oldest ? "" : " (--from-oldest would begin at the oldest)"));
    return source_result::done;
}

bool event_source::is_same_log(const json_view& page) {
    const std::string log_id = page["log_id"].text();
    if (log_id == log_id_) return true;
    log_id_ = log_id;
    is_placed_ = false;
    is_other_log_ = true;
    note(fmt::format(
        "the daemon has another event log now (a restored backup): going on where the consumer {} stands in it",
        consumer_));
    return false;
}

source_result event_source::read(std::vector<bridge_event>& page, std::size_t limit, milliseconds wait) {
    page.clear();
    if (!is_placed_) {
        if (const source_result placed = place(); placed != source_result::done) return placed;
    }
    const auto reply = context_.api.exchange(events_behind(cursor_, std::min(limit, most_events_), wait));
    if (!reply && reply.error().code == errc::make_error_condition(errc::message_size) && most_events_ > 1) {
        most_events_ = (most_events_ + 1) / 2;
        return source_result::done;
    }
    if (reply && reply->status == 410) {
        if (const source_result log = look_at_log(); log != source_result::done) return log;
        return cursor_gone(*reply);
    }
    if (!reply || !reply->ok()) return failed(reply);
    return read_page(*reply, page);
}

source_result event_source::read_page(const api_reply& reply, std::vector<bridge_event>& page) {
    const json_view json = json_of(reply);
    if (!is_same_log(json)) return source_result::other_log;
    for (const json_view& each : json["events"].elements()) {
        auto event = read_bridge_event(each);
        if (!event) {
            throw command_failure(
                exit_status::refused,
                fmt::format(
                    "event {} cannot be read: is the daemon of another version?", printable(each["seq"].text())));
        }
        page.push_back(std::move(*event));
    }
    if (!page.empty()) cursor_ = page.back().seq;
    return source_result::done;
}

source_result event_source::cursor_gone(const api_reply& reply) {
    const json_view problem = json_view::parse(reply.body);
    const std::uint64_t oldest = problem["oldest_seq"].unsigned_integer().value_or(0);
    const std::uint64_t last = problem["last_seq"].unsigned_integer().value_or(0);
    if (cursor_ > 0 && from_oldest_) {
        note(fmt::format(
            "the consumer {} stands at event {}, and the log holds {} to {}: what was pruned is passed over "
            "(--from-oldest)",
            consumer_, cursor_, oldest, last));
        cursor_ = 0;
        return source_result::done;
    }
    throw command_failure(
        exit_status::refused,
        fmt::format(
            "the consumer {0} stands at event {1}, and the log holds {2} to {3}: what lies between was pruned before "
            "it "
            "was published (it waits for store.consumer_retention), or the consumer is of another database.\n"
            "Nothing was passed over. `prooftrackctl export transactions` has the end of every transaction; with "
            "--from-oldest the bridge goes on at the oldest event that is left.",
            consumer_, cursor_, oldest, last));
}

/// A restored database could give the same numbers to other events: they must not be acknowledged unread.
source_result event_source::look_at_log() {
    const auto reply = context_.api.exchange(events_request(0, 1));
    if (!reply || !reply->ok()) return failed(reply);
    return is_same_log(json_of(*reply)) ? source_result::done : source_result::other_log;
}

source_result event_source::acknowledge(std::uint64_t seq) {
    if (const source_result log = look_at_log(); log != source_result::done) return log;
    const auto reply = context_.api.exchange(consumers_request(about(consumer_, consumers_command::action::ack, seq)));
    if (reply && reply->status == 404) {
        throw command_failure(
            exit_status::refused,
            fmt::format("the consumer {} was removed while its events were published, up to {}", consumer_, seq));
    }
    if (!reply || !reply->ok()) return failed(reply);
    return source_result::done;
}

} // namespace prooftrack::ctl
