#include "net/json.hpp"

#include <algorithm>
#include <cmath>

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

namespace prooftrack::net {
namespace {

namespace json = boost::json;

class json_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "prooftrack.json"; }
    std::string message(int value) const override {
        switch (static_cast<json_error>(value)) {
        case json_error::not_json:
            return "not JSON";
        case json_error::incomplete:
            return "the JSON text is incomplete";
        case json_error::extra_data:
            return "something stands behind the JSON text";
        case json_error::not_utf8:
            return "the text is not UTF-8";
        case json_error::lone_surrogate:
            return "an escaped surrogate stands alone";
        case json_error::duplicate_key:
            return "a member stands twice in one object";
        case json_error::too_deep:
            return "nested too deeply";
        case json_error::number_overflow:
            return "a number is too large";
        case json_error::not_object:
            return "not a JSON object";
        }
        return "unknown JSON error";
    }
};

/// Most digits of an exponent: a longer one is no number that anybody means.
constexpr std::size_t max_exponent_digits = 9;

bool has_absurd_exponent(std::string_view number) {
    const auto mark = number.find_first_of("eE");
    if (mark == std::string_view::npos) return false;
    const auto first = number.find_first_of("123456789", mark);
    return first != std::string_view::npos && number.size() - first > max_exponent_digits;
}

/// Sees every part of the text once. Names of the open objects lie in one vector, each level behind the one that
/// encloses it.
class checking_handler {
  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    explicit checking_handler(const json_limits& limits) : limits_(limits) {}

    const std::string& duplicate() const { return duplicate_; }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_array_begin(error_code&) { return true; }
    bool on_array_end(std::size_t, error_code&) { return true; }
    bool on_object_begin(error_code&) {
        levels_.push_back(names_.size());
        return true;
    }
    bool on_object_end(std::size_t, error_code& error) {
        const auto first = names_.begin() + static_cast<std::ptrdiff_t>(levels_.back());
        levels_.pop_back();
        if (!limits_.allow_duplicate_keys) {
            std::sort(first, names_.end());
            if (const auto twice = std::adjacent_find(first, names_.end()); twice != names_.end()) {
                duplicate_ = *twice;
                error = json_error::duplicate_key;
                return false;
            }
        }
        names_.erase(first, names_.end());
        return true;
    }
    bool on_string_part(json::string_view, std::size_t, error_code&) { return true; }
    bool on_string(json::string_view, std::size_t, error_code&) { return true; }
    bool on_key_part(json::string_view part, std::size_t, error_code&) {
        name_.append(part.data(), part.size());
        return true;
    }
    bool on_key(json::string_view part, std::size_t, error_code&) {
        name_.append(part.data(), part.size());
        if (!limits_.allow_duplicate_keys) names_.push_back(std::move(name_));
        name_.clear();
        return true;
    }
    bool on_number_part(json::string_view, error_code&) { return true; }
    bool on_int64(std::int64_t, json::string_view, error_code&) { return true; }
    bool on_uint64(std::uint64_t, json::string_view, error_code&) { return true; }
    bool on_double(double value, json::string_view text, error_code& error) {
        const bool overflows = std::isinf(value) || has_absurd_exponent({text.data(), text.size()});
        if (!overflows || limits_.allow_number_overflow) return true;
        error = json_error::number_overflow;
        return false;
    }
    bool on_bool(bool, error_code&) { return true; }
    bool on_null(error_code&) { return true; }
    bool on_comment_part(json::string_view, error_code&) { return true; }
    bool on_comment(json::string_view, error_code&) { return true; }

  private:
    json_limits limits_;
    std::vector<std::string> names_;
    std::vector<std::size_t> levels_;
    std::string name_;
    std::string duplicate_;
};

json_error classify(const error_code& error) {
    if (error.category() == json_category()) return static_cast<json_error>(error.value());
    // Boost.JSON compares by condition and category; its own values are compared one by one.
    if (error == json::error::incomplete) return json_error::incomplete;
    if (error == json::error::extra_data) return json_error::extra_data;
    if (error == json::error::too_deep) return json_error::too_deep;
    if (error == json::error::exponent_overflow) return json_error::number_overflow;
    if (error == json::error::illegal_leading_surrogate || error == json::error::illegal_trailing_surrogate ||
        error == json::error::expected_utf16_escape)
        return json_error::lone_surrogate;
    return json_error::not_json;
}

/// Boost.JSON calls a leading half that nothing follows a plain syntax error: the fault lies right behind it.
bool stands_behind_leading_half(std::string_view text, std::size_t at) {
    const std::string_view before = text.substr(0, at);
    const auto escape = before.substr(before.size() < 8 ? 0 : before.size() - 8).rfind("\\u");
    if (escape == std::string_view::npos) return false;
    const std::string_view half = before.substr((before.size() < 8 ? 0 : before.size() - 8) + escape + 2);
    return half.size() >= 4 && (half[0] == 'd' || half[0] == 'D') &&
           std::string_view("89abAB").find(half[1]) != std::string_view::npos;
}

bool is_continuation(std::string_view text, std::size_t at, unsigned char low = 0x80, unsigned char high = 0xbf) {
    if (at >= text.size()) return false;
    const auto byte = static_cast<unsigned char>(text[at]);
    return byte >= low && byte <= high;
}

/// Length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7), 0 when there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return is_continuation(text, at + 1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const unsigned char low = lead == 0xe0 ? 0xa0 : 0x80;
        const unsigned char high = lead == 0xed ? 0x9f : 0xbf;
        return is_continuation(text, at + 1, low, high) && is_continuation(text, at + 2) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const unsigned char low = lead == 0xf0 ? 0x90 : 0x80;
        const unsigned char high = lead == 0xf4 ? 0x8f : 0xbf;
        const bool whole =
            is_continuation(text, at + 1, low, high) && is_continuation(text, at + 2) && is_continuation(text, at + 3);
        return whole ? 4 : 0;
    }
    return 0;
}

std::optional<std::size_t> find_bad_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length(text, at);
        if (length == 0) return at;
        at += length;
    }
    return std::nullopt;
}

} // namespace

const boost::system::error_category& json_category() {
    static const json_category_type category;
    return category;
}

error_code make_error_code(json_error error) { return {static_cast<int>(error), json_category()}; }

std::string json_fault::message() const {
    const std::string what = make_error_code(error).message();
    if (error == json_error::duplicate_key) return fmt::format("{} (the object that ends at byte {})", what, offset);
    return fmt::format("{} (byte {})", what, offset);
}

std::optional<json_fault> find_json_fault(std::string_view text, const json_limits& limits) {
    // Boost.JSON accepts every byte in the strings of a text that it skips nothing of, but reports bad UTF-8 as a
    // syntax error.
    if (const auto bad = find_bad_utf8(text)) return json_fault{json_error::not_utf8, *bad, {}};
    json::parse_options options;
    options.max_depth = limits.max_depth;
    json::basic_parser<checking_handler> parser(options, limits);
    error_code error;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
    if (!error && used < text.size()) error = json::error::extra_data;
    if (!error) return std::nullopt;
    json_error kind = classify(error);
    const bool half = kind == json_error::not_json && stands_behind_leading_half(text, std::min(used, text.size()));
    if (half) kind = json_error::lone_surrogate;
    return json_fault{kind, std::min(used, text.size()), parser.handler().duplicate()};
}

result<void> check_json(std::string_view text, const json_limits& limits) {
    if (const auto fault = find_json_fault(text, limits)) return make_error_code(fault->error);
    return {};
}

} // namespace prooftrack::net
