#include "prooftrackctl/sse_parser.hpp"

namespace prooftrack::ctl {

bool sse_parser::take(std::string_view piece) {
    for (const char c : piece) {
        if (broken_) return false;
        if (c == '\n' && after_cr_) { // the second half of a CRLF
            after_cr_ = false;
            continue;
        }
        after_cr_ = c == '\r';
        if (c == '\n' || c == '\r') {
            on_line(line_);
            line_.clear();
        } else {
            line_ += c;
        }
        broken_ = line_.size() + event_.data.size() > max_event;
    }
    return !broken_;
}

void sse_parser::restart() {
    line_.clear();
    event_.type.clear();
    event_.data.clear();
    has_data_ = after_cr_ = broken_ = false;
}

void sse_parser::on_line(std::string_view line) {
    if (line.empty()) {
        if (has_data_) on_event_(event_);
        event_.type.clear();
        event_.data.clear();
        has_data_ = false;
        return;
    }
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data") {
        if (has_data_) event_.data += '\n';
        event_.data += value;
        has_data_ = true;
    } else if (name == "id") {
        event_.id = value;
    } else if (name == "event") {
        event_.type = value;
    }
}

} // namespace prooftrack::ctl
