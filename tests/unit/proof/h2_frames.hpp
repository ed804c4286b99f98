#pragma once

// Frames of HTTP/2 as a server writes them, by hand: also those that no library would send.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace prooftrack::proof {

enum class h2_type : std::uint8_t {
    data,
    headers,
    priority,
    rst_stream,
    settings,
    push_promise,
    ping,
    goaway,
    window_update,
    continuation
};
inline constexpr std::uint8_t end_stream = 1;
inline constexpr std::uint8_t ack = 1;
inline constexpr std::uint8_t end_headers = 4;
inline constexpr std::uint8_t padded = 8;

inline std::string number(std::uint32_t value, int bytes) {
    std::string out;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xffU);
    return out;
}

inline std::string frame(h2_type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
    return number(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(type) + static_cast<char>(flags) +
           number(stream, 4) + std::string(payload);
}

/// HPACK: a string of any length, not Huffman coded.
inline std::string hpack_string(std::string_view text) {
    std::string out;
    if (text.size() < 127) {
        out += static_cast<char>(text.size());
    } else {
        out += '\x7f';
        std::size_t rest = text.size() - 127;
        for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
        out += static_cast<char>(rest);
    }
    return out.append(text);
}

using h2_fields = std::vector<std::pair<std::string, std::string>>;

/// HPACK: literals without indexing.
inline std::string hpack(const h2_fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) out += '\0' + hpack_string(name) + hpack_string(value);
    return out;
}

inline std::string headers(std::uint32_t stream, const h2_fields& fields, std::uint8_t flags = 0) {
    return frame(h2_type::headers, static_cast<std::uint8_t>(flags | end_headers), stream, hpack(fields));
}

inline std::string data(std::uint32_t stream, std::string_view bytes, std::uint8_t flags = 0) {
    return frame(h2_type::data, flags, stream, bytes);
}

/// A whole reply with a JSON body.
inline std::string reply(std::uint32_t stream, std::string_view body, std::string_view status = "200") {
    return headers(stream, {{":status", std::string(status)}, {"content-type", "application/json"}}) +
           data(stream, body, end_stream);
}

inline std::string settings(const std::vector<std::pair<int, std::uint32_t>>& entries = {}) {
    std::string payload;
    for (const auto& [id, value] : entries) payload += number(static_cast<std::uint32_t>(id), 2) + number(value, 4);
    return frame(h2_type::settings, 0, 0, payload);
}
inline std::string settings_ack() { return frame(h2_type::settings, ack, 0, ""); }
inline constexpr int max_concurrent_streams = 3;

inline std::string rst_stream(std::uint32_t stream, std::uint32_t code) {
    return frame(h2_type::rst_stream, 0, stream, number(code, 4));
}

inline std::string goaway(std::uint32_t last_stream, std::uint32_t code) {
    return frame(h2_type::goaway, 0, 0, number(last_stream, 4) + number(code, 4));
}

namespace h2_code {
inline constexpr std::uint32_t no_error = 0;
inline constexpr std::uint32_t internal_error = 2;
inline constexpr std::uint32_t refused_stream = 7;
inline constexpr std::uint32_t cancel = 8;
inline constexpr std::uint32_t enhance_your_calm = 11;
inline constexpr std::uint32_t http_1_1_required = 13;
} // namespace h2_code

/// A frame that was sent.
struct h2_sent {
    h2_type type{};
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
    std::string payload;
};

/// The frames in what a client sent; the preface before them is skipped.
inline std::vector<h2_sent> frames_of(std::string_view bytes) {
    constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (bytes.starts_with(preface)) bytes.remove_prefix(preface.size());
    std::vector<h2_sent> found;
    while (bytes.size() >= 9) {
        const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
        const std::size_t size = at(0) << 16U | at(1) << 8U | at(2);
        found.push_back(
            {static_cast<h2_type>(at(3)), static_cast<std::uint8_t>(at(4)),
             at(5) << 24U | at(6) << 16U | at(7) << 8U | at(8), std::string(bytes.substr(9, size))});
        bytes.remove_prefix(std::min(bytes.size(), 9 + size));
    }
    return found;
}

} // namespace prooftrack::proof
