#include "prooftrackctl/status_view.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/cluster_view.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"

namespace prooftrack::ctl {

namespace {

milliseconds seconds_in(const json_view& number) {
    return milliseconds(static_cast<std::int64_t>(number.number().value_or(0) * 1000));
}

/// `10,000 tracking · 12 overdue`, without the zeros; cut to the room there is.
std::string counts(const json_view& by, const look& where, std::size_t indent) {
    std::string plain;
    for (const auto& [name, value] : by.members()) {
        const std::uint64_t count = value.unsigned_integer().value_or(0);
        if (count == 0) continue;
        const std::string word = name.empty() || name == "null" || name == "none" ? "no status yet" : printable(name);
        plain += fmt::format("{}{} {}", plain.empty() ? "" : where.utf8 ? " · " : ", ", grouped(count), word);
    }
    if (plain.empty()) return "none";
    return where.width > indent ? cut_to_width(plain, where.width - indent, where.ellipsis()) : plain;
}

std::string proof_line(const json_view& proof, const look& where, wall_time now) {
    const std::string health = proof["health"].text();
    if (const std::string detail = proof["detail"].text(); health == "ok" && !detail.empty())
        return painted(printable(detail), paint::warn, where);
    std::string line = painted(printable(health), paint_of(health), where);
    if (const std::string since = proof["since"].text(); !since.empty()) {
        std::string span = relative_time(since, now);
        if (span.ends_with(" ago")) span.resize(span.size() - 4);
        line += fmt::format(" for {}", span);
    }
    if (const std::string detail = proof["detail"].text(); !detail.empty()) {
        const std::size_t used = display_width(health) + 34;
        line += ": " + (where.width > used + 10 ? cut_to_width(printable(detail), where.width - used, where.ellipsis())
                                                : printable(detail));
    }
    return line;
}

std::string polls_line(const json_view& polls) {
    return fmt::format(
        "{:.1f}/s, {} in flight, lag p99 {}, oldest due {}", polls["per_second"].number().value_or(0),
        grouped(polls["in_flight"].unsigned_integer().value_or(0)),
        short_duration(seconds_in(polls["lag_p99_seconds"])), short_duration(seconds_in(polls["oldest_due_seconds"])));
}

std::string store_line(const json_view& store, const look& where) {
    const std::string state = store["state"].text();
    const std::uint64_t beside = store["wal_bytes"].unsigned_integer().value_or(0);
    const std::uint64_t free = store["free_bytes"].unsigned_integer().value_or(0);
    if (beside == 0 && free == 0 && state != "full") { // PostgreSQL does not tell
        return fmt::format(
            "{}, {} in PostgreSQL", painted(printable(state), paint_of(state), where),
            byte_size(store["bytes"].unsigned_integer().value_or(0)));
    }
    return fmt::format(
        "{}, {}, WAL {}, {} free", painted(printable(state), paint_of(state), where),
        byte_size(store["bytes"].unsigned_integer().value_or(0)), byte_size(beside), byte_size(free));
}

std::string events_line(const json_view& events, const look& where) {
    const std::string first = printable(events["first_seq"].text());
    const std::string last = printable(events["last_seq"].text());
    const std::string log = printable(events["log_id"].text());
    const bool none = events["last_seq"].unsigned_integer().value_or(0) == 0;
    const std::string range = none ? "none yet" : fmt::format("{} to {}", first, last);
    const bool narrow = where.width != 0 && where.width < 100;
    return log.empty() || narrow ? range : fmt::format("{}, log {}", range, log);
}

/// Why it fails and when it is tried next, in one line.
std::string failing_line(const json_view& callback, const look& where, wall_time now) {
    const std::string since = callback["failing_since"].text();
    const std::string next = callback["next_try_at"].text();
    const std::string error = callback["last_error"].text();
    std::string line = fmt::format("{} fails", printable(callback["name"].text()));
    if (!since.empty()) line += fmt::format(" since {}", printable(since));
    line += next.empty() ? "; tried when something for it is due" : "; next try " + relative_time(next, now);
    line += ": " + (error.empty() ? "not tried since the start" : printable(error));
    const std::string shown = where.width > 0 ? cut_to_width(line, where.width, where.ellipsis()) : line;
    return painted(shown, paint::warn, where) + "\n";
}

/// Who looks at the backlog sees why it grows.
std::string paused_line(const json_view& callback, const look& where, wall_time now) {
    const std::string name = printable(callback["name"].text());
    const std::string line = fmt::format(
        "{} was paused {}: `prooftrackctl resume {}` lets it go on", name,
        relative_time(callback["paused_since"].text(), now), name);
    const std::string shown = where.width > 0 ? cut_to_width(line, where.width, where.ellipsis()) : line;
    return painted(shown, paint::warn, where) + "\n";
}

std::string callback_table(const json_view& callbacks, const look& where, wall_time now, std::size_t most) {
    const auto all = callbacks.elements();
    if (all.empty()) return painted("  none configured\n", paint::dim, where);
    look inner = where;
    if (inner.width > 2) inner.width -= 2;
    table rows({{"NAME", false, 12}, {"STATE"}, {"BACKLOG", true}, {"OLDEST", true}, {"DEAD", true}});
    const std::size_t shown = most == 0 ? all.size() : std::min(most, all.size());
    for (std::size_t i = 0; i < shown; ++i) {
        const json_view& one = all[i];
        const std::string state = one["state"].text();
        const std::uint64_t backlog = one["backlog"].unsigned_integer().value_or(0);
        const std::uint64_t dead = one["dead"].unsigned_integer().value_or(0);
        rows.add(
            {{printable(one["name"].text())},
             {printable(state), paint_of(state)},
             {grouped(backlog)},
             {backlog == 0 ? "-" : short_duration(seconds_in(one["oldest_undelivered_seconds"]))},
             {grouped(dead), dead == 0 ? paint::plain : paint::bad}});
    }
    std::string indented;
    std::string text = rows.format(inner);
    for (std::size_t i = 0; i < shown; ++i) {
        if (all[i]["state"].text() == "failing") text += failing_line(all[i], inner, now);
        if (!all[i]["paused_since"].text().empty()) text += paused_line(all[i], inner, now);
    }
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at) + 1;
        indented += "  " + text.substr(at, end - at);
        at = end;
    }
    if (shown < all.size()) indented += fmt::format("  and {} more\n", all.size() - shown);
    return indented;
}

std::string secret_table(const json_view& secrets, const look& where) {
    table rows({{"SECRET", false, 14}, {"FINGERPRINT"}});
    for (const json_view& one : secrets.elements()) {
        std::string shown;
        for (const json_view& fingerprint : one["fingerprints"].elements())
            shown += (shown.empty() ? "" : " ") + printable(fingerprint.text());
        rows.add({{printable(one["name"].text())}, {shown}});
    }
    return rows.empty() ? "" : "\n" + rows.format(where);
}

} // namespace

std::string format_status(const json_view& status, const look& where, wall_time now, std::size_t callbacks) {
    std::string out = fmt::format(
        "{}, up {}\n", painted("prooftrackd " + printable(status["version"].text()), paint::bold, where),
        short_duration(seconds_in(status["uptime_seconds"])));
    constexpr std::size_t indent = 16;
    field_list fields;
    fields.add("Proof", proof_line(status["proof"], where, now));
    if (const json_view& mark = status["maintenance"]; mark["on"].boolean().value_or(false))
        fields.add("maintenance", maintenance_line(mark, where, now));
    fields.add("polls", polls_line(status["polls"]));
    fields.add("transactions", counts(status["transactions"]["by_state"], where, indent));
    fields.add("by status", counts(status["transactions"]["by_status"], where, indent));
    fields.add("store", store_line(status["store"], where));
    if (is_clustered(status["cluster"])) fields.add("cluster", cluster_line(status["cluster"], where));
    fields.add("events", events_line(status["events"], where));
    if (const json_view& config = status["config"]; config["state"].text() == "refused") {
        fields.add(
            "config", fmt::format(
                          "{} {}: {}; the one from before stays in force", painted("refused", paint::bad, where),
                          relative_time(config["since"].text(), now), printable(config["detail"].text())));
    }
    out += fields.format(where);
    out += "\n" + painted("callbacks", paint::bold, where) + "\n";
    out += callback_table(status["callbacks"], where, now, callbacks);
    return callbacks == 0 ? out + secret_table(status["secrets"], where) : out;
}

std::string maintenance_line(const json_view& mark, const look& where, wall_time now) {
    if (!mark["on"].boolean().value_or(false)) return "off";
    std::string span = relative_time(mark["since"].text(), now); // "now" within a second
    span = span.ends_with(" ago") ? " for " + span.substr(0, span.size() - 4) : "";
    const std::string note = mark["note"].text();
    return fmt::format(
        "{}{}: nothing is polled, nothing delivered{}", painted("on", paint::warn, where), span,
        note.empty() ? "" : " (" + printable(note) + ")");
}

std::vector<std::string> reasons_against(const json_view& ready, const json_view& status) {
    std::vector<std::string> reasons;
    for (const json_view& reason : ready["reasons"].elements()) reasons.push_back("not ready: " + reason.text());
    const json_view proof = status["proof"];
    const std::string health = proof["health"].text();
    if (health == "ok") return reasons;
    const std::string detail = proof["detail"].text();
    reasons.push_back(fmt::format("Proof is {}{}", health, detail.empty() ? "" : ": " + detail));
    return reasons;
}

} // namespace prooftrack::ctl
