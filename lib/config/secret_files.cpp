#include "config/secret_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/own_url.hpp"
#include "config/bounded_file.hpp"

namespace prooftrack::config {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr const char* mark_advice = "it begins with a UTF-8 byte order mark, which some editors write: save it without";

class secret_error_category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "prooftrack.secret"; }
    std::string message(int value) const override {
        switch (static_cast<secret_error>(value)) {
        case secret_error::not_configured:
            return "no secret is configured";
        case secret_error::empty:
            return "the file is empty";
        case secret_error::malformed:
            return "malformed";
        }
        return "unknown error";
    }
};

op_error failure(const std::filesystem::path& path, secret_error error, std::string what_to_do) {
    return {make_error_code(error), "read " + path.string(), std::move(what_to_do)};
}

/// The bytes passed through here are keys: nothing may stay in freed memory.
void wipe(std::string& text) { ::explicit_bzero(text.data(), text.size()); }

std::string_view trimmed(std::string_view line) {
    constexpr std::string_view white = " \t\r\n";
    const auto first = line.find_first_not_of(white);
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(white) - first + 1);
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

std::filesystem::path credential_path(const std::filesystem::path& credentials, const std::string& name) {
    return has_credential_file(credentials, name) ? credentials / name : std::filesystem::path{};
}

op_result<secret_text> parse_token(const std::filesystem::path& path, std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.starts_with(byte_order_mark)) return failure(path, secret_error::malformed, mark_advice);
    if (trimmed(text).empty())
        return failure(path, secret_error::empty, "write Proof's client_token into it, on one line");
    if (!is_printable(text)) {
        return failure(
            path, secret_error::malformed,
            "expected one line of printable characters without spaces: the client_token alone");
    }
    return secret_text{secret(std::string(text)), false};
}

op_result<secret_text> parse_credentials(const std::filesystem::path& path, std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.starts_with(byte_order_mark)) return failure(path, secret_error::malformed, mark_advice);
    if (trimmed(text).empty())
        return failure(path, secret_error::empty, "write the proxy's user:password into it, on one line");
    const bool has_control =
        std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    const auto colon = text.find(':');
    if (has_control || colon == std::string_view::npos || colon == 0)
        return failure(path, secret_error::malformed, "expected one line, user:password, and nothing else");
    return secret_text{secret(std::string(text)), false};
}

op_result<secret_text> parse_password(const std::filesystem::path& path, std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.starts_with(byte_order_mark)) return failure(path, secret_error::malformed, mark_advice);
    if (text.empty()) return failure(path, secret_error::empty, "write the role's password into it, on one line");
    const bool has_control =
        std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    if (has_control) return failure(path, secret_error::malformed, "expected one line, the password, and nothing else");
    return secret_text{secret(std::string(text)), false};
}

op_result<file_content> read_some(
    const std::filesystem::path& path, std::size_t most_bytes, const char* what, const file_reader& read) {
    if (path.empty()) return op_error{make_error_code(secret_error::not_configured), fmt::format("read {}", what), {}};
    return read(path, most_bytes);
}

} // namespace

const boost::system::error_category& secret_category() {
    static const secret_error_category category;
    return category;
}

error_code make_error_code(secret_error error) { return {static_cast<int>(error), secret_category()}; }

std::string secret_credential(std::string_view callback_name) {
    return fmt::format("callback.{}.secret", callback_name);
}

op_result<secret_text> read_secret_file(const std::filesystem::path& path, const file_reader& read) {
    auto content = read_some(path, max_token_bytes, "the token", read);
    if (!content) return content.error();
    op_result<secret_text> parsed = parse_token(path, content->text);
    wipe(content->text);
    if (parsed) parsed->is_open_to_others = content->is_open_to_others;
    return parsed;
}

op_result<secret_text> read_secret_bytes(
    const std::filesystem::path& path, std::size_t most_bytes, const file_reader& read) {
    auto content = read_some(path, most_bytes, "secrets", read);
    if (!content) return content.error();
    secret_text found{secret(content->text), content->is_open_to_others};
    wipe(content->text);
    return found;
}

op_result<secret_text> read_proxy_credentials(const std::filesystem::path& path, const file_reader& read) {
    auto content = read_some(path, max_proxy_credentials_bytes, "the proxy's credentials", read);
    if (!content) return content.error();
    op_result<secret_text> parsed = parse_credentials(path, content->text);
    wipe(content->text);
    if (parsed) parsed->is_open_to_others = content->is_open_to_others;
    return parsed;
}

op_result<secret_text> read_store_password(const std::filesystem::path& path, const file_reader& read) {
    auto content = read_some(path, max_store_password_bytes, "the database's password", read);
    if (!content) return content.error();
    op_result<secret_text> parsed = parse_password(path, content->text);
    wipe(content->text);
    if (parsed) parsed->is_open_to_others = content->is_open_to_others;
    return parsed;
}

std::filesystem::path credentials_directory() {
    const char* directory =
        std::getenv("CREDENTIALS_DIRECTORY"); // NOLINT(concurrency-mt-unsafe): read before any thread starts
    return directory == nullptr ? std::filesystem::path{} : std::filesystem::path(directory);
}

bool has_credential_file(const std::filesystem::path& credentials, const std::string& name) {
    if (credentials.empty()) return false;
    struct stat info {};
    return ::stat((credentials / name).c_str(), &info) == 0 || errno == EACCES || errno == EPERM;
}

std::filesystem::path token_path(const configuration& config, const std::filesystem::path& credentials) {
    if (!config.proof.token_file.empty()) return config.proof.token_file;
    return credential_path(credentials, std::string(token_credential));
}

std::filesystem::path store_password_path(const configuration& config, const std::filesystem::path& credentials) {
    if (config.store.url.empty()) return {};
    if (!config.store.password_file.empty()) return config.store.password_file;
    return credential_path(credentials, std::string(store_credential));
}

std::filesystem::path secret_path(const callback_config& callback, const std::filesystem::path& credentials) {
    if (!callback.command.empty()) return {};
    if (!callback.secret_file.empty()) return callback.secret_file;
    return credential_path(credentials, secret_credential(callback.name));
}

std::filesystem::path secret_path(const callback_url_config& rules, const std::filesystem::path& credentials) {
    if (!rules.secret_file.empty()) return rules.secret_file;
    return credential_path(credentials, secret_credential(std::string(own_url_callback)));
}

} // namespace prooftrack::config
