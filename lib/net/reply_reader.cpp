#include "net/reply_reader.hpp"

#include <algorithm>

#include "base/host_rules.hpp"
#include "net/http_text.hpp"

namespace prooftrack::net {
namespace {

constexpr std::string_view version_prefix = "HTTP/1.";
constexpr std::string_view blanks = " \t\r";
constexpr std::size_t max_kept_headers = 128;
constexpr int max_interim_replies = 8;

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1  204 "; 0 for anything else.
int read_status(std::string_view line) {
    if (!line.starts_with(version_prefix) || line.size() <= version_prefix.size()) return 0;
    line.remove_prefix(version_prefix.size());
    if (line.front() != '0' && line.front() != '1') return 0;
    line.remove_prefix(1);
    if (line.empty() || (line.front() != ' ' && line.front() != '\t')) return 0;
    line = trim(line);
    const std::string_view digits = line.substr(0, 3);
    const bool ends = line.size() == 3 || (line.size() > 3 && (line[3] == ' ' || line[3] == '\t'));
    if (digits.size() != 3 || !ends || !std::all_of(digits.begin(), digits.end(), is_digit)) return 0;
    const int status = parse_whole_number<int>(digits).value_or(0);
    return status < 100 ? 0 : status;
}

} // namespace

std::optional<std::string_view> http_reply::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (equal_ignoring_case(key, name)) return value;
    }
    return std::nullopt;
}

std::size_t reply_reader::feed(std::string_view bytes) {
    std::size_t taken = 0;
    if (!bytes.empty()) is_untouched_ = false;
    while (taken < bytes.size() && !is_over()) {
        const std::string_view rest = bytes.substr(taken);
        taken += has_head() ? take_body(rest) : take_line(rest);
    }
    return taken;
}

void reply_reader::finish(bool in_order) {
    if (is_over()) return;
    if (stage_ == stage::body_to_end && in_order && !is_odd_) {
        reply_.is_whole = true;
        stage_ = stage::whole;
    } else {
        stage_ = stage::broken;
    }
}

void reply_reader::break_off(error_code fault) {
    if (!has_status()) fault_ = fault;
    stage_ = stage::broken;
}

std::size_t reply_reader::take_line(std::string_view bytes) {
    const auto newline = bytes.find('\n');
    const std::size_t taken = newline == std::string_view::npos ? bytes.size() : newline + 1;
    if (line_bytes_ + taken > limits_.header) {
        break_off(net_error::header_too_large);
        return taken;
    }
    line_bytes_ += taken;
    line_.append(bytes.substr(0, taken));
    // Garbage is refused at its first byte, not at its first line break.
    const std::string_view begun = std::string_view(line_).substr(0, version_prefix.size());
    const bool is_blank = begun.find_first_not_of("\r\n") == std::string_view::npos;
    if (stage_ == stage::status_line && !is_blank && !version_prefix.starts_with(begun)) {
        break_off(net_error::not_http);
    } else if (newline != std::string_view::npos) {
        const std::string whole = std::exchange(line_, {});
        std::string_view line = std::string_view(whole).substr(0, whole.size() - 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        on_line(line);
    }
    return taken;
}

void reply_reader::on_line(std::string_view line) {
    switch (stage_) {
    case stage::status_line:
        if (!line.empty()) on_status_line(line); // an empty line may stand before it (RFC 9112, 2.2)
        return;
    case stage::interim_head:
        if (line.empty()) stage_ = stage::status_line;
        return;
    case stage::head:
        if (line.empty()) return on_head_end();
        return on_field(line);
    default:
        return;
    }
}

void reply_reader::on_status_line(std::string_view line) {
    const int status = read_status(line);
    // 101 would make the rest another protocol, which nobody asked for.
    if (status == 0 || status == 101) return break_off(net_error::not_http);
    if (status < 200) {
        if (++interim_ > max_interim_replies) return break_off(net_error::header_too_large);
        stage_ = stage::interim_head;
        return;
    }
    is_1_1_ = line[version_prefix.size()] == '1';
    reply_.status = status;
    stage_ = stage::head;
}

void reply_reader::on_field(std::string_view line) {
    const auto colon = line.find(':');
    const std::string_view name = trim(line.substr(0, colon));
    const bool is_folded = line.front() == ' ' || line.front() == '\t';
    if (colon == std::string_view::npos || is_folded || name.empty()) {
        is_odd_ = true;
        return;
    }
    const std::string_view value = trim(line.substr(colon + 1));
    if (equal_ignoring_case(name, "Content-Length")) {
        on_length(value);
    } else if (equal_ignoring_case(name, "Transfer-Encoding")) {
        is_odd_ = is_odd_ || is_chunked_ || !equal_ignoring_case(value, "chunked");
        is_chunked_ = equal_ignoring_case(value, "chunked");
    } else if (equal_ignoring_case(name, "Connection")) {
        const std::string options = lower_ascii(value);
        says_close_ = says_close_ || options.find("close") != std::string::npos;
        says_keep_alive_ = says_keep_alive_ || options.find("keep-alive") != std::string::npos;
    }
    if (reply_.headers.size() < max_kept_headers) reply_.headers.emplace_back(name, value);
}

void reply_reader::on_length(std::string_view value) {
    const auto length = parse_whole_number<std::uint64_t>(value);
    if (!length || (length_ && *length_ != *length)) is_odd_ = true;
    length_ = length;
}

void reply_reader::on_head_end() {
    if (is_chunked_ && length_) is_odd_ = true; // a reply that two readers may cut in two ways
    if (reply_.status == 204 || reply_.status == 304) return end_whole();
    if (is_chunked_) {
        chunks_.emplace(chunk_rules{.body = limits_.body, .lines = limits_.header - line_bytes_, .is_lenient = true});
        stage_ = stage::chunked_body;
    } else if (length_ && !is_odd_) {
        left_ = *length_;
        stage_ = stage::sized_body;
        if (left_ == 0) end_whole();
    } else {
        stage_ = stage::body_to_end;
    }
}

std::size_t reply_reader::take_chunks(std::string_view bytes) {
    const std::size_t taken = chunks_->feed(bytes, reply_.body);
    if (chunks_->is_done()) end_whole();
    if (chunks_->fault() != chunk_fault::none) stage_ = stage::broken;
    return taken;
}

std::size_t reply_reader::take_body(std::string_view bytes) {
    if (stage_ == stage::chunked_body) return take_chunks(bytes);
    std::size_t taken = bytes.size();
    if (stage_ != stage::body_to_end) taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, taken));
    const std::size_t free = limits_.body - reply_.body.size();
    reply_.body.append(bytes.substr(0, std::min(taken, free)));
    body_bytes_ += taken;
    if (body_bytes_ > limits_.body) {
        stage_ = stage::broken; // nobody reads that much for the sake of a connection
        return taken;
    }
    if (stage_ == stage::body_to_end) return taken;
    left_ -= taken;
    if (left_ == 0) end_whole();
    return taken;
}

void reply_reader::end_whole() {
    stage_ = stage::whole;
    reply_.is_whole = !is_odd_;
    reply_.keep_alive = !is_odd_ && !says_close_ && (is_1_1_ || says_keep_alive_);
}

} // namespace prooftrack::net
