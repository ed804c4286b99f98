#include "net/chunk_decoder.hpp"

#include <algorithm>

#include "net/http_text.hpp"

namespace prooftrack::net {
namespace {

constexpr std::size_t max_line_bytes = 16 * 1024;
/// Bytes of lines that are tolerated for each byte of body: the smallest chunk costs five ("1", CRLF, CRLF).
constexpr std::uint64_t lines_per_byte = 8;

std::string_view trim_end(std::string_view text) {
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

} // namespace

void chunk_decoder::reset(chunk_rules rules) {
    rules_ = rules;
    line_.clear();
    lines_ = 0;
    decoded_ = left_ = 0;
    phase_ = phase::size_line;
    fault_ = chunk_fault::none;
    seen_cr_ = false;
}

std::size_t chunk_decoder::feed(std::string_view bytes, std::string& body) {
    std::size_t taken = 0;
    while (taken < bytes.size() && phase_ != phase::done && fault_ == chunk_fault::none) {
        const std::string_view rest = bytes.substr(taken);
        if (phase_ == phase::data) {
            taken += take_data(rest, body);
        } else if (phase_ == phase::data_end) {
            take_data_end(rest.front());
            ++taken;
        } else {
            taken += take_line_bytes(rest, body);
        }
    }
    return taken;
}

void chunk_decoder::count_line_bytes(std::size_t bytes) {
    lines_ += bytes;
    if (lines_ > rules_.lines + lines_per_byte * decoded_) fault_ = chunk_fault::lines_too_long;
}

std::size_t chunk_decoder::take_line_bytes(std::string_view bytes, const std::string& body) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t taken = newline == std::string_view::npos ? bytes.size() : newline + 1;
    count_line_bytes(taken);
    if (line_.size() + taken > max_line_bytes) fault_ = chunk_fault::lines_too_long;
    if (fault_ != chunk_fault::none) return taken;
    line_.append(bytes.substr(0, taken));
    if (newline != std::string_view::npos) end_line(body);
    return taken;
}

void chunk_decoder::end_line(const std::string& body) {
    std::string_view line(line_);
    line.remove_suffix(1);
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    } else if (!rules_.is_lenient) {
        fault_ = chunk_fault::malformed;
        return;
    }
    if (phase_ == phase::size_line) {
        take_size(line, body);
    } else {
        take_trailer(line);
    }
    line_.clear();
}

void chunk_decoder::take_size(std::string_view line, const std::string& body) {
    const std::string_view written = line.substr(0, line.find(';')); // extensions are skipped
    // Old servers pad a size with blanks.
    const auto size =
        parse_whole_number<std::uint64_t>(rules_.is_lenient ? trim_blanks(written) : trim_end(written), 16);
    if (!size || (!rules_.is_lenient && !is_field_text(line))) {
        fault_ = chunk_fault::malformed;
    } else if (!rules_.is_lenient && *size > rules_.body - body.size()) {
        fault_ = chunk_fault::body_too_large;
    } else {
        left_ = *size;
        phase_ = left_ == 0 ? phase::trailer : phase::data;
    }
}

void chunk_decoder::take_trailer(std::string_view line) {
    if (line.empty()) {
        phase_ = phase::done;
    } else if (!rules_.is_lenient) { // fields are not used
        const std::size_t colon = line.find(':');
        const bool well_formed =
            colon != std::string_view::npos && is_token(line.substr(0, colon)) && is_field_text(line);
        if (!well_formed) fault_ = chunk_fault::malformed;
    }
}

std::size_t chunk_decoder::take_data(std::string_view bytes, std::string& body) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    body.append(bytes.substr(0, std::min(taken, rules_.body - body.size())));
    decoded_ += taken;
    left_ -= taken;
    if (decoded_ > rules_.body) {
        fault_ = chunk_fault::body_too_large;
    } else if (left_ == 0) {
        phase_ = phase::data_end;
    }
    return taken;
}

void chunk_decoder::take_data_end(char byte) {
    const bool ends = byte == '\n' && (seen_cr_ || rules_.is_lenient);
    if (!ends && (byte != '\r' || seen_cr_)) {
        fault_ = chunk_fault::malformed;
        return;
    }
    seen_cr_ = !ends;
    if (ends) phase_ = phase::size_line;
    count_line_bytes(1);
}

} // namespace prooftrack::net
