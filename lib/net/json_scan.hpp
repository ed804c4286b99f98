#pragma once

// Walks over JSON text that `find_json_fault` has already found whole and valid; for lib/net/json*.cpp.

#include <string>
#include <string_view>

namespace prooftrack::net {

/// A position in valid JSON text. On text that is not valid it stays inside the text, and that is all it promises.
class json_scanner {
  public:
    explicit json_scanner(std::string_view text) : text_(text) {}

    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    void skip_space();

    /// Steps over `c` if it is next (white space before it is skipped).
    bool take(char c);

    /// The bytes of the string that begins here, with its quotes.
    std::string_view take_string();

    /// The bytes of the number or word that begins here.
    std::string_view take_scalar();

    /// The bytes of the value that begins here, whatever it is.
    std::string_view take_value();

  private:
    std::string_view text_;
    std::size_t at_ = 0;
};

/// The text of a valid JSON string given with its quotes.
std::string decode_quoted(std::string_view quoted);

} // namespace prooftrack::net
