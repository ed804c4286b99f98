#include "prooftrackd/secrets_in_use.hpp"

#include "config/secret_files.hpp"

namespace prooftrack::daemon {

std::vector<engine::secret_view> secrets_in_use(const prepared_runtime& runtime) {
    std::vector<engine::secret_view> all{
        {std::string(config::token_credential), {engine::fingerprint_of(runtime.token)}}};
    for (const watched_keys& each : runtime.key_files)
        all.push_back({config::secret_credential(each.callback), each.fingerprints});
    return all;
}

std::string format_secrets(const std::vector<engine::secret_view>& secrets) {
    std::string text;
    for (const engine::secret_view& one : secrets) {
        text += text.empty() ? "" : " ";
        text += one.name;
        char before = '=';
        for (const std::string& fingerprint : one.fingerprints) {
            text += before;
            text += fingerprint;
            before = ',';
        }
    }
    return text;
}

} // namespace prooftrack::daemon
