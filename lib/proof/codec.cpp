#include "proof/codec.hpp"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "net/http_text.hpp"
#include "proof/body_hash.hpp"
#include "proof/error_body.hpp"
#include "proof/http_date.hpp"
#include "proof/json_members.hpp"

namespace prooftrack::proof {
namespace {

/// Which body a row of the table needs.
enum class body_rule : std::uint8_t {
    any,       ///< the status alone decides
    own_error, ///< Proof's own error body; another body goes on to the next row
    good,      ///< the rules of a good reply; a broken one is `unusable`
};

struct row {
    int first;
    int last;
    body_rule body;
    track::reply_class what;
    std::string_view why; ///< for people, when Proof's body names no code
};

// The classification. First match wins; the same table stands in README.md.
constexpr std::array<row, 14> table{{
    {200, 200, body_rule::good, track::reply_class::good, ""},
    {201, 299, body_rule::any, track::reply_class::unusable, "is not an answer about a transaction"},
    {300, 399, body_rule::any, track::reply_class::unusable, "is a redirect, which is not followed"},
    {400, 400, body_rule::own_error, track::reply_class::bad_request, ""},
    {400, 400, body_rule::any, track::reply_class::server_error, "without Proof's error body"},
    {401, 401, body_rule::own_error, track::reply_class::unauthorized, "the token is refused"},
    {401, 401, body_rule::any, track::reply_class::server_error, "without Proof's error body"},
    {403, 403, body_rule::own_error, track::reply_class::forbidden, "this server is refused"},
    {403, 403, body_rule::any, track::reply_class::server_error, "without Proof's error body"},
    {404, 404, body_rule::own_error, track::reply_class::not_found, ""},
    {404, 404, body_rule::any, track::reply_class::server_error, "without Proof's error body"},
    {429, 429, body_rule::any, track::reply_class::throttled, "too many requests"},
    {402, 499, body_rule::any, track::reply_class::server_error, ""},
    {500, 599, body_rule::any, track::reply_class::server_error, ""},
}};
constexpr row unknown_status{0, 0, body_rule::any, track::reply_class::unusable, "is no HTTP status"};

const row& find_row(int status, bool own_error) {
    for (const row& candidate : table) {
        if (status < candidate.first || status > candidate.last) continue;
        if (candidate.body == body_rule::own_error && !own_error) continue;
        return candidate;
    }
    return unknown_status;
}

std::string_view describe(member_state state) {
    switch (state) {
    case member_state::ok:
        return "";
    case member_state::missing:
        return "is missing";
    case member_state::repeated:
        return "stands twice";
    case member_state::not_a_string:
        return "is not a string";
    }
    return "";
}

/// A byte order mark is not part of the object, and would spoil the JSON that it is passed on in.
std::string_view without_mark(std::string_view body) {
    constexpr std::string_view mark = "\xef\xbb\xbf";
    return body.starts_with(mark) ? body.substr(mark.size()) : body;
}

/// C0, DEL and C1 in UTF-8: no word for people or machines has them.
bool has_control_character(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x20 || byte == 0x7f) return true;
        if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
    }
    return false;
}

/// Reads the members of a good reply into `answer`; returns what is wrong with it, "" when nothing is.
std::string read_good_reply(const reply_view& reply, const poll_question& asked, track::poll_answer& answer) {
    const auto members = parse_reply_object(without_mark(reply.body));
    if (!members) {
        const bool other = members.error() == make_error_code(net::json_error::not_object);
        return other ? "the body is not a JSON object" : "the body is not JSON";
    }
    const string_member id = find_string(*members, "merchant_transaction_id");
    if (id.state != member_state::ok) return fmt::format("merchant_transaction_id {}", describe(id.state));
    if (id.text != asked.id) return "the reply is about another transaction";
    string_member status = find_string(*members, "status");
    if (status.state != member_state::ok) return fmt::format("status {}", describe(status.state));
    if (status.text.empty()) return "status is empty";
    if (status.text.size() > track::max_status_length) return "status is too long";
    if (has_control_character(status.text)) return "status has control characters";
    const string_member updated_at = find_string(*members, "updated_at");
    answer.status = std::move(status.text);
    answer.updated_at = parse_wall_time(updated_at.text);
    return {};
}

/// Applies the rules of a good reply: content type, coding, hash, members.
void classify_ok(const reply_view& reply, const poll_question& asked, track::poll_answer& answer) {
    std::string fault;
    if (!is_plain_coding(reply.content_encoding)) {
        fault = fmt::format("the body has the content encoding {}", quote_field(reply.content_encoding));
    } else if (!is_json_type(reply.content_type)) {
        fault = fmt::format("the content type is {}, not application/json", quote_field(reply.content_type));
    } else {
        const std::uint64_t hash = hash_body(reply.body, asked.hash_seed);
        if (hash == asked.known_body) {
            answer.what = track::reply_class::unchanged;
            answer.body_hash = hash;
            return;
        }
        fault = read_good_reply(reply, asked, answer);
        if (fault.empty()) answer.body_hash = hash;
    }
    answer.body = without_mark(reply.body);
    if (fault.empty()) return;
    answer.what = track::reply_class::unusable;
    answer.error = fmt::format("200 but {}", fault);
}

std::string describe(const row& matched, int status, const std::string& code) {
    if (!code.empty()) return fmt::format("{} {}", status, code);
    if (matched.why.empty()) return fmt::format("{}", status);
    return fmt::format("{} {}", status, matched.why);
}

} // namespace

bool is_json_type(std::string_view content_type) {
    return net::equal_ignoring_case(
        net::trim_blanks(content_type.substr(0, content_type.find(';'))), "application/json");
}

std::string quote_field(std::string_view value) {
    constexpr std::size_t longest = 60;
    std::string quoted = "\"";
    for (const char c : value.substr(0, longest)) quoted += c >= ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?';
    return quoted + (value.size() > longest ? "…\"" : "\"");
}

bool is_plain_coding(std::string_view content_encoding) {
    const std::string_view coding = net::trim_blanks(content_encoding);
    return coding.empty() || net::equal_ignoring_case(coding, "identity");
}

track::poll_answer classify_reply(const reply_view& reply, const poll_question& asked, wall_time now) {
    track::poll_answer answer;
    answer.http_status = reply.status;
    answer.request_id = sanitize_request_id(reply.request_id);
    if (!reply.date.empty()) answer.server_date = parse_http_date(reply.date, now);

    std::optional<proof_error_body> own_error;
    if (reply.status >= 400 && is_plain_coding(reply.content_encoding))
        own_error = parse_error_body(without_mark(reply.body));
    const row& matched = find_row(reply.status, own_error.has_value());
    answer.what = matched.what;
    if (matched.body == body_rule::good) {
        classify_ok(reply, asked, answer);
        return answer;
    }
    answer.body = reply.body;
    answer.error = describe(matched, reply.status, own_error ? own_error->code : std::string());
    if (own_error && (answer.what == track::reply_class::unauthorized || answer.what == track::reply_class::forbidden))
        answer.message = own_error->plain_message();
    if (own_error && answer.request_id.empty()) answer.request_id = own_error->request_id;
    if (answer.what == track::reply_class::throttled) {
        answer.retry_after = parse_retry_after(reply.retry_after, answer.server_date, now);
    }
    return answer;
}

} // namespace prooftrack::proof
