#include "proof/reply_parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "proof/ascii.hpp"

namespace prooftrack {
namespace {

constexpr std::array<std::string_view, 8> fault_words{
    "",
    "not an HTTP/1.1 reply",
    "malformed header",
    "header too large",
    "contradicting lengths",
    "malformed chunk",
    "body too large",
    "truncated",
};

constexpr std::string_view version_prefix = "HTTP/1.";

/// Bytes of chunk lines that are tolerated for each byte of body: the smallest chunk costs five ("1", CRLF, CRLF).
constexpr std::size_t framing_per_byte = 8;

constexpr bool is_token_byte(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

constexpr std::array<bool, 256> make_token_table() {
    std::array<bool, 256> table{};
    for (unsigned i = 1; i < 128; ++i) table[i] = is_token_byte(static_cast<char>(i));
    return table;
}
constexpr std::array<bool, 256> token_table = make_token_table();

bool is_token(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return token_table[static_cast<unsigned char>(c)]; });
}

/// Tab, visible ASCII, space and the bytes over 127 that old servers send; no control byte.
bool is_field_text(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
    });
}

/// A whole unsigned number in the given base; nullopt for anything else or an overflow.
std::optional<std::size_t> parse_size(std::string_view text, int base) {
    std::size_t value = 0;
    if (text.empty() || text.front() == '-') return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

} // namespace

std::string_view describe(reply_fault fault) { return fault_words.at(static_cast<std::size_t>(fault)); }

void reply_parser::reset(std::size_t max_body) {
    max_body_ = max_body;
    header_.clear();
    body_.clear();
    line_start_ = spent_ = remaining_ = length_ = 0;
    phase_ = phase::status_line;
    fault_ = reply_fault::none;
    status_ = 0;
    version_one_one_ = keep_alive_ = close_asked_ = keep_alive_asked_ = chunked_ = sized_ = seen_cr_ = false;
    content_type_ = content_encoding_ = request_id_ = retry_after_ = date_ = extent{};
}

void reply_parser::fail(reply_fault fault) {
    fault_ = fault;
    phase_ = phase::faulted;
    keep_alive_ = false;
}

std::size_t reply_parser::feed(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && phase_ != phase::done && phase_ != phase::faulted) {
        const std::string_view rest = bytes.substr(taken);
        taken += in_lines() ? take_line_bytes(rest) : take_body_bytes(rest);
    }
    return taken;
}

void reply_parser::finish() {
    if (phase_ == phase::body_to_end) {
        phase_ = phase::done;
    } else if (phase_ != phase::done && phase_ != phase::faulted) {
        fail(reply_fault::truncated);
    }
}

std::size_t reply_parser::take_line_bytes(std::string_view bytes) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t wanted = newline == std::string_view::npos ? bytes.size() : newline + 1;
    if (header_.size() + spent_ + wanted > max_reply_header + framing_per_byte * body_.size()) {
        fail(reply_fault::header_too_large);
        return wanted;
    }
    header_.append(bytes.substr(0, wanted));
    const std::string_view line = std::string_view(header_).substr(line_start_);
    // Garbage is refused at its first byte, not at its first newline.
    const std::string_view begin = line.substr(0, version_prefix.size());
    if (phase_ == phase::status_line && !version_prefix.starts_with(begin)) {
        fail(reply_fault::not_http);
    } else if (newline != std::string_view::npos) {
        end_line();
    }
    return wanted;
}

void reply_parser::end_line() {
    std::string_view line = std::string_view(header_).substr(line_start_);
    const std::size_t start = line_start_;
    if (!line.ends_with("\r\n")) return fail(reply_fault::malformed_header);
    line.remove_suffix(2);
    line_start_ = header_.size();
    switch (phase_) {
    case phase::status_line:
        return take_status_line(line);
    case phase::fields:
        return line.empty() ? end_fields() : take_field(line, start);
    case phase::chunk_line:
        take_chunk_line(line);
        break;
    case phase::trailers:
        if (line.empty()) {
            phase_ = phase::done;
        } else {
            const std::size_t colon = line.find(':');
            if (!is_token(line.substr(0, colon)) || !is_field_text(line)) return fail(reply_fault::malformed_header);
        }
        break;
    default:
        return;
    }
    // Lines after the head are not kept, only counted: the views of the fields point before them.
    spent_ += line.size() + 2;
    header_.resize(start);
    line_start_ = start;
}

void reply_parser::take_status_line(std::string_view line) {
    // "HTTP/1.1 200 OK": the reason, with the space before it, may be missing.
    const bool well_formed = line.size() >= 12 && line.starts_with(version_prefix) &&
                             (line[7] == '0' || line[7] == '1') && line[8] == ' ' &&
                             (line.size() == 12 || line[12] == ' ') && is_field_text(line);
    if (!well_formed) return fail(reply_fault::not_http);
    const auto status = parse_size(line.substr(9, 3), 10);
    if (!status || *status < 100 || *status > 599) return fail(reply_fault::not_http);
    version_one_one_ = line[7] == '1';
    status_ = static_cast<int>(*status);
    phase_ = phase::fields;
}

void reply_parser::take_field(std::string_view line, std::size_t line_start) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(reply_fault::malformed_header);
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim_blanks(line.substr(colon + 1));
    // A name that is no token also catches folded lines and a space before the colon.
    if (!is_token(name) || !is_field_text(value)) return fail(reply_fault::malformed_header);

    const auto keep_first = [&](extent& field) {
        if (field.seen) return;
        field = {line_start + static_cast<std::size_t>(value.data() - line.data()), value.size(), true};
    };
    switch (name.size()) {
    case 4:
        if (equal_ignoring_case(name, "date")) keep_first(date_);
        break;
    case 10:
        if (equal_ignoring_case(name, "connection")) take_connection(value);
        break;
    case 11:
        if (equal_ignoring_case(name, "retry-after")) keep_first(retry_after_);
        break;
    case 12:
        if (equal_ignoring_case(name, "content-type")) keep_first(content_type_);
        if (equal_ignoring_case(name, "x-request-id")) keep_first(request_id_);
        break;
    case 14:
    case 17:
        take_framing(name, value);
        break;
    case 16:
        if (equal_ignoring_case(name, "content-encoding")) {
            // Two of them are two codings: nothing that we accept.
            if (content_encoding_.seen) return fail(reply_fault::malformed_header);
            keep_first(content_encoding_);
        }
        break;
    default:
        break;
    }
}

void reply_parser::take_framing(std::string_view name, std::string_view value) {
    if (equal_ignoring_case(name, "content-length")) {
        const auto length = parse_size(value, 10);
        if (!length || (sized_ && *length != length_)) return fail(reply_fault::bad_framing);
        sized_ = true;
        length_ = *length;
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
        if (chunked_ || !version_one_one_ || !equal_ignoring_case(value, "chunked"))
            return fail(reply_fault::bad_framing);
        chunked_ = true;
    }
}

void reply_parser::take_connection(std::string_view value) {
    while (!value.empty()) {
        const std::size_t comma = value.find(',');
        const std::string_view option = trim_blanks(value.substr(0, comma));
        close_asked_ = close_asked_ || equal_ignoring_case(option, "close");
        keep_alive_asked_ = keep_alive_asked_ || equal_ignoring_case(option, "keep-alive");
        value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
    }
}

void reply_parser::end_fields() {
    if (chunked_ && sized_) return fail(reply_fault::bad_framing);
    if (status_ == 101) return fail(reply_fault::not_http); // nobody asked for another protocol
    if (status_ < 200) {
        // An interim reply: only its size is remembered.
        const std::size_t spent = spent_ + header_.size();
        reset(max_body_);
        spent_ = spent;
        return;
    }
    keep_alive_ = !close_asked_ && (version_one_one_ || keep_alive_asked_);
    if (status_ == 204 || status_ == 304) {
        phase_ = phase::done;
    } else if (chunked_) {
        phase_ = phase::chunk_line;
    } else if (sized_) {
        if (length_ > max_body_) return fail(reply_fault::body_too_large);
        remaining_ = length_;
        phase_ = length_ == 0 ? phase::done : phase::sized_body;
    } else {
        keep_alive_ = false;
        phase_ = phase::body_to_end;
    }
}

void reply_parser::take_chunk_line(std::string_view line) {
    const std::size_t semicolon = line.find(';'); // extensions are skipped
    const auto size = parse_size(trim_blanks(line.substr(0, semicolon)), 16);
    if (!size || !is_field_text(line)) return fail(reply_fault::malformed_chunk);
    if (*size > max_body_ - body_.size()) return fail(reply_fault::body_too_large);
    remaining_ = *size;
    phase_ = *size == 0 ? phase::trailers : phase::chunk_data;
}

bool reply_parser::take_chunk_end(char byte) {
    if (byte != (seen_cr_ ? '\n' : '\r')) return false;
    if (seen_cr_) phase_ = phase::chunk_line;
    seen_cr_ = !seen_cr_;
    return true;
}

std::size_t reply_parser::take_body_bytes(std::string_view bytes) {
    if (phase_ == phase::chunk_end) {
        if (!take_chunk_end(bytes.front())) fail(reply_fault::malformed_chunk);
        ++spent_;
        return 1;
    }
    if (phase_ == phase::body_to_end) {
        if (bytes.size() > max_body_ - body_.size()) {
            fail(reply_fault::body_too_large);
        } else {
            body_.append(bytes);
        }
        return bytes.size();
    }
    const std::size_t taken = std::min(bytes.size(), remaining_);
    body_.append(bytes.substr(0, taken));
    remaining_ -= taken;
    if (remaining_ == 0) phase_ = phase_ == phase::sized_body ? phase::done : phase::chunk_end;
    return taken;
}

} // namespace prooftrack
