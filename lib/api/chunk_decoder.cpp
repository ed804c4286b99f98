#include "api/chunk_decoder.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace prooftrack {
namespace {

constexpr std::size_t max_line_bytes = 16 * 1024;

/// The line at the front without its CR LF; nullopt when it has not ended yet. A bare LF leaves a line that no rule
/// accepts.
std::optional<std::string_view> take_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.empty() || line.back() != '\r') return std::string_view("\n");
    line.remove_suffix(1);
    return line;
}

} // namespace

chunk_decoder::progress chunk_decoder::take_size(std::string_view line) {
    constexpr std::size_t most_digits = 15;
    const std::string_view digits = line.substr(0, line.find(';'));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
    const bool is_whole = error == std::errc{} && end == digits.data() + digits.size();
    if (!is_whole || digits.empty() || digits.size() > most_digits) return progress::malformed;
    phase_ = left_ == 0 ? phase::trailer : phase::data;
    lines_ = 0;
    return progress::more;
}

chunk_decoder::progress chunk_decoder::step(std::string_view& rest, std::string& body) {
    if (phase_ == phase::data) {
        const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
        if (body.size() + left_ > limit_) return progress::too_large;
        body.append(rest.substr(0, taken));
        rest.remove_prefix(taken);
        left_ -= taken;
        if (left_ == 0) phase_ = phase::data_end;
        return progress::more;
    }
    const std::size_t before = rest.size();
    const auto line = take_line(rest);
    if (!line) return before + lines_ > max_line_bytes ? progress::malformed : progress::more;
    lines_ += before - rest.size();
    if (*line == "\n" || lines_ > max_line_bytes) return progress::malformed;
    switch (phase_) {
    case phase::size_line: {
        const progress made = take_size(*line);
        return made == progress::more && left_ > limit_ - body.size() ? progress::too_large : made;
    }
    case phase::data_end:
        phase_ = phase::size_line;
        lines_ = 0;
        return line->empty() ? progress::more : progress::malformed;
    case phase::trailer:
        if (line->empty()) {
            phase_ = phase::done;
            return progress::done;
        }
        return line->find(':') == std::string_view::npos ? progress::malformed : progress::more; // fields are not used
    case phase::data:
    case phase::done:
        break;
    }
    return progress::done;
}

chunk_decoder::progress chunk_decoder::decode(std::string& input, std::string& body) {
    std::string_view rest = input;
    progress made = phase_ == phase::done ? progress::done : progress::more;
    while (made == progress::more && !rest.empty()) {
        const std::size_t before = rest.size();
        made = step(rest, body);
        if (rest.size() == before) break; // an unfinished line stays
    }
    input.erase(0, input.size() - rest.size());
    return made;
}

} // namespace prooftrack
