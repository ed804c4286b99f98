#include "observe/render.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "observe/event_table.hpp"

namespace prooftrack::observe {
namespace {

constexpr std::string_view ellipsis = "\xE2\x80\xA6";
constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view identifier = "prooftrackd";

/// One character of a text.
struct character {
    char32_t code = 0;
    std::size_t length = 0; ///< bytes; 0 = not UTF-8
};

/// The well-formed sequence at the front (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF).
character next_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const char32_t first = byte(0);
    if (first < 0x80) return {first, 1};
    character found;
    if (first >= 0xC2 && first < 0xE0 && tail(1)) {
        found = {((first & 0x1FU) << 6U) | (byte(1) & 0x3FU), 2};
    } else if (first >= 0xE0 && first < 0xF0 && tail(1) && tail(2)) {
        found = {((first & 0x0FU) << 12U) | ((byte(1) & 0x3FU) << 6U) | (byte(2) & 0x3FU), 3};
        if (found.code < 0x800 || (found.code >= 0xD800 && found.code < 0xE000)) found.length = 0;
    } else if (first >= 0xF0 && first < 0xF5 && tail(1) && tail(2) && tail(3)) {
        found = {
            ((first & 0x07U) << 18U) | ((byte(1) & 0x3FU) << 12U) | ((byte(2) & 0x3FU) << 6U) | (byte(3) & 0x3FU), 4};
        if (found.code < 0x10000 || found.code > 0x10FFFF) found.length = 0;
    }
    return found;
}

/// Could move the cursor, break the line, or make a line read otherwise than it is.
bool is_treacherous(char32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x200E && code <= 0x200F) ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void append_escaped(std::string& out, std::string_view text, std::size_t most) {
    const bool is_cut = text.size() > most;
    std::size_t used = 0;
    while (!text.empty()) {
        const auto [code, length] = next_character(text);
        const std::size_t taken = std::max<std::size_t>(length, 1);
        if (used + taken > most) break;
        used += taken;
        if (length == 0) {
            out += replacement;
        } else if (code == '"' || code == '\\') {
            out += '\\';
            out += static_cast<char>(code);
        } else if (code == '\n') {
            out += "\\n";
        } else if (code == '\r') {
            out += "\\r";
        } else if (code == '\t') {
            out += "\\t";
        } else if (is_treacherous(code)) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(code));
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(taken);
    }
    if (is_cut) out += ellipsis;
}

std::size_t bound_of(log_event_id event) {
    if (event == log_event_id::config_reloaded) return max_list_bytes;
    // These hold what a person has to do, whole.
    return event == log_event_id::config_refused || event == log_event_id::store_error ? max_mistake_bytes
                                                                                       : max_value_bytes;
}

bool is_plain(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > 0x20 && c < 0x7F && c != '"' && c != '=' && c != '\\';
    });
}

void append_logfmt_fields(std::string& out, const log_line& line) {
    for (const log_field& field : line.fields) {
        out += ' ';
        out += shown_key(field.key);
        out += '=';
        if (field.value.size() <= bound_of(line.event) && is_plain(field.value)) {
            out += field.value;
        } else {
            out += '"';
            append_escaped(out, field.value, bound_of(line.event));
            out += '"';
        }
    }
}

void render_logfmt(std::string& out, const log_line& line) {
    out += "ts=";
    out += format_wall_time(line.at);
    out += " level=";
    out += to_string(line.level);
    out += " event=";
    out += info_of(line.event).name;
    append_logfmt_fields(out, line);
    out += '\n';
}

void append_name(std::string& out, std::string_view key) {
    out += out.back() == '{' ? "\"" : ",\"";
    out += key;
    out += "\":";
}

void append_member(std::string& out, std::string_view key, std::string_view value, std::size_t most) {
    append_name(out, key);
    out += '"';
    append_escaped(out, value, most);
    out += '"';
}

void render_json(std::string& out, const log_line& line) {
    out += '{';
    append_member(out, "ts", format_wall_time(line.at), max_value_bytes);
    append_member(out, "level", to_string(line.level), max_value_bytes);
    append_member(out, "event", info_of(line.event).name, max_value_bytes);
    for (const log_field& field : line.fields) {
        if (field.is_text) {
            append_member(out, shown_key(field.key), field.value, bound_of(line.event));
        } else {
            append_name(out, shown_key(field.key));
            out += field.value;
        }
    }
    out += "}\n";
}

/// The journal takes `NAME=value` lines; no value here holds a newline, because it is escaped.
void append_journal_field(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += '=';
    out += value;
    out += '\n';
}

void append_journal_name(std::string& out, std::string_view key) {
    constexpr std::size_t longest_name = 64;
    const std::size_t begin = out.size();
    out += "PROOFTRACKD_";
    for (const char c : key) {
        if (out.size() - begin == longest_name) return;
        const bool is_lower = c >= 'a' && c <= 'z';
        const bool is_allowed = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out += is_lower ? static_cast<char>(c - 'a' + 'A') : is_allowed ? c : '_';
    }
}

void render_journald(std::string& out, const log_line& line) {
    const log_event_info& info = info_of(line.event);
    out += "MESSAGE=";
    out += info.name;
    append_logfmt_fields(out, line);
    out += '\n';
    append_journal_field(out, "PRIORITY", fmt::format("{}", static_cast<int>(line.level)));
    append_journal_field(out, "SYSLOG_IDENTIFIER", identifier);
    if (!info.message_id.empty()) append_journal_field(out, "MESSAGE_ID", info.message_id);
    append_journal_field(out, "PROOFTRACKD_EVENT", info.name);
    for (const log_field& field : line.fields) {
        append_journal_name(out, shown_key(field.key));
        out += '=';
        append_escaped(out, field.value, bound_of(line.event));
        out += '\n';
    }
}

} // namespace

std::string escape_value(std::string_view text, std::size_t most) {
    std::string out;
    append_escaped(out, text, most);
    return out;
}

void render(std::string& out, log_format format, const log_line& line) {
    switch (format) {
    case log_format::logfmt:
        render_logfmt(out, line);
        return;
    case log_format::json:
        render_json(out, line);
        return;
    case log_format::journald:
        render_journald(out, line);
        return;
    }
}

} // namespace prooftrack::observe
