#include "config/mistake.hpp"

#include <fmt/format.h>

namespace prooftrack::config {

std::string format_mistake(const config_mistake& mistake) {
    std::string out = mistake.file;
    if (mistake.line != 0) out += fmt::format(":{}:{}", mistake.line, mistake.column);
    out += ": ";
    if (!mistake.key.empty()) out += mistake.key + ": ";
    out += mistake.problem;
    return out;
}

} // namespace prooftrack::config
