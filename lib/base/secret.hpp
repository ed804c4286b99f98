#pragma once

// A string that cannot be printed: token, webhook keys.

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace prooftrack {

/// Holds a secret, wipes it when it goes. It has no operator<<, no formatter and no conversion: `reveal()` marks each
/// use.
class secret {
  public:
    secret() = default;
    explicit secret(std::string value) : value_(std::move(value)) {}
    secret(const secret&) = default;
    secret(secret&& other) noexcept : value_(other.value_) { other.wipe(); }
    secret& operator=(const secret& other) {
        if (this != &other) {
            wipe();
            value_ = other.value_;
        }
        return *this;
    }
    secret& operator=(secret&& other) noexcept {
        if (this != &other) {
            wipe();
            value_ = other.value_;
            other.wipe();
        }
        return *this;
    }
    ~secret() { wipe(); }

    std::string_view reveal() const { return value_; }
    bool empty() const { return value_.empty(); }
    bool operator==(const secret&) const = default;

  private:
    void wipe() noexcept;
    std::string value_;
};

} // namespace prooftrack

template <>
struct fmt::formatter<prooftrack::secret>; // declared, never defined: formatting a secret does not compile
