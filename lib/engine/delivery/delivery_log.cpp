#include "engine/delivery/delivery_log.hpp"

#include <string>
#include <utility>
#include <vector>

#include "track/event.hpp"

namespace prooftrack::engine {
namespace {

std::vector<observe::log_field> fields_of(const delivery_attempt& one) {
    const track::delivery_view& view = one.record->view;
    std::vector<observe::log_field> fields;
    fields.emplace_back("callback", view.callback);
    fields.emplace_back("event_id", view.event_id);
    fields.emplace_back("event_type", view.event_type);
    fields.emplace_back("merchant_transaction_id", view.transaction.str());
    fields.emplace_back("delivery", value_of(view.id));
    fields.emplace_back("attempt", one.number);
    // A command that succeeded has the exit status 0; else 0 means that there was none.
    if (one.outcome.status != 0 || one.outcome.what == callback::delivery_outcome::verdict::delivered)
        fields.emplace_back("status", one.outcome.status);
    if (!one.outcome.error.empty()) fields.emplace_back("error", one.outcome.error);
    if (std::string trace = track::event_traceparent(one.record->traceparent, view.event_id); !trace.empty())
        fields.emplace_back("traceparent", std::move(trace));
    return fields;
}

void add_took(std::vector<observe::log_field>& fields, const delivery_attempt& one) {
    fields.emplace_back("took_ms", std::chrono::duration_cast<milliseconds>(one.outcome.took).count());
}

std::vector<observe::log_field> fields_of(const delivery_slot& place) {
    std::vector<observe::log_field> fields;
    fields.emplace_back("callback", place.shown_name());
    if (place.is_url) fields.emplace_back("lane", place.name);
    fields.emplace_back("since", format_wall_time(place.failing_from));
    return fields;
}

void write(observe::event_log& log, observe::log_event_id event, const std::vector<observe::log_field>& fields) {
    log.write(event, std::span<const observe::log_field>(fields));
}

} // namespace

void log_delivered(observe::event_log& log, const delivery_attempt& one) {
    std::vector<observe::log_field> fields = fields_of(one);
    add_took(fields, one);
    write(log, observe::log_event_id::callback_delivered, fields);
}

void log_failed(observe::event_log& log, const delivery_attempt& one, std::uint64_t behind) {
    std::vector<observe::log_field> fields = fields_of(one);
    add_took(fields, one);
    if (one.ending.next_attempt_at)
        fields.emplace_back("next_attempt_at", format_wall_time(*one.ending.next_attempt_at));
    if (behind > 0) fields.emplace_back("waiting", behind);
    write(log, observe::log_event_id::callback_failed, fields);
}

void log_dead(observe::event_log& log, const delivery_attempt& one) {
    write(log, observe::log_event_id::callback_dead, fields_of(one));
}

void log_failing(observe::event_log& log, const delivery_slot& place) {
    std::vector<observe::log_field> fields = fields_of(place);
    if (!place.last_error.empty()) fields.emplace_back("error", place.last_error);
    write(log, observe::log_event_id::callback_failing, fields);
}

void log_recovered(observe::event_log& log, const delivery_slot& place) {
    write(log, observe::log_event_id::callback_recovered, fields_of(place));
}

void log_paused(
    observe::event_log& log, std::string_view callback, wall_time since, std::optional<std::uint64_t> backlog) {
    std::vector<observe::log_field> fields{{"callback", callback}, {"since", format_wall_time(since)}};
    if (backlog) fields.emplace_back("backlog", *backlog);
    write(log, observe::log_event_id::callback_paused, fields);
}

void log_resumed(observe::event_log& log, std::string_view callback, wall_time since) {
    log.write(observe::log_event_id::callback_resumed, {{"callback", callback}, {"since", format_wall_time(since)}});
}

void log_unconfigured(observe::event_log& log, const store::lane_summary& summary) {
    std::vector<observe::log_field> fields;
    fields.emplace_back("callback", summary.callback);
    if (is_own_url_lane(summary.lane)) fields.emplace_back("lane", summary.lane);
    fields.emplace_back("backlog", summary.pending);
    write(log, observe::log_event_id::callback_unconfigured, fields);
}

} // namespace prooftrack::engine
