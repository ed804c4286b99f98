#include "config/document.hpp"

namespace prooftrack::config {

void config_document::refuse(const std::string& path, std::string problem) {
    broken.insert(path);
    mistakes.push_back(places.blame(path, std::move(problem)));
}

void config_document::refuse_at(
    file_position where, const std::string& path, std::string problem, std::string nearest) {
    broken.insert(path);
    mistakes.push_back(
        {places.file(), where.line, where.column, readable_path(path), std::move(problem), std::move(nearest)});
}

} // namespace prooftrack::config
