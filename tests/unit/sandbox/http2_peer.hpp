#pragma once

// A client of HTTP/2, joined to a session of the sandbox in memory, with a clock that stands still until it is moved.

#include <nghttp2/nghttp2.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sandbox/http2_session.hpp"
#include "sandbox/proof_site.hpp"

namespace prooftrack::sandbox {

class http2_peer {
  public:
    struct reply_seen {
        int status = 0;
        std::map<std::string, std::string> head;
        std::string body;
        std::optional<std::uint32_t> closed; ///< the error code
    };
    struct goaway_seen {
        std::int32_t last_stream = 0;
        std::uint32_t error = 0;
    };

    explicit http2_peer(site& served, const http2_limits& limits = {}) : server(served, now, limits) {
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_session* session = nullptr;
        nghttp2_session_client_new(&session, callbacks, this);
        nghttp2_session_callbacks_del(callbacks);
        client.reset(session);
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
    }

    /// Submits a request; it goes with the next `exchange`.
    std::int32_t ask(
        std::string_view method, std::string_view target, std::string body = "",
        std::vector<std::pair<std::string, std::string>> more = {}) {
        more.insert(
            more.begin(), {{":method", std::string(method)},
                           {":scheme", "https"},
                           {":authority", "localhost"},
                           {":path", std::string(target)},
                           {"authorization", "Bearer right"}});
        std::vector<nghttp2_nv> fields;
        const auto bytes = [](const std::string& text) {
            return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
        };
        for (const auto& [name, value] : more) {
            fields.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
        }
        nghttp2_data_provider provider{{0}, read_body};
        const bool has_body = !body.empty();
        const auto id = nghttp2_submit_request(
            client.get(), nullptr, fields.data(), fields.size(), has_body ? &provider : nullptr, nullptr);
        bodies[id] = std::move(body);
        return id;
    }

    /// What the client would send now.
    std::string client_bytes() {
        std::string all;
        const std::uint8_t* bytes = nullptr;
        for (ssize_t size = 0; (size = nghttp2_session_mem_send(client.get(), &bytes)) > 0;) {
            all.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        }
        return all;
    }

    /// Lets both sides send until neither has anything to say.
    void exchange() {
        for (bool moved = true; moved;) {
            const auto sent = client_bytes();
            if (!sent.empty()) server.receive(sent, now);
            server.advance(now.steady);
            std::string answered;
            server.produce(answered, SIZE_MAX);
            raw += answered;
            moved = !sent.empty() || !answered.empty();
            const auto taken = nghttp2_session_mem_recv(
                client.get(), reinterpret_cast<const std::uint8_t*>(answered.data()), answered.size());
            if (taken < 0) broken = true;
            if (broken) return;
        }
    }

    /// The reply to a request of its own.
    reply_seen get(std::string_view target) {
        const auto id = ask("GET", target);
        exchange();
        return replies[id];
    }

    void pass(milliseconds time) {
        now.steady += time;
        now.wall += time;
    }

    instant now{steady_time(std::chrono::hours(1)), wall_time(std::chrono::hours(1))};
    http2_session server;
    std::map<std::int32_t, reply_seen> replies;
    std::optional<goaway_seen> goaway;      ///< the last one
    std::vector<std::int32_t> last_streams; ///< of each GOAWAY
    std::optional<std::uint32_t> streams;   ///< what the server announced last
    std::string raw;                        ///< all that the server sent
    bool broken = false;                    ///< the server sent what is not HTTP/2

  private:
    struct deleter {
        void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
    };
    static int on_header(
        nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
        const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
        auto& seen = static_cast<http2_peer*>(self)->replies[frame->hd.stream_id];
        const std::string field(reinterpret_cast<const char*>(name), name_size);
        seen.head[field] = std::string(reinterpret_cast<const char*>(value), value_size);
        if (field == ":status") seen.status = std::stoi(seen.head[field]);
        return 0;
    }
    static int on_data(
        nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* self) {
        static_cast<http2_peer*>(self)->replies[id].body.append(reinterpret_cast<const char*>(data), size);
        return 0;
    }
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
        auto& peer = *static_cast<http2_peer*>(self);
        if (frame->hd.type == NGHTTP2_GOAWAY) {
            peer.goaway = goaway_seen{frame->goaway.last_stream_id, frame->goaway.error_code};
            peer.last_streams.push_back(frame->goaway.last_stream_id);
        }
        if (frame->hd.type == NGHTTP2_SETTINGS) {
            for (std::size_t index = 0; index < frame->settings.niv; ++index) {
                const auto& entry = frame->settings.iv[index];
                if (entry.settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) peer.streams = entry.value;
            }
        }
        return 0;
    }
    static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* self) {
        static_cast<http2_peer*>(self)->replies[id].closed = error;
        return 0;
    }
    static ssize_t read_body(
        nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
        nghttp2_data_source*, void* self) {
        auto& rest = static_cast<http2_peer*>(self)->bodies[id];
        const auto count = std::min(room, rest.size());
        std::copy_n(rest.begin(), count, to);
        rest.erase(0, count);
        if (rest.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(count);
    }

  public:
    std::unique_ptr<nghttp2_session, deleter> client;
    std::map<std::int32_t, std::string> bodies;
};

/// A Proof in memory that takes the token of `http2_peer::ask` and knows every id.
class Http2Test : public ::testing::Test {
  protected:
    Http2Test() : site_(make_options()) {}

    static proof_site_options make_options() {
        proof_site_options options;
        options.token = secret("right");
        options.accept_any = true;
        return options;
    }

    reply control(std::string_view method, std::string_view target, std::string_view body = "") {
        incoming_request request;
        request.method = method;
        request.target = target;
        request.body = body;
        request.authorization = "Bearer right";
        return site_.answer(request).answer;
    }
    void turn_on(std::string_view fault) { ASSERT_EQ(control("PUT", "/sandbox/faults", fault).status, 200) << fault; }
    /// `METHOD PATH STATUS` of each logged request.
    std::string log() {
        auto made = control("GET", "/sandbox/log");
        while (made.more(made.body)) {
        }
        return made.body;
    }

    proof_site site_;
};

} // namespace prooftrack::sandbox
