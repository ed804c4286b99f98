#pragma once

// The chunked coding (RFC 9112, 7.1), bounded: of requests to the API, of Proof's replies and of receivers'.
// Beast 1.81's own loses count when the last chunk and its trailer come in pieces.

#include <cstdint>
#include <string>
#include <string_view>

namespace prooftrack::net {

enum class chunk_fault : std::uint8_t {
    none,
    malformed,      ///< not the chunked coding
    lines_too_long, ///< chunk lines and trailers over their bound, or one of them over 16 KiB
    body_too_large,
};

struct chunk_rules {
    std::size_t body = 0;          ///< most bytes of it; a chunk that says more is refused before it comes
    std::size_t lines = 16 * 1024; ///< of all chunk lines and trailers, beside 8 for each byte of body
    /// For receivers as they really are: a bare LF ends a line, a trailer may be anything, and of a body that is too
    /// large the beginning is kept.
    bool is_lenient = false;
};

/// Takes the coded bytes in any pieces; the same whole body or the same fault comes out however they were cut.
class chunk_decoder {
  public:
    explicit chunk_decoder(chunk_rules rules) : rules_(rules) {}

    /// For the next body; keeps its buffer.
    void reset(chunk_rules rules);

    /// Takes bytes from the front, appends to `body`, and says how many it took: fewer than given only when the body is
    /// whole or wrong. Nothing else may append to `body` meanwhile.
    std::size_t feed(std::string_view bytes, std::string& body);

    bool is_done() const { return phase_ == phase::done; }
    chunk_fault fault() const { return fault_; }

  private:
    enum class phase : std::uint8_t { size_line, data, data_end, trailer, done };
    std::size_t take_line_bytes(std::string_view bytes, const std::string& body);
    std::size_t take_data(std::string_view bytes, std::string& body);
    void take_data_end(char byte);
    void end_line(const std::string& body);
    void take_size(std::string_view line, const std::string& body);
    void take_trailer(std::string_view line);
    void count_line_bytes(std::size_t bytes);

    chunk_rules rules_;
    std::string line_;          ///< the unfinished one
    std::size_t lines_ = 0;     ///< bytes of all lines
    std::uint64_t decoded_ = 0; ///< bytes of body that came, kept or not
    std::uint64_t left_ = 0;    ///< of the chunk
    phase phase_ = phase::size_line;
    chunk_fault fault_ = chunk_fault::none;
    bool seen_cr_ = false; ///< the first byte of the CRLF after a chunk came
};

} // namespace prooftrack::net
