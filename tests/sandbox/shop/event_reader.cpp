#include "event_reader.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::string_view id_field = "id: ";
constexpr std::string_view data_field = "data: ";

} // namespace

bool event_reader::feed(
    std::string_view piece, const std::function<void(std::string_view, std::string_view)>& on_event) {
    for (const char c : piece) {
        if (c == '\r') continue;
        if (c != '\n') {
            line_ += c;
            if (line_.size() > most_line_bytes) return false;
            continue;
        }
        const std::string_view line = line_;
        if (line.starts_with(id_field)) {
            id_ = line.substr(id_field.size());
        } else if (line.starts_with(data_field)) {
            data_ += line.substr(data_field.size());
        } else if (line.empty()) {
            if (!data_.empty()) on_event(id_, data_);
            data_.clear();
        }
        line_.clear();
    }
    return true;
}

void event_reader::reset() {
    line_.clear();
    data_.clear();
}

} // namespace prooftrack::sandbox
