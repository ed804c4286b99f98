#include "api/import_reader.hpp"

#include <optional>

#include "api/tracking_body.hpp"

namespace prooftrack::api {
namespace {

constexpr std::string_view white_space = " \t\r";

std::string_view trimmed(std::string_view line) {
    const std::size_t first = line.find_first_not_of(white_space);
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(white_space) - first + 1);
}

parsed<track_request> read_request(std::string_view line) {
    if (line.size() > max_import_line_bytes) {
        return make_problem(problem_code::too_large, "a line is at most 32 KiB");
    }
    if (line.starts_with('{')) return parse_track_request(line);
    std::string text(line);
    if (line.starts_with('"')) {
        auto decoded = net::check_json(line) ? net::decode_json_string(line) : std::nullopt;
        if (!decoded) return make_problem(problem_code::invalid_request, "the line is not one JSON string");
        text = std::move(*decoded);
    }
    auto id = checked_id(text);
    if (!id) return id.error();
    return track_request{std::move(*id), {}};
}

} // namespace

std::size_t count_import_lines(std::string_view body) {
    std::size_t count = 0;
    while (!body.empty()) {
        const std::size_t length = body.find('\n');
        if (body.substr(0, length).find_first_not_of(white_space) != std::string_view::npos) ++count;
        if (length == std::string_view::npos) break;
        body.remove_prefix(length + 1);
    }
    return count;
}

bool import_reader::read_slice(std::size_t max_lines) {
    const std::string_view body = body_;
    do {
        if (position_ >= body.size()) return false;
        const std::string_view rest = body.substr(position_);
        const std::string_view line = rest.substr(0, rest.find('\n'));
        position_ += line.size() + 1;
        ++line_;
        const std::string_view content = trimmed(line);
        if (!content.empty()) read_line(content);
    } while (--max_lines > 0);
    return position_ < body.size();
}

void import_reader::read_line(std::string_view line) {
    auto request = read_request(line);
    if (request) {
        lines_.push_back(import_line{line_, std::move(*request), !line.starts_with('{')});
    } else {
        rejected_.push_back(import_rejection{line_, request.error().code, request.error().detail});
    }
}

} // namespace prooftrack::api
