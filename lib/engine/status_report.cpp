#include "engine/status_report.hpp"

#include <map>

#include <fmt/format.h>

#include "base/json_string.hpp"
#include "engine/cluster_report.hpp"
#include "engine/meters.hpp"

namespace prooftrack::engine {
namespace {

double in_seconds(steady_duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string format_counts(const std::map<std::string_view, std::uint64_t>& counts) {
    std::string out = "{";
    for (const auto& [name, count] : counts) {
        if (out.size() > 1) out += ',';
        append_json_string(out, name);
        out += fmt::format(":{}", count);
    }
    return out + "}";
}

std::string format_transactions(const store::store_status& stored) {
    std::map<std::string_view, std::uint64_t> by_state;
    std::map<std::string_view, std::uint64_t> by_status;
    for (std::size_t i = 0; i < track::tracking_state_count; ++i)
        by_state[to_string(static_cast<track::tracking_state>(i))] = 0;
    for (const auto& [key, count] : stored.transactions) {
        by_state[to_string(key.first)] += count;
        if (key.second == track::status_kind::none) {
            by_status["none"] += count;
        } else {
            by_status[to_string(key.second)] += count;
        }
    }
    return fmt::format(R"({{"by_state":{},"by_status":{}}})", format_counts(by_state), format_counts(by_status));
}

std::string format_proof(const track::proof_health& health, std::string_view protocol) {
    std::string out = "{\"health\":";
    append_json_string(out, to_string(health.kind()));
    out += ",\"since\":";
    if (health.since() == wall_time{}) {
        out += "null";
    } else {
        append_json_string(out, format_wall_time(health.since()));
    }
    out += ",\"detail\":";
    if (const std::string standing = health.standing(); standing.empty()) {
        out += "null";
    } else {
        append_json_string(out, standing);
    }
    out += ",\"protocol\":";
    if (protocol.empty()) {
        out += "null";
    } else {
        append_json_string(out, protocol);
    }
    return out + "}";
}

void append_time(std::string& out, std::string_view name, const std::optional<wall_time>& time) {
    out += fmt::format(",\"{}\":", name);
    if (time) {
        append_json_string(out, format_wall_time(*time));
    } else {
        out += "null";
    }
}

std::string format_callbacks(const std::vector<callback_view>& callbacks) {
    std::string out = "[";
    for (const callback_view& view : callbacks) {
        if (out.size() > 1) out += ',';
        out += format_callback(view);
    }
    return out + "]";
}

std::string format_consumers(const std::vector<track::consumer_view>& consumers, wall_time now) {
    std::string out = "[";
    for (const track::consumer_view& consumer : consumers) {
        if (out.size() > 1) out += ',';
        out += "{\"name\":";
        append_json_string(out, consumer.name);
        out += fmt::format(
            R"(,"seq":{},"lag":{},"age_seconds":{}}})", value_of(consumer.seq), consumer.lag,
            age_of(consumer, now).count());
    }
    return out + "]";
}

std::string format_maintenance(const std::optional<track::maintenance_mark>& mark) {
    if (!mark) return "null";
    std::string out = R"({"on":true)";
    append_time(out, "since", mark->since);
    out += ",\"note\":";
    if (mark->note.empty()) {
        out += "null";
    } else {
        append_json_string(out, mark->note);
    }
    return out + "}";
}

std::string format_config(const config_standing& config, const std::string& file) {
    const bool is_refused = !config.refusal.empty();
    std::string out = "{\"file\":";
    if (file.empty()) {
        out += "null";
    } else {
        append_json_string(out, file);
    }
    out += ",\"state\":";
    append_json_string(out, is_refused ? "refused" : "ok");
    out += ",\"since\":";
    append_json_string(out, format_wall_time(config.since));
    out += ",\"detail\":";
    if (is_refused) {
        append_json_string(out, config.refusal);
    } else {
        out += "null";
    }
    return out + "}";
}

std::string format_secrets(const std::vector<secret_view>& secrets) {
    std::string out = "[";
    for (const secret_view& one : secrets) {
        if (out.size() > 1) out += ',';
        out += "{\"name\":";
        append_json_string(out, one.name);
        out += ",\"fingerprints\":[";
        for (std::size_t i = 0; i < one.fingerprints.size(); ++i) {
            if (i > 0) out += ',';
            append_json_string(out, one.fingerprints[i]);
        }
        out += "]}";
    }
    return out + "]";
}

} // namespace

std::string format_callback(const callback_view& view) {
    std::string out = "{\"name\":";
    append_json_string(out, view.name);
    out += ",\"state\":";
    append_json_string(out, to_string(view.state));
    out += fmt::format(
        R"(,"backlog":{},"oldest_undelivered_seconds":{},"dead":{})", view.backlog, view.oldest_undelivered_seconds,
        view.dead);
    append_time(out, "failing_since", view.failing_since);
    out += ",\"last_error\":";
    if (view.last_error.empty()) {
        out += "null";
    } else {
        append_json_string(out, view.last_error);
    }
    append_time(out, "next_try_at", view.next_try_at);
    append_time(out, "paused_since", view.paused_since);
    return out + "}";
}

std::string format_status(const status_facts& facts) {
    const store::store_status& store = facts.stored;
    std::string out = "{\"version\":";
    append_json_string(out, facts.version);
    out += fmt::format(
        R"(,"uptime_seconds":{},"transactions":{})", std::chrono::floor<seconds>(facts.uptime).count(),
        format_transactions(store));
    out += fmt::format(
        R"(,"polls":{{"per_second":{:.1f},"in_flight":{},"lag_p99_seconds":{:.3f},"oldest_due_seconds":{:.3f}}})",
        facts.core.made_rate(), facts.core.in_flight(), in_seconds(facts.lag_p99),
        in_seconds(facts.core.oldest_due(facts.now)));
    out += fmt::format(
        R"(,"proof":{},"callbacks":{})", format_proof(facts.core.health(), facts.protocol),
        format_callbacks(facts.callbacks));
    out += ",\"store\":{\"state\":";
    append_json_string(out, to_string(store.state));
    out += fmt::format(
        R"(,"bytes":{},"wal_bytes":{},"free_bytes":{}}})", store.db_bytes, store.wal_bytes, store.free_bytes);
    out += fmt::format(
        R"(,"events":{{"first_seq":{},"last_seq":{},"log_id":)", value_of(store.first_seq), value_of(store.last_seq));
    append_json_string(out, store.log_id);
    out += "},\"maintenance\":" + format_maintenance(store.maintenance);
    out += fmt::format(R"(,"pid":{})", facts.process.pid);
    out += ",\"config\":" + format_config(facts.config, facts.process.config_file);
    if (facts.cluster != nullptr) out += ",\"cluster\":" + format_cluster(*facts.cluster);
    out += ",\"consumers\":" + format_consumers(facts.consumers, facts.now.wall);
    return out + ",\"secrets\":" + format_secrets(facts.secrets) + "}";
}

} // namespace prooftrack::engine
