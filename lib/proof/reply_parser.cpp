#include "proof/reply_parser.hpp"

#include <array>

#include <boost/asio/buffer.hpp>

#include "base/result.hpp"
#include "net/http_text.hpp"

namespace prooftrack::proof {
namespace asio = boost::asio;
namespace http = boost::beast::http;
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

/// What Beast complains about, in our words; the head's size was checked before.
reply_fault fault_of(const error_code& error) {
    using http_error = http::error;
    for (const http_error malformed :
         {http_error::bad_field, http_error::bad_value, http_error::bad_line_ending, http_error::bad_obs_fold,
          http_error::bad_version, http_error::bad_status, http_error::bad_reason}) {
        if (error == malformed) return reply_fault::malformed_header;
    }
    return error == http_error::body_limit ? reply_fault::body_too_large : reply_fault::bad_framing;
}

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
    head_.clear();
    body_.clear();
    line_start_ = spent_ = 0;
    phase_ = phase::status_line;
    fault_ = reply_fault::none;
    status_ = 0;
    keep_alive_ = has_length_ = false;
    content_type_ = request_id_ = retry_after_ = date_ = {};
    content_encoding_.reset();
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
    if (phase_ == phase::done || phase_ == phase::faulted) return;
    error_code error = http::make_error_code(http::error::partial_message);
    if (phase_ == phase::body) message_->put_eof(error);
    if (error) return fail(reply_fault::truncated);
    phase_ = phase::done;
}

std::size_t reply_parser::take_line_bytes(std::string_view bytes) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t wanted = newline == std::string_view::npos ? bytes.size() : newline + 1;
    if (head_.size() + spent_ + wanted > max_reply_header) {
        fail(reply_fault::header_too_large);
        return wanted;
    }
    head_.append(bytes.substr(0, wanted));
    // Garbage is refused at its first byte, not at its first newline.
    const std::string_view begin = std::string_view(head_).substr(0, version_prefix.size());
    if (phase_ == phase::status_line && !version_prefix.starts_with(begin)) {
        fail(reply_fault::not_http);
    } else if (newline != std::string_view::npos) {
        end_line();
    }
    return wanted;
}

void reply_parser::end_line() {
    std::string_view line = std::string_view(head_).substr(line_start_);
    if (!line.ends_with("\r\n")) return fail(reply_fault::malformed_header);
    line.remove_suffix(2);
    line_start_ = head_.size();
    if (phase_ == phase::status_line) return take_status_line(line);
    if (line.empty()) return end_head();
    const bool is_folded = line.front() == ' ' || line.front() == '\t'; // Beast would join it to the one before
    if (is_folded || line.find(':') == std::string_view::npos) fail(reply_fault::malformed_header);
}

void reply_parser::take_status_line(std::string_view line) {
    // "HTTP/1.1 200 OK": the reason, with the space before it, may be missing.
    const bool well_formed = line.size() >= 12 && line.starts_with(version_prefix) &&
                             (line[7] == '0' || line[7] == '1') && line[8] == ' ' &&
                             (line.size() == 12 || line[12] == ' ') && net::is_field_text(line);
    if (!well_formed) return fail(reply_fault::not_http);
    const auto status = net::parse_whole_number<int>(line.substr(9, 3));
    if (!status || *status < 100 || *status > 599) return fail(reply_fault::not_http);
    status_ = *status;
    phase_ = phase::fields;
    if (line.size() > 12) return;
    head_.insert(12, 1, ' '); // Beast insists on it
    ++line_start_;
}

void reply_parser::end_head() {
    message_.emplace(*this);
    error_code error;
    message_->put(asio::buffer(head_), error);
    if (fault_ != reply_fault::none) return fail(fault_); // ours
    if (error) return fail(fault_of(error));
    if (status_ == 101) return fail(reply_fault::not_http); // nobody asked for another protocol
    if (status_ < 200) {
        // An interim reply: only its size is remembered.
        const std::size_t spent = spent_ + head_.size();
        reset(max_body_);
        spent_ = spent;
        return;
    }
    keep_alive_ = message_->keep_alive();
    if (message_->is_done()) {
        phase_ = phase::done;
    } else if (message_->chunked()) {
        chunks_.reset({.body = max_body_, .lines = max_reply_header - spent_ - head_.size()});
        phase_ = phase::chunks;
    } else {
        phase_ = phase::body;
    }
}

reply_fault reply_parser::take_field(http::field name, std::string_view name_text, std::string_view value) {
    switch (name) {
    case http::field::content_type:
        if (content_type_.empty()) content_type_ = value;
        break;
    case http::field::date:
        if (date_.empty()) date_ = value;
        break;
    case http::field::retry_after:
        if (retry_after_.empty()) retry_after_ = value;
        break;
    case http::field::content_encoding:
        if (content_encoding_) return reply_fault::malformed_header; // two codings: nothing that we accept
        content_encoding_ = value;
        break;
    case http::field::content_length:
        has_length_ = true;
        if (!net::parse_whole_number<std::uint64_t>(value)) return reply_fault::bad_framing; // Beast takes a list
        break;
    case http::field::transfer_encoding:
        if (has_length_ || !message_->is_1_1() || !net::equal_ignoring_case(value, "chunked"))
            return reply_fault::bad_framing;
        break;
    default:
        if (request_id_.empty() && net::equal_ignoring_case(name_text, "x-request-id")) request_id_ = value;
        break;
    }
    return reply_fault::none;
}

std::size_t reply_parser::take_body_bytes(std::string_view bytes) {
    if (phase_ == phase::chunks) return take_chunk_bytes(bytes);
    error_code error;
    const std::size_t taken = message_->put(asio::buffer(bytes.data(), bytes.size()), error);
    if (error) {
        fail(fault_of(error));
        return bytes.size();
    }
    if (message_->is_done()) phase_ = phase::done;
    return taken;
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

reply_parser::message::message(reply_parser& owner) : owner_(owner) {
    header_limit(static_cast<std::uint32_t>(max_reply_header + 1)); // with the space that is put in
    body_limit(std::uint64_t{owner.max_body_});
}

void reply_parser::message::on_field_impl(field name, text name_text, text value, error_code& error) {
    owner_.fault_ = owner_.take_field(name, {name_text.data(), name_text.size()}, {value.data(), value.size()});
    if (owner_.fault_ != reply_fault::none) error = http::make_error_code(http::error::bad_value);
}

std::size_t reply_parser::message::on_body_impl(text body, error_code&) {
    owner_.body_.append(body.data(), body.size());
    return body.size();
}

} // namespace prooftrack::proof
