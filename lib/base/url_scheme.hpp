#pragma once

#include <algorithm>
#include <string_view>

namespace prooftrack {

/// Whether a URL is for TLS. A scheme may be written in capitals.
inline bool has_https_scheme(std::string_view url) {
    constexpr std::string_view scheme = "https:";
    const auto in_small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return url.size() >= scheme.size() &&
           std::equal(scheme.begin(), scheme.end(), url.begin(), [&](char a, char b) { return a == in_small(b); });
}

} // namespace prooftrack
