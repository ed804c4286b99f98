#include "proof/h2_session.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>

#include "base/expects.hpp"
#include "net/http_text.hpp"

namespace prooftrack::proof {
namespace {

/// With this server, or with the ciphers that were agreed on, HTTP/1.1 works.
bool is_refusal_of_http2(std::uint32_t code) {
    return code == NGHTTP2_HTTP_1_1_REQUIRED || code == NGHTTP2_INADEQUATE_SECURITY;
}

/// The peer does not process the request that it resets with it. Of no other code does RFC 9113 promise it.
bool is_refusal(std::uint32_t code) { return code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_ENHANCE_YOUR_CALM; }

/// A body's buffer of this size is kept for the slot's next reply, a larger one is freed.
constexpr std::size_t kept_capacity = 4096;
/// The peer's own control frames that nghttp2 lets wait for our answer.
constexpr std::size_t unsent_answers = 100;
constexpr std::string_view of_reply = "reply: "; ///< a stage
constexpr std::array<std::uint8_t, 8> ping_payload{'p', 'r', 'o', 'o', 'f', 't', 'r', 'k'};

std::string_view name_of(std::uint32_t code) { return nghttp2_http2_strerror(code); }

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

/// nghttp2 takes non-const pointers and does not write through them.
nghttp2_nv field_of(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

/// Where a field's value lies in a stream's text.
struct extent {
    std::size_t at = 0;
    std::size_t size = 0;
    bool seen = false;
};

} // namespace

struct h2_session::stream {
    std::size_t slot = 0;
    std::int32_t id = 0; ///< 0 = has its outcome, or is free
    bool sent = false;
    bool reset_by_peer = false;
    bool has_final_head = false;
    bool unprocessed = false;
    int status = 0;
    std::size_t header_bytes = 0;
    std::optional<std::size_t> length; ///< as announced
    std::string text;                  ///< the values of the fields below
    extent content_type, content_encoding, request_id, retry_after, date;
    std::string body;
    std::size_t max_body = 0;
    std::string upload;
    std::size_t uploaded = 0;
    h2_end how = h2_end::reply;
    std::string error;

    bool has_begun() const { return header_bytes > 0; }

    void reset_head() {
        status = 0;
        length.reset();
        text.clear();
        content_type = content_encoding = request_id = retry_after = date = extent{};
    }

    void reset() {
        reset_head();
        sent = reset_by_peer = has_final_head = unprocessed = false;
        header_bytes = uploaded = 0;
        if (body.capacity() > kept_capacity) body = {};
        body.clear();
        upload = {};
        how = h2_end::reply;
        error.clear();
    }

    std::string_view view(extent where) const { return std::string_view(text).substr(where.at, where.size); }

    void keep(extent& field, std::string_view value) {
        if (field.seen) return; // the first counts
        field = {text.size(), value.size(), true};
        text.append(value);
    }
};

/// nghttp2's callbacks. None of them throws but for lack of memory, which ends the process.
struct h2_callbacks {
    static h2_session& self(void* data) { return *static_cast<h2_session*>(data); }

    static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* data) {
        h2_session& session = self(data);
        const bool known = session.stream_of(head->stream_id) != nullptr;
        bool idle = true;
        if (head->type == NGHTTP2_HEADERS) idle = !known;
        if (head->type == NGHTTP2_DATA) {
            const bool may_be_empty = head->length == 0 || (head->flags & NGHTTP2_FLAG_PADDED) != 0;
            idle = !known || (may_be_empty && (head->flags & NGHTTP2_FLAG_END_STREAM) == 0);
        }
        return !idle || session.count_idle_frame() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    static int on_header(
        nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
        const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* data) {
        h2_session::stream* one = self(data).stream_of(frame->hd.stream_id);
        if (one != nullptr) self(data).on_header(*one, text_of(name, name_size), text_of(value, value_size));
        return 0;
    }

    static int on_invalid_header(
        nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t*, std::size_t, const std::uint8_t*,
        std::size_t, std::uint8_t, void* data) {
        h2_session::stream* one = self(data).stream_of(frame->hd.stream_id);
        if (one != nullptr) self(data).end_unusable(*one, "malformed header", NGHTTP2_PROTOCOL_ERROR);
        return 0;
    }

    static int on_data(
        nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* data) {
        h2_session& session = self(data);
        h2_session::stream* one = session.stream_of(id);
        if (one != nullptr) {
            session.on_body(*one, text_of(bytes, size));
        } else {
            nghttp2_session_consume_connection(session.session_, size);
        }
        return 0;
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
        h2_session& session = self(data);
        h2_session::stream* one = session.stream_of(frame->hd.stream_id);
        const bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
        switch (frame->hd.type) {
        case NGHTTP2_HEADERS:
            if (one != nullptr) session.on_head_end(*one);
            [[fallthrough]];
        case NGHTTP2_DATA:
            one = session.stream_of(frame->hd.stream_id);
            if (one != nullptr && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
                session.end(*one, h2_end::reply, {});
                ++session.replies_;
            }
            break;
        case NGHTTP2_RST_STREAM:
            if (one != nullptr) one->reset_by_peer = true;
            break;
        case NGHTTP2_SETTINGS:
            session.has_settings_ = session.has_settings_ || !ack;
            break;
        case NGHTTP2_PING:
            if (ack) session.awaits_pong_ = false;
            break;
        case NGHTTP2_GOAWAY:
            session.closing_ = true;
            session.throttled_ = session.throttled_ || frame->goaway.error_code == NGHTTP2_ENHANCE_YOUR_CALM;
            session.requires_http1_ = session.requires_http1_ || is_refusal_of_http2(frame->goaway.error_code);
            break;
        default:
            break;
        }
        return 0;
    }

    static int on_invalid_frame(nghttp2_session*, const nghttp2_frame*, int fault, void* data) {
        self(data).last_fault_ = nghttp2_strerror(fault);
        return 0;
    }

    static int on_sent(nghttp2_session*, const nghttp2_frame* frame, void* data) {
        if (frame->hd.type != NGHTTP2_HEADERS) return 0;
        if (h2_session::stream* one = self(data).stream_of(frame->hd.stream_id)) one->sent = true;
        return 0;
    }

    static int on_closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* data) {
        if (h2_session::stream* one = self(data).stream_of(id)) self(data).on_closed(*one, code);
        return 0;
    }

    static ssize_t read_upload(
        nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size, std::uint32_t* flags,
        nghttp2_data_source* source, void* data) {
        auto& one = *static_cast<h2_session::stream*>(source->ptr);
        const std::size_t taken = std::min(size, one.upload.size() - one.uploaded);
        std::copy_n(one.upload.data() + one.uploaded, taken, reinterpret_cast<char*>(into));
        one.uploaded += taken;
        self(data).uploaded_ += taken;
        if (one.uploaded == one.upload.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(taken);
    }

    static nghttp2_session_callbacks* make() {
        nghttp2_session_callbacks* made = nullptr;
        if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
        nghttp2_session_callbacks_set_on_begin_frame_callback(made, on_begin_frame);
        nghttp2_session_callbacks_set_on_header_callback(made, on_header);
        nghttp2_session_callbacks_set_on_invalid_header_callback(made, on_invalid_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, on_invalid_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(made, on_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(made, on_closed);
        return made;
    }
};

h2_session::h2_session(h2_limits limits) : limits_(limits), streams_(limits.streams) {
    expects(limits.streams > 0 && limits.reply_bytes < (1U << 30U), "h2_session: limits out of range");
    limits_.buffered = std::clamp<std::size_t>(limits.buffered, 2 * limits.reply_bytes, 1U << 30U);
    for (std::size_t slot = limits.streams; slot-- > 0;) {
        streams_[slot].slot = slot;
        free_.push_back(slot);
    }
    static nghttp2_session_callbacks* const callbacks = h2_callbacks::make(); // lives as long as the process
    nghttp2_option* made = nullptr;
    if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
    const std::unique_ptr<nghttp2_option, decltype(&nghttp2_option_del)> option(made, &nghttp2_option_del);
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_no_closed_streams(made, 1);
    nghttp2_option_set_max_outbound_ack(made, unsent_answers);
    nghttp2_option_set_max_reserved_remote_streams(made, 0);
    if (nghttp2_session_client_new2(&session_, callbacks, this, made) != 0) throw std::bad_alloc();
    // A body never needs a WINDOW_UPDATE of its own; one that is too large shows itself by its last byte.
    const std::array<nghttp2_settings_entry, 3> settings{{
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(limits.reply_bytes + 1)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.header)},
    }};
    // While at most half of the window is buffered, the other half is given back: the peer is never stuck.
    const auto window = static_cast<std::int32_t>(std::min<std::size_t>(2 * limits_.buffered, (1U << 31U) - 1));
    if (nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window) != 0) {
        nghttp2_session_del(session_);
        throw std::bad_alloc();
    }
}

h2_session::~h2_session() {
    nghttp2_session_del(session_);
    OPENSSL_cleanse(output_.data(), output_.capacity()); // requests hold the token
}

h2_session::stream* h2_session::stream_of(std::int32_t id) const {
    return id == 0 ? nullptr : static_cast<stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

std::size_t h2_session::capacity() const {
    if (failed_ || closing_ || nghttp2_session_check_request_allowed(session_) == 0) return 0;
    const std::size_t limit =
        has_settings_ ? nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                      : h2_streams_before_settings;
    return std::min(free_.size(), limit - std::min(limit, in_flight_));
}

std::size_t h2_session::submit(const h2_request& request) {
    expects(accepts(), "h2_session: submit while it does not accept");
    expects(request.fields.size() <= h2_request_fields, "h2_session: too many fields");
    std::array<nghttp2_nv, 4 + h2_request_fields> fields{
        field_of(":method", request.method), field_of(":scheme", "https"), field_of(":authority", request.authority),
        field_of(":path", request.path)};
    std::size_t count = 4;
    for (const h2_field& each : request.fields) fields.at(count++) = field_of(each.name, each.value);

    stream& one = streams_[free_.back()];
    free_.pop_back();
    one.reset();
    one.upload = request.body;
    one.max_body = request.max_reply == 0 ? limits_.reply_bytes : std::min(request.max_reply, limits_.reply_bytes);
    nghttp2_data_provider provider{{.ptr = &one}, &h2_callbacks::read_upload};
    one.id =
        nghttp2_submit_request(session_, nullptr, fields.data(), count, one.upload.empty() ? nullptr : &provider, &one);
    ++in_flight_;
    one.unprocessed = one.id <= 0;
    if (one.unprocessed) end(one, h2_end::refused, "http/2: the request could not be made");
    return one.slot;
}

void h2_session::cancel(std::size_t slot) {
    stream& one = streams_.at(slot);
    expects(one.id != 0, "h2_session: cancel without a request");
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, one.id, NGHTTP2_CANCEL);
    detach(one);
    free_.push_back(slot);
}

void h2_session::detach(stream& one) {
    if (one.id > 0) nghttp2_session_set_stream_user_data(session_, one.id, nullptr);
    nghttp2_session_consume_connection(session_, one.body.size());
    buffered_ -= one.body.size();
    one.id = 0;
    --in_flight_;
    ++requests_ended_;
}

void h2_session::end(stream& one, h2_end how, std::string error) {
    // A reply that did not wait for the request's body.
    if (how == h2_end::reply && nghttp2_session_get_stream_local_close(session_, one.id) == 0)
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, one.id, NGHTTP2_NO_ERROR);
    one.how = how;
    one.error = std::move(error);
    detach(one);
    finished_.push_back(one.slot);
}

void h2_session::end_unusable(stream& one, std::string_view why, std::uint32_t reset_code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, one.id, reset_code);
    end(one, h2_end::unusable, std::string(why));
}

void h2_session::on_header(stream& one, std::string_view name, std::string_view value) {
    one.header_bytes += name.size() + value.size() + 32;
    if (one.header_bytes > limits_.header) return end_unusable(one, "header too large", NGHTTP2_CANCEL);
    progressed_ = true;
    if (one.has_final_head) return; // a trailer
    if (name == ":status") {
        const auto status = net::parse_whole_number<int>(value);
        if (!status || *status < 100 || *status > 599)
            return end_unusable(one, "not an HTTP status", NGHTTP2_PROTOCOL_ERROR);
        one.status = *status;
    } else if (name == "content-type") {
        one.keep(one.content_type, value);
    } else if (name == "content-length") {
        one.length = net::parse_whole_number<std::size_t>(value).value_or(std::numeric_limits<std::size_t>::max());
    } else if (name == "content-encoding") {
        // Two of them are two codings: nothing that we accept.
        if (one.content_encoding.seen) return end_unusable(one, "malformed header", NGHTTP2_CANCEL);
        one.keep(one.content_encoding, value);
    } else if (name == "x-request-id") {
        one.keep(one.request_id, value);
    } else if (name == "retry-after") {
        one.keep(one.retry_after, value);
    } else if (name == "date") {
        one.keep(one.date, value);
    }
}

void h2_session::on_head_end(stream& one) {
    if (one.has_final_head) return;
    if (one.status < 200) return one.reset_head(); // an interim reply: only its size is remembered
    one.has_final_head = true;
    if (one.length.value_or(0) > one.max_body) end_unusable(one, "body too large", NGHTTP2_CANCEL);
}

void h2_session::on_body(stream& one, std::string_view bytes) {
    if (bytes.size() > one.max_body - one.body.size()) {
        nghttp2_session_consume_connection(session_, bytes.size());
        return end_unusable(one, "body too large", NGHTTP2_CANCEL);
    }
    progressed_ = true;
    one.body.append(bytes);
    buffered_ += bytes.size();
}

void h2_session::on_closed(stream& one, std::uint32_t code) {
    requires_http1_ = requires_http1_ || (one.reset_by_peer && is_refusal_of_http2(code));
    const bool by_goaway = closing_ && !one.reset_by_peer && code == NGHTTP2_REFUSED_STREAM;
    const bool by_reset = one.reset_by_peer && is_refusal(code);
    one.unprocessed = !one.has_begun() && (by_goaway || by_reset || !one.sent);
    if (throttled_ && by_goaway) return end(one, h2_end::throttled, "http/2: ENHANCE_YOUR_CALM");
    if (by_goaway) return end(one, h2_end::refused, "reply: the server closes the connection (GOAWAY)");
    if (!one.sent) return end(one, h2_end::refused, "http/2: the request was not sent");
    if (!one.reset_by_peer) {
        const bool lengths_differ = one.length && one.has_final_head && *one.length != one.body.size();
        if (lengths_differ) return end(one, h2_end::unusable, "contradicting lengths");
        if (code == NGHTTP2_PROTOCOL_ERROR) return end(one, h2_end::unusable, "malformed header");
        return end(one, h2_end::unusable, std::string(name_of(code)));
    }
    if (code == NGHTTP2_ENHANCE_YOUR_CALM) return end(one, h2_end::throttled, "http/2: ENHANCE_YOUR_CALM");
    if (one.has_begun()) return end(one, h2_end::unusable, fmt::format("truncated ({})", name_of(code)));
    const h2_end how = code == NGHTTP2_REFUSED_STREAM ? h2_end::refused : h2_end::unanswered;
    end(one, how, fmt::format("reply: the server reset the stream ({})", name_of(code)));
}

bool h2_session::count_idle_frame() {
    const std::size_t earned = h2_idle_frames_per_reply * replies_ + uploaded_ / h2_upload_bytes_per_idle_frame;
    flooded_ = ++idle_frames_ > h2_idle_frames + earned;
    return !flooded_;
}

void h2_session::free_largest() {
    while (buffered_ > limits_.buffered) {
        const auto less = [](const stream& left, const stream& right) {
            return (left.id == 0 ? 0 : left.body.size()) < (right.id == 0 ? 0 : right.body.size());
        };
        stream& largest = *std::max_element(streams_.begin(), streams_.end(), less);
        end_unusable(largest, "too many bytes of unfinished replies", NGHTTP2_CANCEL);
    }
}

void h2_session::receive(std::string_view bytes) {
    if (failed_) return;
    progressed_ = false;
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const ssize_t taken = nghttp2_session_mem_recv(session_, data, bytes.size());
    if (!progressed_) idle_bytes_ += bytes.size();
    flooded_ = flooded_ || idle_bytes_ > h2_idle_bytes + limits_.reply_bytes * requests_ended_;
    if (taken < 0 || flooded_) {
        nghttp2_session_terminate_session(session_, flooded_ ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
        pump();
        const char* why = nghttp2_strerror(static_cast<int>(taken));
        return fail(fmt::format("http/2: {}", flooded_ ? "too many frames that bring no reply" : why));
    }
    free_largest();
    pump();
    if (failed_ || nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0) return;
    if (closing_ && in_flight_ == 0) return; // as it should be
    fail(fmt::format("http/2: {}", last_fault_.empty() ? "protocol error" : last_fault_));
}

void h2_session::pump() {
    for (;;) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
        if (size == 0) return;
        if (size < 0) return fail(fmt::format("http/2: {}", nghttp2_strerror(static_cast<int>(size))));
        output_.append(text_of(bytes, static_cast<std::size_t>(size)));
    }
}

void h2_session::fail(std::string_view why) {
    if (std::exchange(failed_, true)) return;
    awaits_pong_ = false;
    for (stream& each : streams_) {
        if (each.id == 0) continue;
        each.unprocessed = !each.sent;
        if (throttled_) {
            end(each, h2_end::throttled, "http/2: ENHANCE_YOUR_CALM");
        } else if (each.has_begun() && !closing_) {
            const std::string_view cause = why.substr(why.starts_with(of_reply) ? of_reply.size() : 0);
            end(each, h2_end::cut, fmt::format("truncated ({})", cause));
        } else {
            end(each, each.sent ? h2_end::unanswered : h2_end::refused, std::string(why));
        }
    }
}

void h2_session::finish(std::string_view why) { fail(why); }

std::optional<h2_outcome> h2_session::next_outcome() {
    if (shown_) free_.push_back(*std::exchange(shown_, std::nullopt));
    if (finished_.empty()) return std::nullopt;
    shown_ = finished_.front();
    finished_.erase(finished_.begin());
    const stream& one = streams_[*shown_];
    const reply_view reply{
        one.status,
        one.view(one.content_type),
        one.view(one.content_encoding),
        one.view(one.request_id),
        one.view(one.retry_after),
        one.view(one.date),
        one.body};
    return h2_outcome{one.slot, one.how, reply, one.error, one.unprocessed};
}

void h2_session::take_output(std::string& out) {
    if (!failed_) pump();
    out.append(output_);
    output_.clear();
}

void h2_session::ping() {
    if (failed_ || awaits_pong_) return;
    awaits_pong_ = nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, ping_payload.data()) == 0;
}

void h2_session::announce_end() {
    if (failed_ || std::exchange(closing_, true)) return;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
}

} // namespace prooftrack::proof
