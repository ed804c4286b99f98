#include "script_document.hpp"

#include <array>
#include <initializer_list>
#include <stdexcept>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "base/ids.hpp"
#include "reply.hpp"

namespace prooftrack::sandbox {
namespace {

namespace json = boost::json;

constexpr std::size_t most_steps = 1'000;
constexpr std::size_t longest_status = 1'024;
constexpr std::uint64_t most_huge_bytes = 1ULL << 30U;
constexpr std::size_t most_fault_body = 1U << 20U;

/// Thrown inside this file alone: a document is read by small functions, and any of them may find the mistake.
struct mistake : std::runtime_error {
    using runtime_error::runtime_error;
};

json::value parse_json(std::string_view text) {
    boost::system::error_code error;
    auto parsed = json::parse(json::string_view(text), error);
    if (error) throw mistake(fmt::format("not JSON: {}", error.message()));
    return parsed;
}

const json::object& as_object(const json::value& value, std::string_view what) {
    const auto* members = value.if_object();
    if (members == nullptr) throw mistake(fmt::format("{} must be a JSON object", what));
    return *members;
}

void refuse_unknown(const json::object& members, std::initializer_list<std::string_view> known, std::string_view what) {
    for (const auto& [key, value] : members) {
        bool found = false;
        for (auto name : known) found = found || name == std::string_view(key);
        if (!found) throw mistake(fmt::format("{}: unknown member \"{}\"", what, std::string_view(key)));
    }
}

std::string as_text(const json::value& value, std::string_view what) {
    const auto* text = value.if_string();
    if (text == nullptr) throw mistake(fmt::format("{} must be a string", what));
    return {text->data(), text->size()};
}

milliseconds as_duration(const json::value& value, std::string_view what) {
    const auto duration = parse_duration(as_text(value, what));
    if (!duration) throw mistake(fmt::format("{} must be a duration like \"250ms\" or \"2s\"", what));
    return *duration;
}

std::uint64_t as_count(const json::value& value, std::string_view what, std::uint64_t most) {
    boost::system::error_code error;
    const auto count = value.to_number<std::uint64_t>(error);
    if (error || count > most) throw mistake(fmt::format("{} must be a whole number from 0 to {}", what, most));
    return count;
}

std::string as_status(const json::value& value) {
    auto status = as_text(value, "status");
    if (status.size() > longest_status) throw mistake("status is longer than 1024 bytes");
    return status;
}

std::vector<script_step> as_script(const json::value& value) {
    const auto* steps = value.if_array();
    if (steps == nullptr || steps->size() > most_steps) {
        throw mistake("script must be an array of at most 1000 steps {\"after\", \"status\"}");
    }
    std::vector<script_step> script;
    for (const auto& step : *steps) {
        const auto& members = as_object(step, "a step of a script");
        refuse_unknown(members, {"after", "status"}, "a step of a script");
        const auto* after = members.if_contains("after");
        const auto* status = members.if_contains("status");
        if (after == nullptr || status == nullptr) throw mistake("a step of a script needs \"after\" and \"status\"");
        script.push_back({as_duration(*after, "after"), as_status(*status)});
        if (script.size() > 1 && script.back().after < script[script.size() - 2].after) {
            throw mistake("the times of a script count from its beginning and must not fall");
        }
    }
    return script;
}

transaction_change as_change(const json::value& value) {
    if (value.is_string()) return {as_status(value), {}, std::nullopt};
    const auto& members = as_object(value, "a transaction");
    refuse_unknown(members, {"status", "script", "body"}, "a transaction");
    transaction_change change;
    if (const auto* status = members.if_contains("status")) change.status = as_status(*status);
    if (const auto* script = members.if_contains("script")) change.script = as_script(*script);
    if (const auto* body = members.if_contains("body")) change.raw_body = as_text(*body, "body");
    if (members.empty()) throw mistake("a transaction needs \"status\", \"script\" or \"body\"");
    return change;
}

/// `retry_after` is a duration (sent as whole seconds), or sent as it is written.
std::string as_retry_after(const json::value& value) {
    if (!value.is_string()) return std::to_string(as_count(value, "retry_after", 1'000'000'000));
    auto text = as_text(value, "retry_after");
    if (const auto duration = parse_duration(text))
        return std::to_string(std::chrono::ceil<seconds>(*duration).count());
    return text;
}

void refuse_line_breaks(std::string_view text) {
    if (text.find_first_of("\r\n") != std::string_view::npos) throw mistake("a header must not hold a line break");
}

fault as_fault(const json::value& value) {
    const auto& members = as_object(value, "a fault");
    refuse_unknown(
        members,
        {"kind", "path", "count", "for", "status", "retry_after", "retry_after_date", "headers", "body", "delay",
         "duration", "after", "size", "bytes", "at", "error", "streams"},
        "a fault");
    fault out;
    const auto* kind_value = members.if_contains("kind");
    const auto kind = kind_value == nullptr ? std::nullopt : parse_fault_kind(as_text(*kind_value, "kind"));
    if (!kind) {
        throw mistake("a fault needs a \"kind\": status, delay, close, truncate, garbage, wrong_id, huge, stall, drip, "
                      "endless_header, refuse, goaway, refuse_stream, reset or max_streams");
    }
    out.kind = *kind;
    for (const auto& [key, member] : members) {
        if (key == "path") out.path = as_text(member, "path");
        if (key == "count") out.count = as_count(member, "count", UINT64_MAX);
        if (key == "for") out.lasts = as_duration(member, "for");
        if (key == "status") out.http_status = static_cast<int>(as_count(member, "status", 999));
        if (key == "retry_after") out.retry_after = as_retry_after(member);
        if (key == "retry_after_date") out.retry_after_date = as_duration(member, "retry_after_date");
        if (key == "body") out.body = as_text(member, "body");
        if (key == "delay" || key == "duration" || key == "after") out.delay = as_duration(member, key);
        if (key == "size" || key == "bytes") out.size = as_count(member, "size", most_huge_bytes);
        if (key == "streams") out.streams = static_cast<std::uint32_t>(as_count(member, "streams", INT32_MAX));
        if (key == "error") {
            out.error = parse_http2_error(as_text(member, "error"));
            if (!out.error) throw mistake("error must be a name of HTTP/2, such as CANCEL or ENHANCE_YOUR_CALM");
        }
        if (key == "at") {
            out.at = parse_fault_point(as_text(member, "at"));
            if (!out.at) throw mistake("at must be before, header, body or after");
        }
        if (key == "headers") {
            for (const auto& [name, text] : as_object(member, "headers")) {
                out.headers.emplace_back(std::string(name), as_text(text, "a header"));
                refuse_line_breaks(out.headers.back().first);
                refuse_line_breaks(out.headers.back().second);
            }
        }
    }
    refuse_line_breaks(out.retry_after);
    if (out.http_status < 200) throw mistake("status must be from 200 to 999");
    if (out.body && out.body->size() > most_fault_body) throw mistake("body is longer than 1 MiB");
    if (out.kind == fault_kind::refuse && !out.lasts && !out.count) {
        throw mistake("refuse needs \"for\" or \"count\": nobody could turn it off again");
    }
    return out;
}

std::vector<fault> as_faults(const json::value& value) {
    std::vector<fault> faults;
    if (const auto* many = value.if_array()) {
        for (const auto& one : *many) faults.push_back(as_fault(one));
    } else {
        faults.push_back(as_fault(value));
    }
    return faults;
}

script_document as_document(const json::value& value) {
    const auto& members = as_object(value, "a script");
    refuse_unknown(members, {"transactions", "sessions", "users", "faults"}, "a script");
    script_document out;
    if (const auto* transactions = members.if_contains("transactions")) {
        for (const auto& [id, change] : as_object(*transactions, "transactions")) {
            if (!transaction_id::parse(std::string_view(id))) {
                throw mistake(fmt::format("\"{}\": {}", std::string_view(id), transaction_id_rule));
            }
            out.transactions.emplace_back(std::string(id), as_change(change));
        }
    }
    if (const auto* sessions = members.if_contains("sessions")) {
        const auto& inner = as_object(*sessions, "sessions");
        refuse_unknown(inner, {"script"}, "sessions");
        if (const auto* script = inner.if_contains("script")) out.session_script = as_script(*script);
    }
    if (const auto* users = members.if_contains("users")) {
        for (const auto& [id, status] : as_object(*users, "users"))
            out.users.emplace_back(std::string(id), as_status(status));
    }
    if (const auto* faults = members.if_contains("faults")) out.faults = as_faults(*faults);
    return out;
}

template <class Read>
auto read(std::string_view text, Read as_what) -> document_result<decltype(as_what(json::value()))> {
    try {
        return {boost::system::in_place_value, as_what(parse_json(text))};
    } catch (const mistake& what) {
        return document_error{what.what()};
    }
}

} // namespace

void throw_exception_from_error(const document_error& error, const boost::source_location&) {
    throw std::runtime_error(error.message);
}

document_result<script_document> parse_script_document(std::string_view text) { return read(text, as_document); }

document_result<transaction_change> parse_transaction_change(std::string_view text) {
    return read(text, [](const json::value& value) {
        as_object(value, "a transaction");
        return as_change(value);
    });
}

document_result<std::vector<fault>> parse_faults(std::string_view text) { return read(text, as_faults); }

document_result<std::string> parse_user_status(std::string_view text) {
    return read(text, [](const json::value& value) {
        const auto& members = as_object(value, "a user");
        refuse_unknown(members, {"status"}, "a user");
        const auto* status = members.if_contains("status");
        if (status == nullptr) throw mistake("a user needs \"status\"");
        return as_status(*status);
    });
}

std::string format_fault(const fault& what) {
    std::string out = R"({"kind":)";
    append_json(out, to_string(what.kind));
    out += R"(,"path":)";
    append_json(out, what.path);
    if (what.kind == fault_kind::status) out += fmt::format(R"(,"status":{})", what.http_status);
    if (what.count) out += fmt::format(R"(,"count":{})", *what.count);
    if (what.lasts) out += fmt::format(R"(,"for":"{}")", format_duration(*what.lasts));
    if (what.delay) out += fmt::format(R"(,"delay":"{}")", format_duration(*what.delay));
    if (what.kind == fault_kind::max_streams) out += fmt::format(R"(,"streams":{})", what.streams);
    if (what.error) out += fmt::format(R"(,"error":"{}")", format_http2_error(*what.error));
    out += '}';
    return out;
}

} // namespace prooftrack::sandbox
