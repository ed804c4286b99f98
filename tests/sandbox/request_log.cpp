#include "request_log.hpp"

#include <array>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "reply.hpp"

namespace prooftrack::sandbox {
namespace {

/// A record's fixed part; method and path follow.
struct record_head {
    std::int64_t arrival_ms;
    std::uint16_t status;
    std::uint16_t path_length;
    std::uint8_t method_length;
};
constexpr std::size_t head_bytes = 13;

std::array<char, head_bytes> pack(const record_head& head) {
    std::array<char, head_bytes> bytes{};
    std::memcpy(bytes.data(), &head.arrival_ms, 8);
    std::memcpy(bytes.data() + 8, &head.status, 2);
    std::memcpy(bytes.data() + 10, &head.path_length, 2);
    std::memcpy(bytes.data() + 12, &head.method_length, 1);
    return bytes;
}

record_head unpack(const char* bytes) {
    record_head head{};
    std::memcpy(&head.arrival_ms, bytes, 8);
    std::memcpy(&head.status, bytes + 8, 2);
    std::memcpy(&head.path_length, bytes + 10, 2);
    std::memcpy(&head.method_length, bytes + 12, 1);
    return head;
}

/// Walks a snapshot of the pieces, some records at a time.
struct log_reader {
    struct part {
        std::shared_ptr<const std::string> bytes;
        std::size_t end;
    };
    static constexpr std::size_t bytes_a_call = 64U << 10U;

    std::vector<part> parts;
    std::string prefix;
    std::size_t at_part = 0;
    std::size_t at_byte = 0;
    bool first = true;

    bool operator()(std::string& out) {
        const std::size_t enough = out.size() + bytes_a_call;
        // Records that the prefix leaves out count too: one call must not hold the loop up.
        std::size_t looked_at = 0;
        if (at_part == 0 && at_byte == 0) out += '[';
        while (at_part < parts.size() && out.size() < enough && looked_at < bytes_a_call) {
            if (at_byte >= parts[at_part].end) {
                ++at_part;
                at_byte = 0;
                continue;
            }
            const char* record = parts[at_part].bytes->data() + at_byte;
            const record_head head = unpack(record);
            const std::string_view method(record + head_bytes, head.method_length);
            const std::string_view path(record + head_bytes + head.method_length, head.path_length);
            const std::size_t length = head_bytes + head.method_length + head.path_length;
            at_byte += length;
            looked_at += length;
            if (!path.starts_with(prefix)) continue;
            fmt::format_to(
                std::back_inserter(out), "{}{{\"at\":\"{}\",\"method\":", first ? "\n" : ",\n",
                format_wall_time(wall_time(milliseconds(head.arrival_ms))));
            append_json(out, method);
            out += R"(,"path":)";
            append_json(out, path);
            fmt::format_to(std::back_inserter(out), ",\"status\":{}}}", head.status);
            first = false;
        }
        if (at_part < parts.size()) return true;
        out += "\n]\n";
        return false;
    }
};

} // namespace

void request_log::append(wall_time arrival, std::string_view method, std::string_view target, int status) {
    method = method.substr(0, 16);
    target = target.substr(0, longest_path);
    if (pieces_.empty() || pieces_.back()->size() + head_bytes + method.size() + target.size() > piece_bytes) {
        if (pieces_.size() >= most_pieces_ && !pieces_.empty()) pieces_.pop_front();
        pieces_.push_back(std::make_shared<std::string>());
        // Readers hold pointers into the piece: it must never move.
        pieces_.back()->reserve(piece_bytes);
    }
    const auto head = pack(
        {arrival.time_since_epoch().count(), static_cast<std::uint16_t>(status),
         static_cast<std::uint16_t>(target.size()), static_cast<std::uint8_t>(method.size())});
    auto& piece = *pieces_.back();
    piece.append(head.data(), head.size()).append(method).append(target);
}

std::function<bool(std::string&)> request_log::format(std::string prefix) const {
    log_reader reader;
    reader.prefix = std::move(prefix);
    for (const auto& piece : pieces_) reader.parts.push_back({piece, piece->size()});
    return reader;
}

} // namespace prooftrack::sandbox
