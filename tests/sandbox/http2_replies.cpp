// What an HTTP/2 session sends, and what becomes of it when a fault strikes.

#include <algorithm>
#include <cstring>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "http2_session.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::size_t continuation_bytes = 4'000;

using field_list = std::vector<std::pair<std::string, std::string>>;

/// HTTP/2 has no fields about the connection, and a client must refuse a reply that has one (RFC 9113, 8.2.2).
bool is_about_connection(std::string_view name) {
    return name == "connection" || name == "keep-alive" || name == "proxy-connection" || name == "transfer-encoding" ||
           name == "upgrade";
}

field_list make_head(const reply& what, instant arrival, const std::string& request_id) {
    field_list head{
        {":status", std::to_string(what.status)},
        {"date", format_http_date(arrival.wall)},
        {"x-request-id", request_id}};
    bool own_type = false;
    for (const auto& [name, value] : what.headers) {
        auto lower = boost::algorithm::to_lower_copy(name);
        own_type = own_type || lower == "content-type";
        if (!is_about_connection(lower)) head.emplace_back(std::move(lower), value);
    }
    if (!what.has_body()) return head;
    if (!own_type) head.emplace_back("content-type", what.content_type);
    if (!what.more || what.length) {
        head.emplace_back("content-length", std::to_string(what.length.value_or(what.body.size())));
    }
    return head;
}

/// A frame's header of RFC 9113, section 4.1.
std::string frame_head(std::size_t size, std::uint8_t type, std::uint8_t flags, std::int32_t id) {
    const auto byte = [](std::uint64_t value, unsigned shift) { return static_cast<char>((value >> shift) & 0xffU); };
    const auto stream_id = static_cast<std::uint64_t>(id);
    return {byte(size, 16),           byte(size, 8),       byte(size, 0),       static_cast<char>(type),
            static_cast<char>(flags), byte(stream_id, 24), byte(stream_id, 16), byte(stream_id, 8),
            byte(stream_id, 0)};
}

/// HEADERS of a 200, then CONTINUATION after CONTINUATION, none of which ends the header.
std::function<bool(std::string&)> endless_header(std::int32_t id) {
    const std::string status = "\x88"; // HPACK: index 8, `:status: 200`
    return [id, start = frame_head(status.size(), NGHTTP2_HEADERS, 0, id) + status,
            sent = std::uint64_t{0}](std::string& out) mutable {
        out += std::exchange(start, {});
        // HPACK: a literal without indexing, `x-endless`, and the length of its value with a prefix of seven bits.
        constexpr std::size_t prefix = 127;
        const std::size_t rest = continuation_bytes - prefix;
        std::string field("\x00\x09x-endless\x7f", 12);
        field += static_cast<char>((rest & 0x7fU) | 0x80U);
        field += static_cast<char>(rest >> 7U);
        field.append(continuation_bytes, 'x');
        out += frame_head(field.size(), NGHTTP2_CONTINUATION, 0, id) + field;
        sent += field.size();
        return sent < endless_bytes;
    };
}

} // namespace

void http2_session::advance(steady_time now) {
    now_.steady = now;
    if (phase_ == phase::silent && now >= silent_until_) phase_ = phase::cut;
    while (phase_ == phase::open && !due_.empty() && due_.begin()->first <= now) {
        const auto id = due_.begin()->second;
        auto& one = streams_.at(id);
        const auto what = one.waits_for;
        wait_for(id, one, wait::none, {});
        one.moved = now;
        if (what == wait::reply) begin_reply(id, one);
        if (what == wait::byte) nghttp2_session_resume_data(session_.get(), id);
        if (what == wait::stall) reset(id, NGHTTP2_CANCEL);
    }
}

steady_time http2_session::next_due() const {
    if (phase_ == phase::silent) return silent_until_;
    return phase_ == phase::open && !due_.empty() ? due_.begin()->first : steady_time::max();
}

bool http2_session::has_output() const {
    return tail_ || (phase_ == phase::open && nghttp2_session_want_write(session_.get()) != 0);
}

void http2_session::produce(std::string& out, std::size_t about) {
    while (phase_ == phase::open && out.size() < about) {
        const std::uint8_t* bytes = nullptr;
        const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
        if (size < 0) end_connection(stop::cut, {});
        if (size == 0) {
            const bool over =
                nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
            if (over) phase_ = phase::goodbye;
        }
        if (size <= 0) break;
        // nghttp2 has told `on_frame_sent` of these very bytes already: whatever that ended, they are still sent.
        const auto count = static_cast<std::size_t>(size);
        out.append(reinterpret_cast<const char*>(bytes), is_breaking_ ? count / 2 : count);
        if (is_breaking_) end_connection(broken_how_, broken_silence_);
    }
    while (tail_ && out.size() < about) {
        if (!tail_(out)) tail_ = nullptr;
    }
}

void http2_session::wait_for(std::int32_t id, stream& one, wait what, steady_time when) {
    if (one.waits_for != wait::none) due_.erase({one.due, id});
    one.waits_for = what;
    one.due = when;
    if (what != wait::none) due_.emplace(when, id);
}

void http2_session::reset(std::int32_t id, std::uint32_t error) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, error);
}

void http2_session::end_connection(stop how, milliseconds silence) {
    phase_ = how == stop::silence ? phase::silent : phase::cut;
    silent_until_ = now_.steady + silence;
}

void http2_session::begin_reply(std::int32_t id, stream& to) {
    to.moved = now_.steady;
    if (to.method == "HEAD") {
        if (!to.plan.answer.more && !to.plan.answer.length) to.plan.answer.length = to.plan.answer.body.size();
        to.plan.answer.body.clear();
    }
    if (to.plan.struck) {
        strike(id, to, *to.plan.struck);
    } else {
        submit(id, to);
    }
}

void http2_session::strike(std::int32_t id, stream& to, const fault& what) {
    const std::uint64_t whole = to.plan.answer.body.size();
    switch (what.kind) {
    case fault_kind::close:
        return strike_connection(id, to, what, stop::cut);
    case fault_kind::stall:
        if (what.point() == fault_point::before) return wait_for(id, to, wait::stall, now_.steady + what.time());
        if (what.point() == fault_point::body) return submit_until(id, to, whole / 2, stop::stall);
        return strike_connection(id, to, what, stop::silence);
    case fault_kind::truncate:
        return submit_until(id, to, whole / 2, stop::end_stream);
    case fault_kind::garbage:
        tail_ = [](std::string& out) {
            out += garbage_bytes;
            return false;
        };
        return end_connection(stop::cut, {});
    case fault_kind::endless_header:
        tail_ = endless_header(id);
        return end_connection(stop::cut, {});
    case fault_kind::refuse_stream:
        return reset(id, NGHTTP2_REFUSED_STREAM);
    case fault_kind::reset:
        if (what.point() == fault_point::before) return reset(id, what.code());
        if (what.point() == fault_point::header) return submit_until(id, to, 0, stop::reset);
        return submit_until(id, to, what.point() == fault_point::body ? whole / 2 : whole, stop::reset);
    case fault_kind::goaway:
        return strike_by_goaway(id, to, what);
    default: // drip: `read_body` sees to it
        return submit(id, to);
    }
}

void http2_session::strike_connection(std::int32_t id, stream& to, const fault& what, stop how) {
    switch (what.point()) {
    case fault_point::before:
        return end_connection(how, what.time());
    case fault_point::header:
        broken_stream_ = id;
        broken_how_ = how;
        broken_silence_ = what.time();
        return submit(id, to);
    case fault_point::body:
        return submit_until(id, to, to.plan.answer.body.size() / 2, how);
    case fault_point::after:
        to.after_end = how;
        return submit(id, to);
    }
}

void http2_session::strike_by_goaway(std::int32_t id, stream& to, const fault& what) {
    // A client may take every stream above `last_served_` for not processed, and that is true of them.
    submit_goaway(last_served_, what.code());
    const std::uint64_t whole = to.plan.answer.body.size();
    switch (what.point()) {
    case fault_point::before:
        // One above was served already: this one cannot be told by the GOAWAY.
        if (id < last_served_) reset(id, NGHTTP2_REFUSED_STREAM);
        return;
    case fault_point::header:
        return submit_until(id, to, 0, stop::cut);
    case fault_point::body:
        return submit_until(id, to, whole / 2, stop::cut);
    case fault_point::after:
        return submit(id, to);
    }
}

void http2_session::submit_until(std::int32_t id, stream& to, std::uint64_t bytes, stop then) {
    to.stop_at = bytes;
    to.then = then;
    submit(id, to);
}

void http2_session::submit(std::int32_t id, stream& to) {
    auto& answer = to.plan.answer;
    const auto head = make_head(answer, to.arrival, to.plan.request_id);
    std::vector<nghttp2_nv> fields;
    fields.reserve(head.size());
    const auto bytes = [](const std::string& text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    for (const auto& [name, value] : head) {
        fields.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    const bool has_body = answer.has_body() && to.method != "HEAD" && (!answer.body.empty() || answer.more);
    nghttp2_data_provider body{{0}, read_body};
    const bool is_open_ended = has_body || to.then != stop::end_stream;
    nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), is_open_ended ? &body : nullptr);
}

ssize_t http2_session::read_body(
    nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room, std::uint32_t* flags, nghttp2_data_source*,
    void* self) {
    auto& session = *static_cast<http2_session*>(self);
    auto* found = session.find(id);
    if (found == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    auto& one = *found;
    auto& answer = one.plan.answer;
    // `stop_now` comes once the frame before this was sent.
    if (one.then != stop::end_stream && one.sent >= one.stop_at) return NGHTTP2_ERR_DEFERRED;
    if (one.drips() && session.now_.steady < one.next_byte) {
        session.wait_for(id, one, wait::byte, one.next_byte);
        return NGHTTP2_ERR_DEFERRED;
    }
    while (one.offset == answer.body.size() && answer.more) {
        answer.body.clear();
        one.offset = 0;
        if (!answer.more(answer.body)) answer.more = nullptr;
    }
    auto count = std::min<std::uint64_t>({room, answer.body.size() - one.offset, one.stop_at - one.sent});
    if (one.drips()) {
        count = std::min<std::uint64_t>(count, 1);
        one.next_byte = session.now_.steady + one.plan.struck->time();
    }
    std::memcpy(to, answer.body.data() + one.offset, count);
    one.offset += count;
    one.sent += count;
    const bool is_whole = one.offset == answer.body.size() && !answer.more;
    if (one.then == stop::end_stream && (is_whole || one.sent == one.stop_at)) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
}

int http2_session::before_frame_sent(nghttp2_session*, const frame_type* frame, void* self) {
    auto& session = *static_cast<http2_session*>(self);
    session.is_breaking_ = frame->hd.type == NGHTTP2_HEADERS && frame->hd.stream_id == session.broken_stream_;
    return 0;
}

int http2_session::on_frame_sent(nghttp2_session*, const frame_type* frame, void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    auto& session = *static_cast<http2_session*>(self);
    auto* one = session.find(frame->hd.stream_id);
    if (one == nullptr) return 0;
    one->moved = session.now_.steady;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        session.on_reply_sent(frame->hd.stream_id, *one);
    } else if (one->then != stop::end_stream && one->sent == one->stop_at) {
        session.stop_now(frame->hd.stream_id, *one);
    }
    return 0;
}

void http2_session::on_reply_sent(std::int32_t id, const stream& to) {
    if (to.after_end != stop::end_stream) return end_connection(to.after_end, to.plan.struck->time());
    // The rest of a refused request is not wanted.
    if (nghttp2_session_get_stream_remote_close(session_.get(), id) == 0) reset(id, NGHTTP2_NO_ERROR);
}

void http2_session::stop_now(std::int32_t id, stream& to) {
    const fault& what = *to.plan.struck;
    switch (to.then) {
    case stop::end_stream:
        return;
    case stop::stall:
        return wait_for(id, to, wait::stall, now_.steady + what.time());
    case stop::reset:
        return reset(id, what.code());
    case stop::cut:
    case stop::silence:
        return end_connection(to.then, what.time());
    }
}

} // namespace prooftrack::sandbox
