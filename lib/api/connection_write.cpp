#include "api/connection.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>

#include "api/response_head.hpp"

// Sending; reading and answering is in connection.cpp.

namespace prooftrack::api {
namespace {

/// Well below IOV_MAX; a stream's next bytes follow when these are gone.
constexpr std::size_t buffers_a_write = 64;

shared_bytes share(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

} // namespace

void connection::send(api_response response) {
    phase_ = phase::writing;
    route_ = response.route;
    status_ = response.status;
    chunked_ = response.chunked;
    stream_ended_ = false;
    stream_ = std::move(response.stream);
    if (stream_ && !chunked_) close_after_ = true; // its end is the end of the connection
    response.stream = stream_;
    if (stream_) {
        stream_->set_waker([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->wake_stream();
        });
    }
    said_close_ = close_after_;
    outgoing_.clear();
    outgoing_.push_back(share(format_response_head(
        response, close_after_ ? connection_fate::close : connection_fate::keep, host_.http_date())));
    if (head_.method != "HEAD" && !response.body.empty()) outgoing_.push_back(share(std::move(response.body)));
    host_.deadlines().start(*this, host_.limits().write_stall);
    write_more();
    watch();
}

void connection::write_more() {
    std::vector<boost::asio::const_buffer> buffers;
    for (std::size_t i = out_index_; i < outgoing_.size() && buffers.size() < buffers_a_write; ++i) {
        const std::string& bytes = *outgoing_[i];
        const std::size_t skip = i == out_index_ ? out_offset_ : 0;
        buffers.emplace_back(bytes.data() + skip, bytes.size() - skip);
    }
    socket_.async_write_some(buffers, [self = shared_from_this()](const error_code& error, std::size_t bytes) {
        if (self->phase_ != phase::closed) self->on_written(error, bytes);
    });
}

void connection::on_written(const error_code& error, std::size_t bytes) {
    if (error) return close();
    moved_at_ = std::chrono::steady_clock::now();
    out_offset_ += bytes;
    while (out_index_ < outgoing_.size() && out_offset_ >= outgoing_[out_index_]->size()) {
        out_offset_ -= outgoing_[out_index_++]->size();
    }
    if (stream_) stream_->on_progress();
    if (out_index_ == outgoing_.size()) {
        outgoing_.clear();
        out_index_ = 0;
        out_offset_ = 0;
        return on_all_written();
    }
    host_.deadlines().start(*this, host_.limits().write_stall);
    write_more();
}

void connection::on_all_written() {
    if (stream_ && !stream_ended_) return pull();
    finish_response();
}

void connection::pull() {
    std::vector<shared_bytes> bytes;
    switch (stream_->next(bytes)) {
    case body_stream::progress::broken:
        return close();
    case body_stream::progress::wait:
        phase_ = phase::streaming;
        host_.deadlines().start(*this, host_.limits().heartbeat);
        return;
    case body_stream::progress::end:
        stream_ended_ = true;
        if (!chunked_) return finish_response();
        bytes.assign(1, share("0\r\n\r\n"));
        break;
    case body_stream::progress::more:
        bytes = framed(std::move(bytes));
        break;
    }
    outgoing_ = std::move(bytes);
    phase_ = phase::writing;
    host_.deadlines().start(*this, host_.limits().write_stall);
    write_more();
}

std::vector<shared_bytes> connection::framed(std::vector<shared_bytes> bytes) const {
    if (!chunked_) return bytes;
    std::size_t size = 0;
    for (const shared_bytes& part : bytes) size += part->size();
    bytes.insert(bytes.begin(), share(format_chunk_head(size)));
    bytes.push_back(share("\r\n"));
    return bytes;
}

void connection::beat() {
    const shared_bytes comment = stream_->heartbeat();
    if (!comment) return close();
    if (comment->empty()) return host_.deadlines().start(*this, host_.limits().heartbeat);
    outgoing_ = framed({comment});
    phase_ = phase::writing;
    host_.deadlines().start(*this, host_.limits().write_stall);
    write_more();
}

void connection::wake_stream() {
    if (phase_ == phase::streaming) return pull();
    // Something is being written, a heartbeat too: what is new is asked for behind it. A stream that broke ends now,
    // because its reader may take nothing for long.
    if (phase_ == phase::writing && stream_->is_broken()) close();
}

void connection::finish_response() {
    host_.on_answered({head_.method, route_, status_, std::chrono::steady_clock::now() - asked_, peer_.uid});
    host_.deadlines().stop(*this);
    release_body();
    stream_.reset();
    phase_ = phase::idle;
    const bool has_asked_again = close_after_ && !said_close_ && has_unread_input(); // the stop came meanwhile
    if (close_after_ && !has_asked_again) return unread_rest_ ? drain() : close();
    if (has_asked_again) await_last_request();
    advance();
    watch();
}

void connection::drain() {
    // Closing with unread bytes would tear the answer away from a client that is still sending.
    phase_ = phase::draining;
    error_code ignored;
    socket_.shutdown(socket_type::shutdown_send, ignored);
    host_.deadlines().start(*this, in_a_hurry_ ? host_.limits().last_words : host_.limits().stall);
    watch();
}

} // namespace prooftrack::api
