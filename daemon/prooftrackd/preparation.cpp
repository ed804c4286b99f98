#include "prooftrackd/preparation.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "base/allowed_hosts.hpp"
#include "base/host_rules.hpp"
#include "base/http_url.hpp"
#include "base/own_url.hpp"
#include "base/proxy_rules.hpp"
#include "config/node_name.hpp"
#include "config/parse.hpp"
#include "config/secret_files.hpp"
#include "config/url_rules.hpp"
#include "net/address_rules.hpp"
#include "prooftrackd/descriptor_limit.hpp"
#include "prooftrackd/webhook_keys.hpp"

namespace prooftrack::daemon {
namespace {

std::uint64_t random_seed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

proof::proof_client_options make_proof_options(const config::proof_config& config, std::size_t connections) {
    proof::proof_client_options options;
    options.base_url = config.base_url;
    options.connections = connections;
    options.http2 = config.http == "auto";
    options.connect_timeout = config.connect_timeout;
    options.request_timeout = config.request_timeout;
    options.max_reply_bytes = config.max_reply_bytes;
    options.user_agent = "prooftrackd/" PROOFTRACKD_VERSION;
    options.seed = random_seed();
    return options;
}

/// Works through a configuration part by part; a part with a mistake does not keep the others from being looked at.
class preparation_steps {
  public:
    preparation_steps(const machine& from, const prepared_runtime* before) : machine_(from), before_(before) {}

    preparation run(const std::filesystem::path& file) {
        read_configuration(file);
        if (draft_.is_toml) {
            prepare_proof();
            read_password();
            name_node();
            prepare_api();
            check_plain_http_hosts();
            for (std::size_t i = 0; i < next_.config.callbacks.size(); ++i) prepare_callback(i);
            prepare_callback_url();
        }
        if (found_.mistakes.empty() && found_.not_permitted.empty()) finish();
        order_and_bound(found_.mistakes);
        order_and_bound(found_.not_permitted);
        return std::move(found_);
    }

  private:
    void read_configuration(const std::filesystem::path& file) {
        const std::filesystem::path credentials = machine_.credentials();
        config::config_surroundings around;
        around.has_credential = [&](const std::string& name) { return config::has_credential_file(credentials, name); };
        draft_ = load_configuration(file, around, reader_);
        found_.mistakes = draft_.mistakes;
        found_.warnings = draft_.warnings;
        if (!draft_.is_toml) return;
        next_.config = draft_.value;
        found_.log = draft_.value.log;
        if (const auto shortage = descriptor_shortage(draft_.value, machine_.descriptor_limit()))
            found_.warnings.push_back(*shortage);
        // Once, at the start: a reload does not move the listener.
        const std::string& listen = next_.config.metrics.listen;
        if (before_ == nullptr && config::is_remote_listen(listen))
            found_.warnings.push_back(fmt::format(
                "metrics.listen \"{}\": whoever reaches this address reads the metrics, without TLS and without a "
                "password: counts, rates and callbacks' names",
                listen));
    }

    void refuse(const std::string& key, machine_fault fault) {
        auto& list = fault.only_permission ? found_.not_permitted : found_.mistakes;
        list.push_back(draft_.places.blame(key, std::move(fault.text)));
    }
    void refuse(const std::string& key, const op_error& error) {
        refuse(key, machine_fault{error.message(), is_lack_of_permission(error.code)});
    }
    bool is_sound(const std::string& key) const { return draft_.is_sound(key); }
    void note_open(bool is_open, const std::filesystem::path& file) {
        if (is_open) found_.open_files.push_back(file.string());
    }

    void prepare_proof() {
        read_token();
        next_.proof_options =
            make_proof_options(next_.config.proof, connections_within(next_.config, machine_.descriptor_limit()));
        const config::proof_config& proof = next_.config.proof;
        auto trust = load_trust("proof.ca_file", proof.ca_file);
        auto identity = load_identity("proof.", proof.client_certificate, proof.client_key);
        if (is_sound("proof.base_url"))
            next_.proof_options.route =
                load_route("proof.", "", proof.base_url, proof.proxy, proof.proxy_credentials_file);
        if (!trust || !identity) return;
        next_.proof_options.trust = std::move(*trust);
        next_.proof_options.identity = std::move(*identity);
        if (next_.token.empty() || !is_sound("proof.base_url") || next_.config.proof.base_url.empty()) return;
        try {
            next_.proof = prepare_proof_setup(
                next_.proof_options, next_.token, before_ == nullptr ? nullptr : before_->proof.get());
        } catch (const boost::system::system_error& failed) {
            refuse("proof.base_url", machine_fault{failed.what()});
        }
    }

    void read_token() {
        const std::string key = "proof.token_file";
        if (!is_sound(key)) return;
        const std::filesystem::path file = token_path(next_.config, machine_.credentials());
        if (file.empty()) {
            // Outside of the unit a process does not get the unit's credentials.
            refuse(
                key, machine_fault{
                         "there is no client_token: name its file, or pass the systemd credential "
                         "client_token",
                         machine_.credentials().empty()});
            return;
        }
        next_.token_file = file_watch(file);
        auto token = read_secret_file(file, reader_);
        if (!token) return refuse(key, token.error());
        note_open(token->is_open_to_others, file);
        next_.token = std::move(token->text);
    }

    void read_password() {
        const std::string key = "store.password_file";
        const std::filesystem::path file = store_password_path(next_.config, machine_.credentials());
        if (file.empty() || !is_sound(key)) return;
        auto password = read_store_password(file, reader_);
        if (!password) return refuse(key, password.error());
        note_open(password->is_open_to_others, file);
        next_.store_password = std::move(password->text);
    }

    void name_node() {
        const std::string key = "cluster.node";
        if (before_ != nullptr) {
            next_.node = before_->node;
            return;
        }
        if (next_.config.store.url.empty() || !is_sound(key)) return;
        next_.node = next_.config.cluster.node.empty() ? machine_.host_name() : next_.config.cluster.node;
        const std::string problem = config::check_node_name(next_.node);
        if (problem.empty()) return;
        refuse(
            key,
            machine_fault{fmt::format(
                "is not set, and the host name \"{}\" cannot stand for it: a node's name {}", next_.node, problem)});
    }

    /// nullopt after a mistake. The certificates are known to be good then.
    std::optional<net::trust_roots> load_trust(const std::string& key, const std::string& ca_file) {
        if (!is_sound(key)) return std::nullopt;
        net::trust_roots trust;
        if (!ca_file.empty()) {
            auto content = machine_.read_file(ca_file, net::max_ca_bytes);
            if (!content) {
                refuse(key, content.error());
                return std::nullopt;
            }
            trust = net::trust_roots(std::move(content->text), ca_file);
        }
        try {
            make_tls_context(trust);
        } catch (const boost::system::system_error& failed) {
            refuse(key, machine_fault{failed.what()});
            return std::nullopt;
        }
        return trust;
    }

    /// nullopt after a mistake; none when no file is named. Certificate and key are known to fit then.
    std::optional<net::client_identity> load_identity(
        const std::string& path, const std::string& certificate_file, const std::string& key_file) {
        const std::string certificate_key = path + "client_certificate";
        const std::string key_key = path + "client_key";
        if (certificate_file.empty() && key_file.empty()) return net::client_identity();
        if (!is_sound(certificate_key) || !is_sound(key_key)) return std::nullopt;
        auto certificate = machine_.read_file(certificate_file, net::max_identity_bytes);
        if (!certificate) refuse(certificate_key, certificate.error());
        auto key = machine_.read_file(key_file, net::max_identity_bytes);
        secret key_pem;
        if (key) {
            key_pem = secret(key->text);
            ::explicit_bzero(key->text.data(), key->text.size());
            note_open(key->is_open_to_others, key_file);
        } else {
            refuse(key_key, key.error());
        }
        if (!certificate || !key) return std::nullopt;
        net::client_identity identity(std::move(certificate->text), certificate_file, std::move(key_pem), key_file);
        if (const auto fault = find_identity_fault(identity)) {
            refuse(fault->of == net::identity_fault::part::key ? key_key : certificate_key, machine_fault{fault->text});
            return std::nullopt;
        }
        return identity;
    }

    /// The way to `url`; nullptr = directly, also after a mistake.
    std::shared_ptr<const net::proxy_route> load_route(
        const std::string& path, const std::string& callback, const std::string& url, const std::string& proxy,
        const std::string& credentials_file) {
        const auto credentials = read_credentials(path + "proxy_credentials_file", callback, credentials_file);
        const auto target = parse_http_url(url);
        if (!target || target->scheme == url_scheme::http_unix) return nullptr;
        if (!is_sound(path + "proxy") || proxy == config::no_proxy_word) return nullptr;
        std::optional<net::proxy_route> route = environment_.route;
        if (!proxy.empty()) {
            const auto address = parse_proxy_url(proxy);
            if (!address) return nullptr; // refused by the configuration's own rules
            route.emplace(net::http_proxy{*address, {}});
        } else if (needs_environment(target->host, target->port)) {
            refuse(
                path + "proxy", machine_fault{environment_.fault + ": correct it, set proxy here, or write \"none\""});
        }
        if (!route) {
            if (credentials && environment_.fault.empty())
                found_.warnings.push_back(
                    path + "proxy_credentials_file has no effect: proxy is not set, and neither is HTTPS_PROXY in the "
                           "environment");
            return nullptr;
        }
        if (credentials) route = route->with_credentials(*credentials);
        note_proxy_use(
            next_.proxies, describe_way(*route, url), proxy.empty() ? environment_.variable : "configuration",
            callback.empty() ? "proof" : "callback." + callback);
        return std::make_shared<const net::proxy_route>(std::move(*route));
    }

    /// Whether the environment's proxy would be used and cannot be. Port 0 stands for whatever port.
    bool needs_environment(std::string_view host, std::uint16_t port) const {
        return !environment_.fault.empty() && !is_loopback_host(host) && !environment_.exempt.covers(host, port);
    }

    /// nullopt when none are named, or after a mistake.
    std::optional<secret> read_credentials(
        const std::string& key, const std::string& callback, const std::filesystem::path& file) {
        if (file.empty() || !is_sound(key)) return std::nullopt;
        next_.proxy_files.push_back({callback, file_watch(file)});
        auto credentials = read_proxy_credentials(file, reader_);
        if (!credentials) {
            refuse(key, credentials.error());
            return std::nullopt;
        }
        note_open(credentials->is_open_to_others, file);
        return std::move(credentials->text);
    }

    void prepare_api() {
        look_up_group("api.group", next_.config.api.group, next_.socket_group);
        look_up_group("api.admin_group", next_.config.api.admin_group, next_.admin_group);
        // The mode is the socket's until a restart: what is judged is the two together as they would be in force.
        const bool is_open = before_ != nullptr && (before_->config.api.mode & 0006U) != 0;
        if (is_open && is_sound("api.admin_group") && next_.config.api.admin_group.empty())
            refuse(
                "api.admin_group", machine_fault{"the socket is open to every local user until a restart, who could "
                                                 "change things without it: keep it, or restart the daemon"});
        if (!is_sound("api.socket")) return;
        if (auto fault = machine_.check_socket(next_.config.api.socket); !fault.text.empty())
            refuse("api.socket", std::move(fault));
    }

    void look_up_group(const std::string& key, const std::string& name, std::optional<gid_t>& into) {
        if (name.empty() || !is_sound(key)) return;
        const auto found = machine_.find_group(name);
        if (!found) return refuse(key, found.error());
        into = *found;
    }

    /// Of a name nothing is known before it is resolved; an address is what it is.
    void check_plain_http_hosts() {
        const std::string key = "network.plain_http_hosts";
        if (!is_sound(key)) return;
        for (const std::string& host : next_.config.network.plain_http_hosts) {
            error_code is_name;
            const auto address = boost::asio::ip::make_address(std::string(without_brackets(host)), is_name);
            if (is_name || net::may_send_plainly_to(address)) continue;
            refuse(
                key, machine_fault{fmt::format(
                         "\"{}\" is neither a loopback nor a private address: plain http goes to those alone", host)});
        }
    }

    void prepare_callback(std::size_t index) {
        const config::callback_config& callback = next_.config.callbacks[index];
        const std::string path = fmt::format("callback[{}].", index);
        callback::callback_target target;
        target.name = callback.name;
        target.url = callback.url;
        target.command = callback.command;
        target.timeout = callback.timeout;
        if (!callback.command.empty()) {
            check_command(path + "command", callback.command.front());
        } else if (is_sound(path + "url") && is_sound(path + "name")) {
            read_keys(
                path + "secret_file", callback.name, secret_path(callback, machine_.credentials()), target.secrets);
            read_headers(path + "headers_file", callback, target.headers);
        }
        if (callback.command.empty()) load_tls(path, callback, target);
        if (callback.command.empty() && is_sound(path + "url"))
            target.route =
                load_route(path, callback.name, callback.url, callback.proxy, callback.proxy_credentials_file);
        next_.targets.push_back(std::move(target));
    }

    void load_tls(const std::string& path, const config::callback_config& callback, callback::callback_target& target) {
        const auto identity = load_identity(path, callback.client_certificate, callback.client_key);
        if (callback.ca_file.empty() && !is_https_url(callback.url)) return;
        const auto trust = load_trust(path + "ca_file", callback.ca_file);
        if (trust && identity) target.tls = tls_for(*trust, *identity);
    }

    void prepare_callback_url() {
        const config::callback_url_config& rules = next_.config.callback_url;
        next_.url_rules.allow_hosts = rules.allow_hosts;
        read_keys(
            "callback_url.secret_file", std::string(own_url_callback), secret_path(rules, machine_.credentials()),
            next_.url_rules.secrets);
        if (!rules.allow_hosts.empty()) next_.url_rules.tls = tls_for(net::trust_roots(), net::client_identity());
        if (std::none_of(rules.allow_hosts.begin(), rules.allow_hosts.end(), is_tcp_host)) return;
        const auto needs = [this](std::string_view entry) {
            if (entry.starts_with("*.")) entry.remove_prefix(2); // whoever exempts a domain exempts all below it
            return is_tcp_host(entry) && needs_environment(without_brackets(entry), 0);
        };
        if (std::any_of(rules.allow_hosts.begin(), rules.allow_hosts.end(), needs)) {
            refuse(
                "callback_url.allow_hosts",
                machine_fault{environment_.fault + ": correct it, or exempt these hosts in NO_PROXY"});
        }
        if (!environment_.route) return;
        next_.url_rules.route = std::make_shared<const net::proxy_route>(*environment_.route);
        note_proxy_use(
            next_.proxies, describe(*environment_.route->proxy()), environment_.variable,
            std::string(own_url_callback));
    }

    void check_command(const std::string& key, const std::string& program) {
        if (!is_sound(key)) return;
        if (auto fault = machine_.check_program(program); !fault.text.empty()) refuse(key, std::move(fault));
    }

    void read_keys(
        const std::string& key, const std::string& callback, const std::filesystem::path& file,
        std::vector<secret>& into) {
        if (file.empty() || !is_sound(key)) return;
        next_.key_files.push_back({callback, file_watch(file)});
        auto keys = read_webhook_keys(file, reader_);
        if (!keys) return refuse(key, keys.error());
        note_open(keys->is_open_to_others, file);
        next_.key_files.back().fingerprints = std::move(keys->fingerprints);
        into = std::move(keys->keys);
    }

    void read_headers(
        const std::string& key, const config::callback_config& callback, std::vector<secret_header>& into) {
        const std::filesystem::path file = callback.headers_file;
        if (file.empty() || !is_sound(key)) return;
        next_.header_files.push_back({callback.name, file_watch(file)});
        auto found = read_webhook_headers(file, reader_);
        if (!found) return refuse(key, found.error());
        note_open(found->is_open_to_others, file);
        into = std::move(found->headers);
    }

    std::shared_ptr<net::tls_client> tls_for(const net::trust_roots& trust, const net::client_identity& identity) {
        return next_.tls.get(trust, identity, before_ == nullptr ? nullptr : &before_->tls);
    }

    /// Everything named is there and good.
    void finish() {
        try {
            next_.notifier =
                prepare_notifier_setup(next_.targets, next_.url_rules, next_.config.network.plain_http_hosts);
            found_.runtime = std::move(next_);
        } catch (const boost::system::system_error& failed) {
            refuse("callback", machine_fault{failed.what()});
        }
    }

    const machine& machine_;
    const prepared_runtime* before_;
    config::file_reader reader_ = [this](const std::filesystem::path& path, std::size_t most_bytes) {
        return machine_.read_file(path, most_bytes);
    };
    environment_proxy environment_ = read_environment_proxy(machine_);
    config::configuration_draft draft_;
    prepared_runtime next_;
    preparation found_;
};

} // namespace

config::config_mistakes preparation::refusals() const {
    config::config_mistakes all = mistakes;
    all.insert(all.end(), not_permitted.begin(), not_permitted.end());
    return all;
}

preparation prepare_runtime(const std::filesystem::path& file, const machine& from, const prepared_runtime* before) {
    return preparation_steps(from, before).run(file);
}

} // namespace prooftrack::daemon
