#pragma once

// The validated configuration as a plain struct; names are the keys of the TOML file.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace prooftrack::config {

struct proof_config {
    std::string base_url;
    std::string token_file; ///< "" = the systemd credential `client_token`
    std::string ca_file;
    std::string http = "auto";   ///< or "1.1": HTTP/2 is not offered
    std::size_t connections = 0; ///< 0 = automatic
    std::string proxy;           ///< "http://HOST:PORT", "" = that of the environment, "none" = never
    std::string proxy_credentials_file;
    std::string client_certificate; ///< with client_key, or neither
    std::string client_key;
    milliseconds connect_timeout{5'000};
    milliseconds request_timeout{10'000};
    std::size_t max_reply_bytes = 65'536;
    bool operator==(const proof_config&) const = default;
};

/// A `proxy` that stands for "directly, whatever the environment says".
inline constexpr const char* no_proxy_word = "none";

struct poll_config {
    std::pair<milliseconds, milliseconds> interval{5'000, 10'000};
    std::uint32_t max_rate = 0; ///< polls a second, 0 = no limit
    std::pair<milliseconds, milliseconds> backoff{5'000, 300'000};
    milliseconds not_found_grace{std::chrono::minutes(15)};
    milliseconds overdue_after{std::chrono::hours(24)};
    milliseconds tail_interval{std::chrono::hours(1)};
    milliseconds give_up_after{std::chrono::days(30)}; ///< 0 = never
    milliseconds probe_interval{30'000};
    std::vector<milliseconds> verify_after{std::chrono::minutes(10), std::chrono::minutes(65)};
    bool operator==(const poll_config&) const = default;
};

struct store_config {
    std::filesystem::path path = "/var/lib/prooftrackd/prooftrackd.db";
    std::string url;                               ///< of PostgreSQL, in place of `path`; "" = SQLite
    std::string password_file;                     ///< "" = the systemd credential `store_password`, or none
    milliseconds retention{std::chrono::days(90)}; ///< 0 = never
    milliseconds consumer_retention{std::chrono::days(30)};
    bool operator==(const store_config&) const = default;
};

struct cluster_config {
    std::string node; ///< this daemon's name, "" = the host name; only with store.url
    bool operator==(const cluster_config&) const = default;
};

struct api_config {
    std::filesystem::path socket = "/run/prooftrackd/prooftrackd.sock";
    std::uint32_t mode = 0660;
    std::string group;
    std::string admin_group;
    std::size_t max_clients = 256;
    bool operator==(const api_config&) const = default;
};

struct metrics_config {
    std::string listen;        ///< ADDRESS:PORT, "" = off
    bool allow_remote = false; ///< another address than loopback is meant
    bool operator==(const metrics_config&) const = default;
};

struct log_config {
    std::string level = "info";
    std::string format = "auto";
    bool operator==(const log_config&) const = default;
};

struct callback_config {
    std::string name;
    std::string url; ///< exactly one of url and command
    std::vector<std::string> command;
    std::string ca_file;
    std::string headers_file; ///< lines `Name: value`, "" = none; only with a url
    std::string secret_file;  ///< "" = the systemd credential `callback.NAME.secret`
    std::string proxy;        ///< as in proof_config
    std::string proxy_credentials_file;
    std::string client_certificate; ///< with client_key, or neither
    std::string client_key;
    std::vector<std::string> events{"transaction.*"};
    milliseconds timeout{15'000};
    std::size_t max_in_flight = 16;
    std::vector<milliseconds> retry_schedule{std::chrono::seconds(5), std::chrono::minutes(5), std::chrono::minutes(30),
                                             std::chrono::hours(2),   std::chrono::hours(5),   std::chrono::hours(10),
                                             std::chrono::hours(10)};
    bool operator==(const callback_config&) const = default;
};

struct network_config {
    std::vector<std::string> plain_http_hosts; ///< private hosts that callbacks may call by http
    bool operator==(const network_config&) const = default;
};

struct callback_url_config {
    std::vector<std::string> allow_hosts;
    std::string secret_file;
    bool operator==(const callback_url_config&) const = default;
};

struct configuration {
    milliseconds stop_timeout{10'000};
    proof_config proof;
    poll_config poll;
    store_config store;
    cluster_config cluster;
    api_config api;
    metrics_config metrics;
    log_config log;
    std::vector<callback_config> callbacks;
    network_config network;
    callback_url_config callback_url;
    bool operator==(const configuration&) const = default;
};

} // namespace prooftrack::config
