#include "prooftrackctl/import_chunks.hpp"

#include "prooftrackctl/json_view.hpp"

namespace prooftrack::ctl {

namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r";
    const std::size_t first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

} // namespace

std::string format_import_line(std::string_view line) {
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '{' || text.front() == '[') return std::string(text);
    // An id alone stays one: as an object it would ask for an id without options.
    return text.front() == '"' ? std::string(text) : json_string(text);
}

void import_chunker::take(std::string_view piece) {
    while (!piece.empty()) {
        const std::size_t end = piece.find('\n');
        const std::string_view part = piece.substr(0, end);
        if (line_.size() + part.size() > max_line) {
            too_long_ = true;
            line_.clear();
        } else if (!too_long_) {
            line_ += part;
        }
        if (end == std::string_view::npos) return;
        end_line();
        piece.remove_prefix(end + 1);
    }
}

void import_chunker::finish() {
    if (!line_.empty() || too_long_) end_line();
    send();
}

void import_chunker::end_line() {
    std::string_view line = line_;
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (line_number_ == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
    if (too_long_) {
        on_too_long_(line_number_, "the line is longer than 64 KiB");
    } else if (const std::string ready = format_import_line(line); !ready.empty()) {
        if (chunk_.lines.size() == max_lines || chunk_.body.size() + ready.size() + 1 > max_bytes) send();
        chunk_.body += ready;
        chunk_.body += '\n';
        chunk_.lines.push_back(line_number_);
    }
    ++line_number_;
    line_.clear();
    too_long_ = false;
}

void import_chunker::send() {
    if (!chunk_.lines.empty()) on_chunk_(chunk_);
    chunk_.lines.clear();
    chunk_.body.clear();
}

} // namespace prooftrack::ctl
