#include "prooftrackd/webhook_keys.hpp"

#include "callback/secret_file.hpp"
#include "config/secret_files.hpp"
#include "engine/secret_view.hpp"

namespace prooftrack::daemon {
op_result<webhook_keys> read_webhook_keys(const std::filesystem::path& file, const config::file_reader& read) {
    const auto content = config::read_secret_bytes(file, callback::max_secret_file_bytes, read);
    if (!content) return content.error();
    auto secrets = callback::parse_secret_file(content->text.reveal(), "read " + file.string());
    if (!secrets) return secrets.error();
    webhook_keys found{{}, {}, content->is_open_to_others};
    for (callback::webhook_secret& each : *secrets) {
        found.fingerprints.push_back(engine::fingerprint_of(each.text));
        found.keys.push_back(std::move(each.key));
    }
    return found;
}

op_result<webhook_headers> read_webhook_headers(const std::filesystem::path& file, const config::file_reader& read) {
    const auto content = config::read_secret_bytes(file, callback::max_header_file_bytes, read);
    if (!content) return content.error();
    auto headers = callback::parse_header_file(content->text.reveal(), "read " + file.string());
    if (!headers) return headers.error();
    return webhook_headers{std::move(*headers), content->is_open_to_others};
}

} // namespace prooftrack::daemon
