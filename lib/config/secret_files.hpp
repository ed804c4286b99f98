#pragma once

// The token and the files of secrets: where they are, read with bounds, and whether others could read them too.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "config/bounded_file.hpp"
#include "config/config.hpp"

namespace prooftrack::config {

inline constexpr std::size_t max_token_bytes = 4'096;
inline constexpr std::size_t max_proxy_credentials_bytes = 1'024;
inline constexpr std::size_t max_store_password_bytes = 1'024;

/// The systemd credential that stands in for an unwritten `proof.token_file`.
inline constexpr std::string_view token_credential = "client_token";
/// The same for `store.password_file`, with a `store.url`.
inline constexpr std::string_view store_credential = "store_password";
/// `callback.NAME.secret`; also with NAME = callback_url.
std::string secret_credential(std::string_view callback_name);

/// Why a secret file is no good.
enum class secret_error {
    not_configured = 1, ///< neither a file is named nor a credential was passed
    empty,              ///< nothing but white space in it
    malformed,          ///< holds spaces, control or non-ASCII characters, or more than one line
};
const boost::system::error_category& secret_category();
error_code make_error_code(secret_error error);

/// The secret content of a file.
struct secret_text {
    secret text;
    bool is_open_to_others = false; ///< log it as `config.insecure_file`
};

/// The token: one line of at most `max_token_bytes` of printable ASCII without spaces; a newline behind it is dropped.
/// The error's detail says what to do.
op_result<secret_text> read_secret_file(const std::filesystem::path& path, const file_reader& read = read_bounded_file);
/// All bytes as they are, at most `most_bytes`: for the files whose form lib/callback knows.
op_result<secret_text> read_secret_bytes(
    const std::filesystem::path& path, std::size_t most_bytes, const file_reader& read = read_bounded_file);
/// `user:password` on one line of at most `max_proxy_credentials_bytes`; a newline behind it is dropped. The user is
/// not empty and has no colon; the password may have colons, blanks and UTF-8 and may be empty.
op_result<secret_text> read_proxy_credentials(
    const std::filesystem::path& path, const file_reader& read = read_bounded_file);

/// One line of at most `max_store_password_bytes` without control characters; a newline behind it is dropped.
op_result<secret_text> read_store_password(
    const std::filesystem::path& path, const file_reader& read = read_bounded_file);

/// $CREDENTIALS_DIRECTORY as systemd passes it; empty when there is none.
std::filesystem::path credentials_directory();
/// Whether a credential of that name was passed, for `config_surroundings`; true also when a lack of permission hides
/// it, which reading it then says.
bool has_credential_file(const std::filesystem::path& credentials, const std::string& name);

/// Where the token is: the configured file, else the credential; empty when neither is there.
std::filesystem::path token_path(const configuration& config, const std::filesystem::path& credentials);
/// The same for the password of `store.url`; empty without a url, or when the server asks for none.
std::filesystem::path store_password_path(const configuration& config, const std::filesystem::path& credentials);
/// The same for a callback's secrets; for a command always empty.
std::filesystem::path secret_path(const callback_config& callback, const std::filesystem::path& credentials);
/// The same for the transactions' own callback_url.
std::filesystem::path secret_path(const callback_url_config& rules, const std::filesystem::path& credentials);

} // namespace prooftrack::config

template <>
struct boost::system::is_error_code_enum<prooftrack::config::secret_error> : std::true_type {};
