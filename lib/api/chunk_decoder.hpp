#pragma once

// The chunked coding of a request's body (RFC 9112, 7.1), strict and bounded. Beast 1.81's own loses count when the
// last chunk and its trailer come in pieces.

#include <cstdint>
#include <string>
#include <string_view>

namespace prooftrack {

/// Takes the coded bytes in any pieces; the same whole body or the same fault comes out however they were cut.
class chunk_decoder {
  public:
    enum class progress : std::uint8_t {
        more,      ///< needs further bytes
        done,      ///< the body is whole
        malformed, ///< not the chunked coding, or a chunk line or trailer of over 16 KiB
        too_large, ///< the body is over its limit
    };

    explicit chunk_decoder(std::size_t limit) : limit_(limit) {}

    /// Consumes from the front of `input`, appends to `body`. What follows the body stays in `input`.
    progress decode(std::string& input, std::string& body);

  private:
    enum class phase : std::uint8_t { size_line, data, data_end, trailer, done };
    progress step(std::string_view& rest, std::string& body);
    progress take_size(std::string_view line);

    std::size_t limit_;
    std::size_t lines_ = 0; ///< bytes of the present chunk line, or of the whole trailer
    std::uint64_t left_ = 0;
    phase phase_ = phase::size_line;
};

} // namespace prooftrack
