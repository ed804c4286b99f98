#include "config/places.hpp"

namespace prooftrack::config {

std::string readable_path(const std::string& path) {
    const auto open = path.find('[');
    const auto close = path.find(']');
    if (open == std::string::npos || close == std::string::npos) return path;
    return path.substr(0, open) + path.substr(close + 1);
}

config_mistake config_places::blame(const std::string& path, std::string problem) const {
    auto found = written_.find(path);
    if (found == written_.end()) found = written_.find(path.substr(0, path.rfind('.')));
    const file_position where = found == written_.end() ? file_position{} : found->second;
    return {file_, where.line, where.column, readable_path(path), std::move(problem), {}};
}

} // namespace prooftrack::config
