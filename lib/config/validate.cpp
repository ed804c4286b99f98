#include "config/validate.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/allowed_hosts.hpp"
#include "base/event_names.hpp"
#include "base/host_rules.hpp"
#include "base/http_url.hpp"
#include "base/own_url.hpp"
#include "config/node_name.hpp"
#include "config/secret_files.hpp"
#include "config/url_rules.hpp"

namespace prooftrack::config {
namespace {

bool has_credential(const config_surroundings& surroundings, const std::string& name) {
    return surroundings.has_credential && surroundings.has_credential(name);
}

void refuse_if(config_document& document, const std::string& path, std::string problem) {
    if (!problem.empty()) document.refuse(path, std::move(problem));
}

bool is_name(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

bool is_group(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    });
}

/// Both or neither: what is there alone is blamed.
void validate_identity(
    config_document& document, const std::string& path, const std::string& certificate, const std::string& key) {
    const std::string certificate_key = path + "client_certificate";
    const std::string key_key = path + "client_key";
    if (!document.is_sound(certificate_key) || !document.is_sound(key_key)) return;
    if (!certificate.empty() && key.empty())
        document.refuse(certificate_key, "needs client_key beside it, the file with its private key");
    if (certificate.empty() && !key.empty())
        document.refuse(key_key, "needs client_certificate beside it, the file with the certificate");
}

void validate_proof(config_document& document) {
    const std::string path = "proof.base_url";
    validate_identity(document, "proof.", document.value.proof.client_certificate, document.value.proof.client_key);
    if (document.is_sound("proof.proxy")) refuse_if(document, "proof.proxy", check_proxy(document.value.proof.proxy));
    if (!document.has(path)) {
        if (document.is_sound("proof"))
            document.refuse(path, "is required: where Proof is, as in \"https://proof.example\"");
    } else if (document.is_sound(path)) {
        refuse_if(document, path, check_base_url(document.value.proof.base_url));
    }
}

void validate_poll(config_document& document) {
    const std::string path = "poll.verify_after";
    const auto& times = document.value.poll.verify_after;
    if (!document.is_sound(path)) return;
    const bool ascends = std::adjacent_find(times.begin(), times.end(), std::greater_equal<>()) == times.end();
    if (!ascends)
        document.refuse(path, "each time must be longer than the one before it: they count from the settlement");
}

/// What libpq finds in it the start says; here only what would be wrong whatever it finds.
std::string check_store_url(std::string_view url) {
    const bool is_url = url.starts_with("postgresql://") || url.starts_with("postgres://");
    if (!is_url) return "must begin with postgresql://, as in \"postgresql://prooftrackd@db.example/prooftrackd\"";
    url.remove_prefix(url.find("://") + 3);
    const std::string_view authority = url.substr(0, url.find_first_of("/?"));
    const std::size_t at = authority.rfind('@');
    const std::string_view user = at == std::string_view::npos ? std::string_view() : authority.substr(0, at);
    if (user.find(':') != std::string_view::npos || url.find("password=") != std::string_view::npos)
        return "must not hold the password: it belongs into store.password_file, or the credential store_password";
    return {};
}

void validate_store(config_document& document) {
    const std::string path = "store.url";
    if (!document.has(path) || !document.is_sound(path) || document.value.store.url.empty()) return;
    if (document.has("store.path"))
        return document.refuse(path, "stands beside store.path: one of the two says where the database is, not both");
    refuse_if(document, path, check_store_url(document.value.store.url));
}

void validate_cluster(config_document& document) {
    const std::string path = "cluster.node";
    const std::string& node = document.value.cluster.node;
    if (!document.is_sound(path) || node.empty()) return;
    refuse_if(document, path, check_node_name(node));
    if (document.is_sound("store.url") && document.value.store.url.empty())
        document.refuse(path, "needs store.url: with store.path this daemon is alone");
}

void validate_api(config_document& document) {
    constexpr std::uint32_t others_may_connect = 0002; // connecting needs the write permission
    const api_config& api = document.value.api;
    for (const auto& [path, group] :
         {std::pair{"api.group", api.group}, std::pair{"api.admin_group", api.admin_group}}) {
        if (document.is_sound(path) && !is_group(group)) document.refuse(path, "not a group's name or number");
    }
    if (document.is_sound("api.mode") && document.is_sound("api.admin_group") && api.admin_group.empty() &&
        (api.mode & others_may_connect) != 0) {
        document.refuse("api.mode", "lets every local user change things: set api.admin_group too, or write \"0660\"");
    }
    if (document.is_sound("metrics.listen")) {
        const metrics_config& metrics = document.value.metrics;
        const bool may_be_remote = metrics.allow_remote || !document.is_sound("metrics.allow_remote");
        refuse_if(document, "metrics.listen", check_metrics_listen(metrics.listen, may_be_remote));
    }
}

void validate_network(config_document& document) {
    const std::string path = "network.plain_http_hosts";
    if (!document.is_sound(path)) return;
    for (const std::string& host : document.value.network.plain_http_hosts) {
        const std::string problem = check_plain_http_host(host);
        if (!problem.empty()) document.refuse(path, fmt::format("\"{}\": {}", host, problem));
    }
}

/// The rules of one [[callback]].
class callback_rules {
  public:
    callback_rules(config_document& document, const config_surroundings& surroundings, std::size_t index)
        : document_(document), surroundings_(surroundings), path_(fmt::format("callback[{}]", index)),
          callback_(document.value.callbacks[index]) {}

    void check(std::set<std::string>& names) {
        check_name(names);
        const bool has_url = document_.has(key("url"));
        const bool has_command = document_.has(key("command"));
        if (has_url && has_command) {
            document_.refuse(
                key("command"), "a callback has a url or a command, not both: write two [[callback]] tables");
        } else if (has_url) {
            check_url();
        } else if (has_command) {
            check_command();
        } else {
            document_.refuse(key("url"), "is required (or command): a callback needs one of the two");
        }
        check_events();
    }

  private:
    std::string key(const char* name) const { return path_ + '.' + name; }
    bool is_sound(const char* name) const { return document_.is_sound(key(name)); }

    void check_name(std::set<std::string>& names) {
        if (!is_sound("name")) return;
        if (!document_.has(key("name"))) {
            document_.refuse(key("name"), "is required: 1 to 64 characters of a-z 0-9 _ -");
        } else if (!is_name(callback_.name)) {
            document_.refuse(
                key("name"), fmt::format("\"{}\": 1 to 64 characters, only a-z 0-9 _ and -", callback_.name));
        } else if (callback_.name == own_url_callback) {
            document_.refuse(
                key("name"), "\"callback_url\" stands for the transactions' own URLs: choose another name");
        } else if (!names.insert(callback_.name).second) {
            document_.refuse(key("name"), fmt::format("\"{}\" is the name of another callback above", callback_.name));
        }
    }

    void check_url() {
        validate_identity(document_, path_ + '.', callback_.client_certificate, callback_.client_key);
        if (is_sound("proxy")) refuse_if(document_, key("proxy"), check_proxy(callback_.proxy));
        if (!is_sound("url")) return;
        const bool knows_hosts = document_.is_sound("network.plain_http_hosts");
        refuse_if(
            document_, key("url"),
            knows_hosts ? check_callback_url(callback_.url, document_.value.network.plain_http_hosts)
                        : check_callback_form(callback_.url));
        const bool needs_secret = is_sound("url") && !is_unix_url(callback_.url) && callback_.secret_file.empty();
        if (!needs_secret || !is_sound("secret_file")) return;
        if (has_credential(surroundings_, secret_credential(callback_.name))) return;
        document_.refuse(
            key("secret_file"),
            fmt::format(
                "is required for a url over TCP (make one with `prooftrackctl secret new`), or pass the "
                "systemd credential {}",
                secret_credential(callback_.name)));
    }

    void check_command() {
        for (const char* name :
             {"ca_file", "proxy", "proxy_credentials_file", "client_certificate", "client_key", "headers_file",
              "secret_file"}) {
            if (document_.has(key(name)))
                document_.refuse(key(name), "belongs to a url; a command has none: take it out");
        }
        if (!is_sound("command")) return;
        const std::string& program = callback_.command.front();
        if (!program.starts_with('/')) {
            document_.refuse(
                key("command"), "the first entry must be the program's absolute path: there is no shell and no search");
        }
    }

    void check_events() {
        if (!is_sound("events")) return;
        for (const std::string& pattern : callback_.events) {
            const bool selects_one =
                std::any_of(selectable_events.begin(), selectable_events.end(), [&](std::string_view name) {
                    return pattern_selects(pattern, name);
                });
            if (selects_one) continue;
            document_.refuse(
                key("events"),
                fmt::format("\"{}\" matches no event; there are: {}", pattern, fmt::join(selectable_events, ", ")));
        }
    }

    config_document& document_;
    const config_surroundings& surroundings_;
    std::string path_;
    const callback_config& callback_;
};

void validate_callback_url(config_document& document, const config_surroundings& surroundings) {
    const std::string path = "callback_url.allow_hosts";
    if (!document.is_sound(path)) return;
    const callback_url_config& rules = document.value.callback_url;
    for (const std::string& host : rules.allow_hosts) {
        const std::string problem = check_allowed_host(host);
        if (!problem.empty()) document.refuse(path, fmt::format("\"{}\": {}", host, problem));
    }
    const bool is_signed =
        !rules.secret_file.empty() || has_credential(surroundings, secret_credential(std::string(own_url_callback)));
    const bool has_tcp = std::any_of(rules.allow_hosts.begin(), rules.allow_hosts.end(), is_tcp_host);
    if (has_tcp && !is_signed && document.is_sound("callback_url.secret_file")) {
        document.refuse(
            "callback_url.secret_file", "is required with a host over TCP: make one with `prooftrackctl secret new`");
    }
}

/// What of a proxy's keys does nothing; "" = nothing.
std::string idle_proxy_keys(const std::string& url, const std::string& proxy, const std::string& credentials_file) {
    const auto parsed = parse_http_url(url);
    const bool is_named = !proxy.empty() && proxy != no_proxy_word;
    const bool is_direct = parsed && (parsed->scheme == url_scheme::http_unix || is_loopback_host(parsed->host));
    if (is_direct && is_named) return "proxy has no effect: Unix sockets and loopback hosts never go through one";
    if (!credentials_file.empty() && (is_direct || proxy == no_proxy_word))
        return "proxy_credentials_file has no effect without a proxy";
    return {};
}

bool selects(const callback_config& callback, std::string_view event) {
    return std::any_of(callback.events.begin(), callback.events.end(), [&](const std::string& pattern) {
        return pattern_selects(pattern, event);
    });
}

} // namespace

void validate_configuration(config_document& document, const config_surroundings& surroundings) {
    validate_proof(document);
    validate_poll(document);
    validate_store(document);
    validate_cluster(document);
    validate_api(document);
    validate_network(document);
    std::set<std::string> names;
    for (std::size_t i = 0; i < document.value.callbacks.size(); ++i)
        callback_rules(document, surroundings, i).check(names);
    validate_callback_url(document, surroundings);
}

std::vector<std::string> configuration_warnings(const configuration& config) {
    constexpr std::array<std::string_view, 3> terminal{
        "transaction.completed", "transaction.failed", "transaction.cancelled"};
    std::vector<std::string> warnings;
    for (const callback_config& callback : config.callbacks) {
        const bool wants_end =
            std::any_of(terminal.begin(), terminal.end(), [&](auto event) { return selects(callback, event); });
        if (wants_end && !selects(callback, "transaction.reversed")) {
            warnings.push_back(fmt::format(
                "callback \"{}\" selects a terminal event but not transaction.reversed: it would not hear "
                "when Proof changes its word",
                callback.name));
        }
        if (!callback.ca_file.empty() && !is_https_url(callback.url)) {
            warnings.push_back(fmt::format("callback \"{}\": ca_file has no effect without https", callback.name));
        }
        if (!callback.client_certificate.empty() && !is_https_url(callback.url)) {
            warnings.push_back(
                fmt::format("callback \"{}\": client_certificate has no effect without https", callback.name));
        }
        const std::string idle = idle_proxy_keys(callback.url, callback.proxy, callback.proxy_credentials_file);
        if (!idle.empty()) warnings.push_back(fmt::format("callback \"{}\": {}", callback.name, idle));
    }
    if (!config.proof.ca_file.empty() && !is_https_url(config.proof.base_url)) {
        warnings.emplace_back("proof.ca_file has no effect without https");
    }
    const proof_config& proof = config.proof;
    if (!proof.client_certificate.empty() && !is_https_url(proof.base_url))
        warnings.emplace_back("proof.client_certificate has no effect without https");
    const std::string idle = idle_proxy_keys(proof.base_url, proof.proxy, proof.proxy_credentials_file);
    if (!idle.empty()) warnings.push_back("proof." + idle);
    if (!config.store.password_file.empty() && config.store.url.empty())
        warnings.emplace_back("store.password_file has no effect without store.url");
    if (!config.callback_url.secret_file.empty() && config.callback_url.allow_hosts.empty()) {
        warnings.emplace_back("callback_url.secret_file has no effect while callback_url.allow_hosts is empty");
    }
    return warnings;
}

} // namespace prooftrack::config
