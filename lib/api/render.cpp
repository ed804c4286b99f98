#include "api/render.hpp"

#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "api/problem.hpp"
#include "base/json_string.hpp"

namespace prooftrack::api {
namespace {

/// Writes one object, member by member.
class object_writer {
  public:
    explicit object_writer(std::string& out) : out_(out) { out_ += '{'; }
    void close() { out_ += '}'; }

    void raw(std::string_view name, std::string_view json) {
        key(name);
        out_ += json;
    }
    void text(std::string_view name, std::string_view value) {
        key(name);
        append_json_string(out_, value);
    }
    void text_or_null(std::string_view name, std::string_view value) {
        if (value.empty()) {
            raw(name, "null");
        } else {
            text(name, value);
        }
    }
    void number(std::string_view name, std::uint64_t value) {
        key(name);
        fmt::format_to(std::back_inserter(out_), "{}", value);
    }
    void time(std::string_view name, wall_time when) { text(name, format_wall_time(when)); }
    void time_or_null(std::string_view name, const std::optional<wall_time>& when) {
        text_or_null(name, when ? format_wall_time(*when) : std::string());
    }

  private:
    void key(std::string_view name) {
        if (!first_) out_ += ',';
        first_ = false;
        append_json_string(out_, name);
        out_ += ':';
    }
    std::string& out_;
    bool first_ = true;
};

template <class Items, class Append>
std::string array_of(const Items& items, Append append) {
    std::string out = "[";
    for (const auto& item : items) {
        if (out.size() > 1) out += ',';
        append(out, item);
    }
    out += ']';
    return out;
}

void append_transaction(std::string& out, const track::transaction_view& view) {
    const track::tracking_facts& facts = view.facts;
    object_writer writer(out);
    writer.text("merchant_transaction_id", view.id.str());
    writer.text("state", to_string(facts.state));
    writer.text_or_null("status", facts.status);
    writer.raw("metadata", view.metadata);
    writer.text_or_null("callback_url", view.callback_url ? std::string_view(*view.callback_url) : std::string_view());
    writer.time("tracked_at", facts.tracked_at);
    writer.time_or_null("settled_at", facts.settled_at);
    writer.time("overdue_at", facts.overdue_at);
    writer.time_or_null("last_polled_at", facts.last_polled_at);
    writer.time_or_null("next_poll_at", view.next_poll_at);
    writer.number("polls", facts.polls);
    writer.number("consecutive_errors", view.consecutive_errors);
    writer.text_or_null("last_error", view.last_error);
    if (!view.node.empty()) writer.text("node", view.node);
    writer.raw("proof", view.proof.empty() ? std::string_view("null") : view.proof);
    writer.close();
}

void append_delivery(std::string& out, const track::delivery_view& view) {
    object_writer writer(out);
    writer.number("id", value_of(view.id));
    writer.text("event_id", view.event_id);
    writer.text("event_type", view.event_type);
    writer.text("merchant_transaction_id", view.transaction.str());
    writer.text("callback", view.callback);
    writer.text("state", to_string(view.state));
    writer.number("attempts", view.attempts);
    writer.time_or_null("last_attempt_at", view.last_attempt_at);
    writer.text_or_null("last_error", view.last_error);
    // 0 is the exit status of a command that succeeded, or stands for an attempt that got no status at all.
    const bool has_status = view.last_status != 0 || view.state == track::delivery_state::delivered;
    writer.raw("last_status", has_status ? fmt::format("{}", view.last_status) : "null");
    writer.time_or_null("next_attempt_at", view.next_attempt_at);
    if (!view.note.empty()) writer.text("note", view.note);
    writer.close();
}

void append_change(std::string& out, const track::history_entry& entry) {
    object_writer writer(out);
    writer.time("at", entry.at);
    writer.text_or_null("from_state", entry.from_state ? to_string(*entry.from_state) : std::string_view());
    writer.text("to_state", to_string(entry.to_state));
    writer.text_or_null("from_status", entry.from_status);
    writer.text_or_null("to_status", entry.to_status);
    writer.text_or_null("request_id", entry.request_id);
    writer.text_or_null("reply_sha256", entry.reply_sha256);
    writer.close();
}

void append_rejection(std::string& out, const import_rejection& rejection) {
    object_writer writer(out);
    writer.number("line", rejection.line);
    writer.text("code", kind_of(rejection.code).word);
    writer.text("detail", rejection.detail);
    writer.close();
}

std::string page(std::string_view name, const std::string& items, std::string_view next_cursor) {
    std::string out;
    out.reserve(items.size() + 128);
    object_writer writer(out);
    writer.raw(name, items);
    writer.text_or_null("next_cursor", next_cursor);
    writer.close();
    return out;
}

} // namespace

std::string render_transaction(const track::transaction_view& view) {
    std::string out;
    append_transaction(out, view);
    return out;
}

std::string render_delivery(const track::delivery_view& view) {
    std::string out;
    append_delivery(out, view);
    return out;
}

std::string render_transactions(const track::transaction_page& list) {
    return page("transactions", array_of(list.transactions, append_transaction), list.next_cursor);
}

std::string render_history(const track::transaction_history& history) {
    std::string out;
    object_writer writer(out);
    writer.raw("changes", array_of(history.changes, append_change));
    writer.raw("deliveries", array_of(history.deliveries, append_delivery));
    writer.close();
    return out;
}

std::string render_deliveries(const track::delivery_page& list) {
    return page("deliveries", array_of(list.deliveries, append_delivery), list.next_cursor);
}

std::string render_events(const event_list& list) {
    std::string out;
    object_writer writer(out);
    writer.raw("events", array_of(list.events, [](std::string& to, const log_event& event) { to += *event.json; }));
    writer.number("next_after", value_of(list.next_after));
    writer.text("log_id", list.log_id);
    writer.close();
    return out;
}

std::string render_consumer(const track::consumer_view& consumer, wall_time now) {
    std::string out;
    object_writer writer(out);
    writer.text("name", consumer.name);
    writer.number("seq", value_of(consumer.seq));
    writer.number("lag", consumer.lag);
    // A clock that stepped back must not give an age below 0.
    const bool waiting = consumer.oldest_pending && *consumer.oldest_pending < now;
    const milliseconds age = waiting ? now - *consumer.oldest_pending : milliseconds(0);
    writer.number("age_seconds", static_cast<std::uint64_t>(age.count() / 1000));
    writer.close();
    return out;
}

std::string render_consumers(const std::vector<track::consumer_view>& consumers, wall_time now) {
    const auto append = [now](std::string& out, const track::consumer_view& each) {
        out += render_consumer(each, now);
    };
    return "{\"consumers\":" + array_of(consumers, append) + "}";
}

std::string render_replay(const track::replay_view& replay) {
    const auto append_text = [](std::string& out, const std::string& each) { append_json_string(out, each); };
    std::string out;
    object_writer writer(out);
    writer.number("id", value_of(replay.id));
    writer.text("callback", replay.query.callback);
    writer.text("state", to_string(replay.state));
    writer.text("only", replay.query.only_missing ? "missing" : "all");
    writer.number("after_seq", value_of(replay.query.after));
    writer.number("before_seq", value_of(replay.query.before.value_or(event_seq{})));
    writer.time_or_null("since", replay.query.since);
    writer.time_or_null("until", replay.query.until);
    writer.raw("types", array_of(replay.query.types, append_text));
    writer.number("events", replay.events);
    writer.number("made", replay.made);
    writer.number("delivered", replay.delivered);
    writer.number("pending", replay.pending);
    writer.time("created_at", replay.created_at);
    writer.time_or_null("ended_at", replay.ended_at);
    writer.close();
    return out;
}

std::string render_replays(const std::vector<track::replay_view>& replays) {
    const auto append = [](std::string& out, const track::replay_view& each) { out += render_replay(each); };
    return "{\"replays\":" + array_of(replays, append) + "}";
}

std::string render_import(const import_summary& summary) {
    std::string out;
    object_writer writer(out);
    writer.number("created", summary.created);
    writer.number("existing", summary.existing);
    writer.raw("rejected", array_of(summary.rejected, append_rejection));
    writer.close();
    return out;
}

std::string render_untracked(const untrack_summary& summary) {
    std::string out;
    object_writer writer(out);
    writer.number("matched", summary.matched);
    writer.number("untracked", summary.untracked);
    writer.close();
    return out;
}

std::string render_callback_test(const callback_test_result& test) {
    std::string out;
    object_writer writer(out);
    writer.raw("status", test.status ? fmt::format("{}", *test.status) : "null");
    writer.number("duration_ms", static_cast<std::uint64_t>(test.duration.count()));
    writer.text("body", test.body);
    writer.text_or_null("error", test.error);
    writer.close();
    return out;
}

std::string render_reasons(const std::vector<std::string>& reasons) {
    return array_of(reasons, [](std::string& out, const std::string& reason) { append_json_string(out, reason); });
}

} // namespace prooftrack::api
