#include "config/key_table.hpp"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/http_url.hpp"

namespace prooftrack::config {
namespace {

constexpr std::int64_t ms(milliseconds duration) { return duration.count(); }
constexpr std::int64_t day = ms(std::chrono::days(1));
constexpr std::int64_t shortest_poll = 50;
constexpr std::int64_t longest_path = 4'095;
constexpr std::int64_t longest_url = 2'048;
constexpr std::int64_t longest_node = 64;

using std::chrono::minutes;

const std::array<std::string_view, 11> tables{"",        "proof", "poll",     "store",   "cluster",     "api",
                                              "metrics", "log",   "callback", "network", "callback_url"};

const auto keys = std::to_array<config_key>({
    {.table = "",
     .name = "stop_timeout",
     .kind = key_kind::duration,
     .most = ms(minutes(5)),
     .doc = "how long a stop waits for what is in flight",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.stop_timeout; }},

    {.table = "proof",
     .name = "base_url",
     .least = 1,
     .most = longest_url,
     .doc = "where Proof is; https only, http for a loopback host alone",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.base_url; }},
    {.table = "proof",
     .name = "token_file",
     .most = longest_path,
     .doc =
         "file with the client_token; \"\" = the systemd credential client_token; reread on SIGHUP and when it changes",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.token_file; }},
    {.table = "proof",
     .name = "ca_file",
     .most = longest_path,
     .doc = "PEM bundle used in place of the system's",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.ca_file; }},
    {.table = "proof",
     .name = "http",
     .kind = key_kind::word,
     .most = 32,
     .words = "auto 1.1",
     .doc = "auto = HTTP/2 where the server offers it, else HTTP/1.1; \"1.1\" = never HTTP/2",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.http; }},
    {.table = "proof",
     .name = "connections",
     .kind = key_kind::count,
     .least = 0,
     .most = 16'384,
     .doc = "most HTTPS connections to Proof; 0 = as many as the polls need, at most 1024 and what LimitNOFILE allows",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.connections; }},
    {.table = "proof",
     .name = "proxy",
     .most = longest_url,
     .doc = "\"http://proxy.example:3128\": CONNECT through it; \"\" = HTTPS_PROXY and NO_PROXY of the environment; "
            "\"none\" = never",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.proxy; }},
    {.table = "proof",
     .name = "proxy_credentials_file",
     .most = longest_path,
     .doc = "file with user:password for the proxy; reread on SIGHUP and when it changes",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.proxy_credentials_file; }},
    {.table = "proof",
     .name = "client_certificate",
     .most = longest_path,
     .doc = "PEM, with client_key: mutual TLS; its chain may follow in the file",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.client_certificate; }},
    {.table = "proof",
     .name = "client_key",
     .most = longest_path,
     .doc = "PEM, the private key of client_certificate, without a passphrase",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.client_key; }},
    {.table = "proof",
     .name = "connect_timeout",
     .kind = key_kind::duration,
     .least = 50,
     .most = ms(minutes(5)),
     .doc = "longest wait for a connection, TLS included",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.connect_timeout; }},
    {.table = "proof",
     .name = "request_timeout",
     .kind = key_kind::duration,
     .least = 50,
     .most = ms(minutes(5)),
     .doc = "longest wait for a whole reply",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.request_timeout; }},
    {.table = "proof",
     .name = "max_reply_bytes",
     .kind = key_kind::count,
     .least = 1'024,
     .most = 16'777'216,
     .doc = "a larger reply is an error",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.proof.max_reply_bytes; }},

    {.table = "poll",
     .name = "interval",
     .kind = key_kind::duration_pair,
     .least = shortest_poll,
     .most = day,
     .doc = "start to start: the next poll of a transaction comes after a time drawn from this band",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.interval; }},
    {.table = "poll",
     .name = "max_rate",
     .kind = key_kind::count,
     .most = 1'000'000,
     .doc = "polls a second, 0 = no limit of our own; 429 always slows down",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.max_rate; }},
    {.table = "poll",
     .name = "backoff",
     .kind = key_kind::duration_pair,
     .least = shortest_poll,
     .most = day,
     .doc = "first and longest wait after an error of one transaction",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.backoff; }},
    {.table = "poll",
     .name = "not_found_grace",
     .kind = key_kind::duration,
     .most = 30 * day,
     .doc = "how long a 404 may mean \"not visible yet\"",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.not_found_grace; }},
    {.table = "poll",
     .name = "overdue_after",
     .kind = key_kind::duration,
     .least = shortest_poll,
     .most = 3'650 * day,
     .doc = "then `overdue`, and polled every tail_interval; applies to ids added later",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.overdue_after; }},
    {.table = "poll",
     .name = "tail_interval",
     .kind = key_kind::duration,
     .least = shortest_poll,
     .most = 30 * day,
     .doc = "how often overdue, not_found and rejected ones are asked about",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.tail_interval; }},
    {.table = "poll",
     .name = "give_up_after",
     .kind = key_kind::duration,
     .least = shortest_poll,
     .most = 3'650 * day,
     .zero_is_never = true,
     .doc = "then, at the next answer, `abandoned`; 0s = never",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.give_up_after; }},
    {.table = "poll",
     .name = "probe_interval",
     .kind = key_kind::duration,
     .least = shortest_poll,
     .most = day,
     .doc = "while Proof refuses the token or this server: one poll, this often",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.probe_interval; }},
    {.table = "poll",
     .name = "verify_after",
     .kind = key_kind::duration_list,
     .least = shortest_poll,
     .most = 30 * day,
     .most_entries = 16,
     .doc = "ask again that long after a terminal status, ascending; [] = never",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.poll.verify_after; }},

    {.table = "store",
     .name = "path",
     .kind = key_kind::path,
     .least = 1,
     .most = longest_path,
     .needs_restart = true,
     .doc = "the database; its folder must be the daemon's",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.store.path; }},
    {.table = "store",
     .name = "url",
     .most = longest_url,
     .needs_restart = true,
     .doc = "PostgreSQL in place of path, as in \"postgresql://prooftrackd@db.example/prooftrackd\"",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.store.url; }},
    {.table = "store",
     .name = "password_file",
     .most = longest_path,
     .needs_restart = true,
     .doc = "its role's password; \"\" = the systemd credential store_password, or none",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.store.password_file; }},
    {.table = "store",
     .name = "retention",
     .kind = key_kind::duration,
     .least = shortest_poll,
     .most = 3'650 * day,
     .zero_is_never = true,
     .doc = "after their end transactions, their events and deliveries are pruned; 0s = never",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.store.retention; }},
    {.table = "store",
     .name = "consumer_retention",
     .kind = key_kind::duration,
     .most = 3'650 * day,
     .doc = "how long an event waits for a named consumer past that",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.store.consumer_retention; }},

    {.table = "cluster",
     .name = "node",
     .most = longest_node,
     .needs_restart = true,
     .doc = "this daemon's name among those that share store.url; \"\" = the host name",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.cluster.node; }},

    {.table = "api",
     .name = "socket",
     .kind = key_kind::path,
     .least = 1,
     .most = max_socket_path,
     .needs_restart = true,
     .doc = "a socket passed by systemd wins, and then mode and group are its unit's",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.api.socket; }},
    {.table = "api",
     .name = "mode",
     .kind = key_kind::file_mode,
     .least = 0600,
     .most = 0777,
     .needs_restart = true,
     .doc = "\"0666\" lets every local user read; refused while admin_group is empty",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.api.mode; }},
    {.table = "api",
     .name = "group",
     .most = 32,
     .needs_restart = true,
     .doc = "group that owns the socket, \"\" = the daemon's",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.api.group; }},
    {.table = "api",
     .name = "admin_group",
     .most = 32,
     .doc = "with it set, only root, the daemon's own user and members of this group may change things; others read",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.api.admin_group; }},
    {.table = "api",
     .name = "max_clients",
     .kind = key_kind::count,
     .least = 1,
     .most = 60'000,
     .doc = "when full, the connection that has been idle longest makes room",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.api.max_clients; }},

    {.table = "metrics",
     .name = "listen",
     .most = 64,
     .needs_restart = true,
     .doc = "\"127.0.0.1:9464\": GET /metrics over TCP too; another address than loopback needs allow_remote",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.metrics.listen; }},
    {.table = "metrics",
     .name = "allow_remote",
     .kind = key_kind::flag,
     .needs_restart = true,
     .doc = "true: listen may be another address than loopback; whoever reaches it reads the metrics",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.metrics.allow_remote; }},

    {.table = "log",
     .name = "level",
     .kind = key_kind::word,
     .most = 32,
     .words = "critical error warning notice info debug",
     .doc = "lines less important than this are not written",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.log.level; }},
    {.table = "log",
     .name = "format",
     .kind = key_kind::word,
     .most = 32,
     .words = "auto logfmt json journald",
     .needs_restart = true,
     .doc = "auto = journald when stderr goes to the journal, else logfmt",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.log.format; }},

    {.table = "callback",
     .name = "name",
     .least = 1,
     .most = 64,
     .doc = "[a-z0-9_-]{1,64}, unique, not \"callback_url\"",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.name; }},
    {.table = "callback",
     .name = "url",
     .least = 1,
     .most = longest_url,
     .doc = "https://…, http+unix:///path.sock:/target, plain http to a loopback host or one of plain_http_hosts",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.url; }},
    {.table = "callback",
     .name = "command",
     .kind = key_kind::text_list,
     .most = longest_path,
     .fewest = 1,
     .most_entries = 64,
     .doc = "argv without a shell, its first an absolute path; the event as JSON on stdin; exit 0 = delivered",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.command; }},
    {.table = "callback",
     .name = "ca_file",
     .most = longest_path,
     .doc = "PEM bundle used in place of the system's",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.ca_file; }},
    {.table = "callback",
     .name = "proxy",
     .most = longest_url,
     .doc = "as in [proof]",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.proxy; }},
    {.table = "callback",
     .name = "proxy_credentials_file",
     .most = longest_path,
     .doc = "as in [proof]",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.proxy_credentials_file; }},
    {.table = "callback",
     .name = "client_certificate",
     .most = longest_path,
     .doc = "as in [proof]",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.client_certificate; }},
    {.table = "callback",
     .name = "client_key",
     .most = longest_path,
     .doc = "as in [proof]",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.client_key; }},
    {.table = "callback",
     .name = "headers_file",
     .most = longest_path,
     .doc = "lines `Name: value` sent with each attempt, a secret; reread on SIGHUP and when it changes",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.headers_file; }},
    {.table = "callback",
     .name = "secret_file",
     .most = longest_path,
     .doc = "one whsec_… a line, the newest first; \"\" = the systemd credential callback.NAME.secret",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.secret_file; }},
    {.table = "callback",
     .name = "events",
     .kind = key_kind::text_list,
     .least = 1,
     .most = 64,
     .fewest = 1,
     .most_entries = 32,
     .doc = "which events it gets; * is any run of characters, transaction.updated needs its full name",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.events; }},
    {.table = "callback",
     .name = "timeout",
     .kind = key_kind::duration,
     .least = 50,
     .most = ms(minutes(10)),
     .doc = "longest time of one attempt",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.timeout; }},
    {.table = "callback",
     .name = "max_in_flight",
     .kind = key_kind::count,
     .least = 1,
     .most = 1'024,
     .doc = "attempts at the same time",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.max_in_flight; }},
    {.table = "callback",
     .name = "retry_schedule",
     .kind = key_kind::duration_list,
     .least = 1,
     .most = 30 * day,
     .fewest = 1,
     .most_entries = 64,
     .doc = "waits between attempts; after the last the delivery is dead",
     .at = [](configuration&, callback_config& c) -> config_field { return &c.retry_schedule; }},

    {.table = "network",
     .name = "plain_http_hosts",
     .kind = key_kind::text_list,
     .least = 1,
     .most = 255,
     .most_entries = 256,
     .doc =
         "\"receiver\", \"10.0.0.5\": private hosts that callbacks may call by plain http; never at a public address",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.network.plain_http_hosts; }},

    {.table = "callback_url",
     .name = "allow_hosts",
     .kind = key_kind::text_list,
     .least = 1,
     .most = 255,
     .most_entries = 256,
     .doc = "\"shop.example\", \"*.shop.example\", \"unix:/run/shop.sock\"; empty = no transaction may bring its own",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.callback_url.allow_hosts; }},
    {.table = "callback_url",
     .name = "secret_file",
     .most = longest_path,
     .doc = "required with any TCP host",
     .at = [](configuration& c, callback_config&) -> config_field { return &c.callback_url.secret_file; }},
});

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", text); }
std::string in_quotes(milliseconds duration) { return in_quotes(format_duration(duration)); }

template <class List>
std::string format_list(const List& list) {
    std::vector<std::string> parts;
    parts.reserve(list.size());
    for (const auto& entry : list) parts.push_back(in_quotes(entry));
    return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string format_one(const std::string& text) { return in_quotes(text); }
std::string format_one(const std::filesystem::path& path) { return in_quotes(path.string()); }
std::string format_one(bool flag) { return flag ? "true" : "false"; }
std::string format_one(std::size_t number) { return std::to_string(number); }
std::string format_one(std::uint32_t number) { return std::to_string(number); }
std::string format_one(milliseconds duration) { return in_quotes(duration); }
std::string format_one(const std::pair<milliseconds, milliseconds>& band) {
    return fmt::format("[{}, {}]", in_quotes(band.first), in_quotes(band.second));
}
std::string format_one(const std::vector<milliseconds>& list) { return format_list(list); }
std::string format_one(const std::vector<std::string>& list) { return format_list(list); }

} // namespace

std::span<const config_key> config_keys() { return keys; }

std::span<const std::string_view> config_tables() { return tables; }

const config_key* find_config_key(std::string_view table, std::string_view name) {
    for (const config_key& key : keys) {
        if (key.table == table && key.name == name) return &key;
    }
    return nullptr;
}

std::string_view advice_on_removed_key(std::string_view table, std::string_view name) {
    if (table == "proof" && name == "pipeline_depth") {
        return "is gone, and HTTP/1.1 pipelining with it: load balancers do not carry it reliably, and HTTP/2 "
               "(proof.http) takes its place; remove the line";
    }
    return {};
}

std::string full_name(const config_key& key) {
    return key.table.empty() ? std::string(key.name) : fmt::format("{}.{}", key.table, key.name);
}

std::string format_config_value(const config_key& key, const config_field& field) {
    if (key.kind == key_kind::file_mode) return fmt::format("\"{:04o}\"", *std::get<std::uint32_t*>(field));
    return std::visit([](const auto* value) { return format_one(*value); }, field);
}

std::string format_config_range(const config_key& key) {
    const auto never = key.zero_is_never ? "0s, or " : "";
    const auto entries = [&] { return fmt::format("{} to {} entries", key.fewest, key.most_entries); };
    const auto durations = [&] {
        return fmt::format(
            "{}{} to {}", never, format_duration(milliseconds(key.least)), format_duration(milliseconds(key.most)));
    };
    switch (key.kind) {
    case key_kind::word:
        return fmt::format("one of: {}", key.words);
    case key_kind::flag:
        return "true or false";
    case key_kind::count:
        return fmt::format("{} to {}", key.least, key.most);
    case key_kind::file_mode:
        return fmt::format("{:04o} to {:04o}", key.least, key.most);
    case key_kind::duration:
    case key_kind::duration_pair:
        return durations();
    case key_kind::duration_list:
        return fmt::format("{}, each {}", entries(), durations());
    case key_kind::text_list:
        return fmt::format("{}, each of {} to {} bytes", entries(), key.least, key.most);
    case key_kind::text:
    case key_kind::path:
        return fmt::format("{} to {} bytes", key.least, key.most);
    }
    return {};
}

} // namespace prooftrack::config
