#pragma once

// Where the keys of a file stand, for mistakes that are found after it was parsed.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "config/mistake.hpp"

namespace prooftrack::config {

struct file_position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

/// Keys are addressed by their path: `proof.base_url`, `callback[0].url`; a table by its own: `proof`, `callback[0]`.
class config_places {
  public:
    config_places() = default;
    explicit config_places(std::string file) : file_(std::move(file)) {}

    void add(const std::string& path, file_position where) { written_[path] = where; }
    bool has(const std::string& path) const { return written_.contains(path); }
    const std::string& file() const { return file_; }

    /// A mistake at the place where `path` stands; where it is not written, at its table; else in the file as a whole.
    config_mistake blame(const std::string& path, std::string problem) const;

  private:
    std::string file_;
    std::map<std::string, file_position> written_;
};

/// `callback[3].url` is `callback.url` for people: the line number says which one.
std::string readable_path(const std::string& path);

} // namespace prooftrack::config
