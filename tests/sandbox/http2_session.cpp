#include "http2_session.hpp"

#include <algorithm>
#include <array>

#include "base/expects.hpp"

namespace prooftrack::sandbox {
namespace {

/// What is decoded from one header block before the connection is ended for it.
constexpr std::size_t header_bomb_factor = 8;
/// RFC 9113, section 6.5.2: what a field counts beside its name and value.
constexpr std::size_t field_overhead = 32;
constexpr std::size_t most_outbound_acks = 10'000; // above what `queued_frames` lets through

std::string_view view(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

} // namespace

http2_session::http2_session(site& served, instant now, const http2_limits& limits)
    : site_(served), limits_(limits), now_(now), heard_(now.steady), session_(make_session(*this)),
      control_frames_left_(limits.control_frames), control_frames_counted_(now.steady) {
    announced_streams_ = site_.stream_limit(now).value_or(limits_.streams);
    const std::array<nghttp2_settings_entry, 2> settings{
        {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, announced_streams_},
         {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits_.header_bytes)}}};
    const int submitted = nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    expects(submitted == 0, "http2_session: the first SETTINGS were refused");
}

http2_session::~http2_session() = default;

nghttp2_session* http2_session::make_session(http2_session& self) {
    nghttp2_session_callbacks* raw_callbacks = nullptr;
    expects(nghttp2_session_callbacks_new(&raw_callbacks) == 0, "http2_session: out of memory");
    const std::unique_ptr<nghttp2_session_callbacks, void (*)(nghttp2_session_callbacks*)> callbacks(
        raw_callbacks, nghttp2_session_callbacks_del);
    nghttp2_session_callbacks_set_on_begin_frame_callback(raw_callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(raw_callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(raw_callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw_callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(raw_callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(raw_callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(raw_callbacks, on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(raw_callbacks, before_frame_sent);
    nghttp2_session_callbacks_set_on_frame_send_callback(raw_callbacks, on_frame_sent);
    nghttp2_option* raw_option = nullptr;
    expects(nghttp2_option_new(&raw_option) == 0, "http2_session: out of memory");
    const std::unique_ptr<nghttp2_option, void (*)(nghttp2_option*)> option(raw_option, nghttp2_option_del);
    nghttp2_option_set_no_closed_streams(raw_option, 1);
    nghttp2_option_set_max_outbound_ack(raw_option, most_outbound_acks);
    nghttp2_session* session = nullptr;
    expects(
        nghttp2_session_server_new2(&session, raw_callbacks, &self, raw_option) == 0, "http2_session: out of memory");
    return session;
}

void http2_session::receive(std::string_view bytes, instant now) {
    now_ = now;
    heard_ = now.steady;
    if (phase_ != phase::open) return;
    const auto taken =
        nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) { // not even the preface of HTTP/2, or nghttp2's own bounds
        end_connection(stop::cut, {});
    } else if (is_flooded_ || nghttp2_session_get_outbound_queue_size(session_.get()) > limits_.queued_frames) {
        const auto last = nghttp2_session_get_last_proc_stream_id(session_.get());
        nghttp2_session_terminate_session2(
            session_.get(), std::min(last, last_accepted_.value_or(last)), NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

void http2_session::sweep(instant now) {
    now_ = now;
    if (phase_ != phase::open) return;
    if (announced_streams_ < limits_.streams && !site_.stream_limit(now)) announce(limits_.streams);
    for (auto& [id, one] : streams_) {
        if (one.waits_for != wait::none || now.steady - one.moved < limits_.idle) continue;
        one.moved = now.steady; // once, even if the client takes nothing
        reset(id, NGHTTP2_CANCEL);
    }
}

void http2_session::finish() {
    if (phase_ != phase::open) return;
    const auto last = nghttp2_session_get_last_proc_stream_id(session_.get());
    submit_goaway(last, NGHTTP2_NO_ERROR);
}

/// A later one never says more than an earlier one (RFC 9113, 6.8). nghttp2 sees to that, and to ignoring what is above
/// it, only once the first has been sent: until then it is done here.
void http2_session::submit_goaway(std::int32_t last, std::uint32_t error) {
    last_accepted_ = std::min(last, last_accepted_.value_or(last));
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, *last_accepted_, error, nullptr, 0);
}

void http2_session::announce(std::uint32_t streams) {
    if (streams == announced_streams_) return;
    const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams};
    if (nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, &entry, 1) == 0) announced_streams_ = streams;
}

http2_session::stream* http2_session::find(std::int32_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
}

void http2_session::count_control_frame() {
    const std::chrono::duration<double> passed = now_.steady - control_frames_counted_;
    control_frames_counted_ = now_.steady;
    control_frames_left_ =
        std::min(limits_.control_frames, control_frames_left_ + passed.count() * limits_.control_frames_a_second);
    if (control_frames_left_ < 1) is_flooded_ = true;
    control_frames_left_ -= 1;
}

int http2_session::on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* self) {
    const bool asks = head->type == NGHTTP2_HEADERS || (head->type == NGHTTP2_DATA && head->length > 0);
    if (!asks) static_cast<http2_session*>(self)->count_control_frame();
    return 0;
}

int http2_session::on_invalid_frame(nghttp2_session*, const frame_type*, int, void* self) {
    static_cast<http2_session*>(self)->count_control_frame();
    return 0;
}

int http2_session::on_begin_headers(nghttp2_session*, const frame_type* frame, void* self) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    auto& session = *static_cast<http2_session*>(self);
    session.streams_[frame->hd.stream_id].moved = session.now_.steady;
    return 0;
}

int http2_session::on_header(
    nghttp2_session*, const frame_type* frame, const std::uint8_t* name, std::size_t name_size,
    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
    auto& session = *static_cast<http2_session*>(self);
    auto* asked = session.find(frame->hd.stream_id);
    if (asked == nullptr) return 0;
    asked->header_bytes += name_size + value_size + field_overhead;
    if (asked->header_bytes > header_bomb_factor * session.limits_.header_bytes) session.is_flooded_ = true;
    // Of a trailer nothing is wanted.
    if (asked->header_bytes > session.limits_.header_bytes || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    const auto field = view(name, name_size);
    if (field == ":method") asked->method = view(value, value_size);
    if (field == ":path") asked->target = view(value, value_size);
    if (field == "authorization") asked->authorization = view(value, value_size);
    return 0;
}

int http2_session::on_data(
    nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* self) {
    auto& session = *static_cast<http2_session*>(self);
    auto* asked = session.find(id);
    if (asked == nullptr || asked->answered) return 0;
    asked->moved = session.now_.steady;
    const bool fits = asked->body.size() + size <= session.site_.body_limit(asked->target) &&
                      session.body_bytes_ + size <= session.limits_.body_bytes;
    if (!fits) {
        session.refuse(id, *asked, 413);
        return 0;
    }
    asked->body += view(data, size);
    session.body_bytes_ += size;
    return 0;
}

int http2_session::on_frame(nghttp2_session*, const frame_type* frame, void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    auto& session = *static_cast<http2_session*>(self);
    auto* asked = session.find(frame->hd.stream_id);
    if (asked == nullptr || asked->answered) return 0;
    if (asked->header_bytes > session.limits_.header_bytes) {
        session.refuse(frame->hd.stream_id, *asked, 431);
    } else if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        session.answer(frame->hd.stream_id, *asked);
    }
    return 0;
}

int http2_session::on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* self) {
    auto& session = *static_cast<http2_session*>(self);
    auto* closed = session.find(id);
    if (closed == nullptr) return 0;
    session.drop_body(*closed);
    session.wait_for(id, *closed, wait::none, {});
    session.streams_.erase(id);
    session.heard_ = session.now_.steady;
    return 0;
}

void http2_session::drop_body(stream& asked) {
    body_bytes_ -= asked.body.size();
    asked.body = {};
}

void http2_session::answer(std::int32_t id, stream& asked) {
    asked.answered = true;
    if (last_accepted_ && id > *last_accepted_) return drop_body(asked);
    asked.arrival = now_;
    incoming_request request;
    request.method = asked.method;
    request.target = asked.target;
    request.authorization = asked.authorization;
    request.body = asked.body;
    request.http2 = true;
    request.arrival = now_;
    asked.plan = site_.answer(request);
    drop_body(asked);
    if (asked.plan.served) last_served_ = std::max(last_served_, id);
    if (asked.plan.stream_limit) announce(*asked.plan.stream_limit);
    if (asked.plan.delay > milliseconds(0)) {
        wait_for(id, asked, wait::reply, now_.steady + asked.plan.delay);
    } else {
        begin_reply(id, asked);
    }
}

void http2_session::refuse(std::int32_t id, stream& asked, int status) {
    asked.answered = true;
    asked.arrival = now_;
    drop_body(asked);
    asked.plan.answer = make_refusal(status);
    asked.plan.request_id = "none";
    begin_reply(id, asked);
}

} // namespace prooftrack::sandbox
