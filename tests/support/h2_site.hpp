#pragma once

// HTTP/2's server side on a scripted connection: nghttp2 reads the requests, the script decides what becomes of them.

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "support/scripted_http_server.hpp"

namespace prooftrack::testing_support {

/// Makes a server's TLS choose "h2" if it is offered; without an offer nothing is chosen.
inline boost::asio::ssl::context with_h2(boost::asio::ssl::context context) {
    const auto choose = [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                           unsigned int offered_size, void*) -> int {
        constexpr std::array<unsigned char, 3> h2{2, 'h', '2'};
        auto* chosen = const_cast<unsigned char*>(*out); // NOLINT: OpenSSL's own signature
        const int found = SSL_select_next_proto(&chosen, size, h2.data(), h2.size(), offered, offered_size);
        *out = chosen;
        return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
    };
    SSL_CTX_set_alpn_select_cb(context.native_handle(), choose, nullptr);
    return context;
}

struct h2_site_request {
    std::int32_t stream = 0;
    std::map<std::string, std::string> fields; ///< with ":path" and so on
    std::string body;
    /// Behind the last slash.
    std::string id() const { return fields.at(":path").substr(fields.at(":path").rfind('/') + 1); }
};

class h2_site {
  public:
    explicit h2_site(scripted_connection& connection, std::uint32_t most_streams = 128) : connection_(connection) {
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_server_new(&session_, callbacks, this);
        nghttp2_session_callbacks_del(callbacks);
        const nghttp2_settings_entry most{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most_streams};
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &most, 1);
        flush();
    }
    ~h2_site() { nghttp2_session_del(session_); }
    h2_site(const h2_site&) = delete;
    h2_site& operator=(const h2_site&) = delete;

    /// Reads once and gives what is whole.
    std::vector<h2_site_request> read() {
        const std::string bytes = connection_.read_some();
        if (nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) < 0)
            throw std::runtime_error("the client breaks the protocol");
        flush();
        return std::exchange(whole_, {});
    }

    void reply(
        const h2_site_request& request, const std::string& body, const std::string& status = "200",
        const std::map<std::string, std::string>& more = {}) {
        bodies_[request.stream] = body;
        std::vector<nghttp2_nv> fields{field(":status", status)};
        if (!more.contains("content-type")) fields.push_back(field("content-type", "application/json"));
        for (const auto& [name, value] : more) fields.push_back(field(name, value));
        nghttp2_data_provider provider{{.ptr = &bodies_[request.stream]}, read_body};
        nghttp2_submit_response(session_, request.stream, fields.data(), fields.size(), &provider);
        flush();
    }

    /// The fields of a reply, and nothing behind them.
    void begin_reply(const h2_site_request& request) {
        const nghttp2_nv status = field(":status", "200");
        nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, request.stream, nullptr, &status, 1, nullptr);
        flush();
    }

    void reset(const h2_site_request& request, std::uint32_t code) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, request.stream, code);
        flush();
    }

    /// What is above `last` is dropped.
    void goaway(std::int32_t last, std::uint32_t code = NGHTTP2_NO_ERROR) {
        nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, code, nullptr, 0);
        flush();
    }

    std::size_t opened() const { return open_.size(); } ///< requests of which not all has come
    std::size_t resets() const { return resets_; }      ///< RST_STREAM frames that came
    std::size_t pings() const { return pings_; }        ///< PING frames that came

  private:
    static nghttp2_nv field(std::string_view name, std::string_view value) {
        const auto bytes = [](std::string_view text) {
            return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data())); // NOLINT: nghttp2 copies
        };
        return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    }

    static int on_header(
        nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
        const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
        auto& fields = static_cast<h2_site*>(self)->open_[frame->hd.stream_id].fields;
        fields[std::string(reinterpret_cast<const char*>(name), name_size)] =
            std::string(reinterpret_cast<const char*>(value), value_size);
        return 0;
    }

    static int on_data(
        nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* self) {
        static_cast<h2_site*>(self)->open_[id].body.append(reinterpret_cast<const char*>(bytes), size);
        return 0;
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
        auto& self = *static_cast<h2_site*>(data);
        const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (frame->hd.type == NGHTTP2_RST_STREAM) ++self.resets_;
        if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) ++self.pings_;
        if (ends && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) {
            self.whole_.push_back(std::move(self.open_[frame->hd.stream_id]));
            self.whole_.back().stream = frame->hd.stream_id;
            self.open_.erase(frame->hd.stream_id);
        }
        return 0;
    }

    static ssize_t read_body(
        nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size, std::uint32_t* flags,
        nghttp2_data_source* source, void*) {
        auto& body = *static_cast<std::string*>(source->ptr);
        const std::size_t taken = std::min(size, body.size());
        std::memcpy(into, body.data(), taken);
        body.erase(0, taken);
        if (body.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(taken);
    }

    void flush() {
        std::string out;
        const std::uint8_t* bytes = nullptr;
        for (ssize_t size = 1; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;)
            out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        if (!out.empty()) connection_.send(out);
    }

    scripted_connection& connection_;
    nghttp2_session* session_ = nullptr;
    std::map<std::int32_t, h2_site_request> open_;
    std::map<std::int32_t, std::string> bodies_;
    std::vector<h2_site_request> whole_;
    std::size_t resets_ = 0;
    std::size_t pings_ = 0;
};

} // namespace prooftrack::testing_support
