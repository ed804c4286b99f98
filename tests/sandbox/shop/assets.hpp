#pragma once

// The shop's files in page/, built into the program.

#include <string_view>

namespace prooftrack::sandbox {

struct shop_asset {
    std::string_view path;
    std::string_view content_type;
    std::string_view bytes;
};

/// Null when there is no file at this path.
const shop_asset* find_shop_asset(std::string_view path);

} // namespace prooftrack::sandbox
