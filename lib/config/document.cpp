#include "config/document.hpp"

namespace prooftrack {

std::string readable_path(const std::string& path) {
    const auto open = path.find('[');
    const auto close = path.find(']');
    if (open == std::string::npos || close == std::string::npos) return path;
    return path.substr(0, open) + path.substr(close + 1);
}

void config_document::refuse(const std::string& path, std::string problem) {
    auto found = written.find(path);
    if (found == written.end()) found = written.find(path.substr(0, path.rfind('.')));
    refuse_at(found == written.end() ? file_position{} : found->second, path, std::move(problem));
}

void config_document::refuse_at(file_position where, const std::string& path, std::string problem,
                                std::string nearest) {
    broken.insert(path);
    mistakes.push_back({file, where.line, where.column, readable_path(path), std::move(problem), std::move(nearest)});
}

} // namespace prooftrack
