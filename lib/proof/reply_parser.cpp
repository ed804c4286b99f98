#include "proof/reply_parser.hpp"

#include <algorithm>
#include <array>

#include "net/http_text.hpp"

namespace prooftrack::proof {
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

reply_fault fault_of(net::chunk_fault fault) {
    switch (fault) {
    case net::chunk_fault::none:
        break;
    case net::chunk_fault::malformed:
        return reply_fault::malformed_chunk;
    case net::chunk_fault::lines_too_long:
        return reply_fault::header_too_large;
    case net::chunk_fault::body_too_large:
        return reply_fault::body_too_large;
    }
    return reply_fault::none;
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
    version_one_one_ = keep_alive_ = close_asked_ = keep_alive_asked_ = chunked_ = sized_ = false;
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
    if (header_.size() + spent_ + wanted > max_reply_header) {
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
    if (phase_ == phase::status_line) return take_status_line(line);
    if (line.empty()) return end_fields();
    take_field(line, start);
}

void reply_parser::take_status_line(std::string_view line) {
    // "HTTP/1.1 200 OK": the reason, with the space before it, may be missing.
    const bool well_formed = line.size() >= 12 && line.starts_with(version_prefix) &&
                             (line[7] == '0' || line[7] == '1') && line[8] == ' ' &&
                             (line.size() == 12 || line[12] == ' ') && net::is_field_text(line);
    if (!well_formed) return fail(reply_fault::not_http);
    const auto status = net::parse_whole_number<int>(line.substr(9, 3));
    if (!status || *status < 100 || *status > 599) return fail(reply_fault::not_http);
    version_one_one_ = line[7] == '1';
    status_ = *status;
    phase_ = phase::fields;
}

void reply_parser::take_field(std::string_view line, std::size_t line_start) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(reply_fault::malformed_header);
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = net::trim_blanks(line.substr(colon + 1));
    // A name that is no token also catches folded lines and a space before the colon.
    if (!net::is_token(name) || !net::is_field_text(value)) return fail(reply_fault::malformed_header);

    const auto keep_first = [&](extent& field) {
        if (field.seen) return;
        field = {line_start + static_cast<std::size_t>(value.data() - line.data()), value.size(), true};
    };
    switch (name.size()) {
    case 4:
        if (net::equal_ignoring_case(name, "date")) keep_first(date_);
        break;
    case 10:
        if (net::equal_ignoring_case(name, "connection")) take_connection(value);
        break;
    case 11:
        if (net::equal_ignoring_case(name, "retry-after")) keep_first(retry_after_);
        break;
    case 12:
        if (net::equal_ignoring_case(name, "content-type")) keep_first(content_type_);
        if (net::equal_ignoring_case(name, "x-request-id")) keep_first(request_id_);
        break;
    case 14:
    case 17:
        take_framing(name, value);
        break;
    case 16:
        if (net::equal_ignoring_case(name, "content-encoding")) {
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
    if (net::equal_ignoring_case(name, "content-length")) {
        const auto length = net::parse_whole_number<std::size_t>(value);
        if (!length || (sized_ && *length != length_)) return fail(reply_fault::bad_framing);
        sized_ = true;
        length_ = *length;
    } else if (net::equal_ignoring_case(name, "transfer-encoding")) {
        if (chunked_ || !version_one_one_ || !net::equal_ignoring_case(value, "chunked"))
            return fail(reply_fault::bad_framing);
        chunked_ = true;
    }
}

void reply_parser::take_connection(std::string_view value) {
    while (!value.empty()) {
        const std::size_t comma = value.find(',');
        const std::string_view option = net::trim_blanks(value.substr(0, comma));
        close_asked_ = close_asked_ || net::equal_ignoring_case(option, "close");
        keep_alive_asked_ = keep_alive_asked_ || net::equal_ignoring_case(option, "keep-alive");
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
        chunks_.reset({.body = max_body_, .lines = max_reply_header - spent_ - header_.size()});
        phase_ = phase::chunks;
    } else if (sized_) {
        if (length_ > max_body_) return fail(reply_fault::body_too_large);
        remaining_ = length_;
        phase_ = length_ == 0 ? phase::done : phase::sized_body;
    } else {
        keep_alive_ = false;
        phase_ = phase::body_to_end;
    }
}

std::size_t reply_parser::take_chunk_bytes(std::string_view bytes) {
    const std::size_t taken = chunks_.feed(bytes, body_);
    if (chunks_.fault() != net::chunk_fault::none) {
        fail(fault_of(chunks_.fault()));
    } else if (chunks_.is_done()) {
        phase_ = phase::done;
    }
    return taken;
}

std::size_t reply_parser::take_body_bytes(std::string_view bytes) {
    if (phase_ == phase::chunks) return take_chunk_bytes(bytes);
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
    if (remaining_ == 0) phase_ = phase::done;
    return taken;
}

} // namespace prooftrack::proof
