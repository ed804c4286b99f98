#include "engine/secret_view.hpp"

#include <fmt/format.h>

#include "engine/digests.hpp"

namespace prooftrack::engine {

std::string fingerprint_of(const secret& text) {
    constexpr std::size_t shown_bytes = 6;
    const store::digest hash = sha256(text.reveal());
    std::string shown;
    for (std::size_t i = 0; i < shown_bytes; ++i) shown += fmt::format("{:02x}", hash[i]);
    return shown;
}

std::string join_fingerprints(const std::vector<std::string>& fingerprints) {
    std::string joined;
    for (const std::string& one : fingerprints) joined += joined.empty() ? one : " " + one;
    return joined;
}

} // namespace prooftrack::engine
