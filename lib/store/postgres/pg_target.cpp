#include "store/postgres/pg_target.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>

#include <poll.h>

namespace prooftrack::store {
namespace {

constexpr milliseconds between_looks{200}; // at the flag of whoever ends it
/// Where distributions keep the certificates of all authorities; libpq alone would look into the home folder.
constexpr std::array system_certificates{
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

std::vector<std::string> split_list(const std::string& list) {
    std::vector<std::string> parts;
    std::size_t at = 0;
    while (true) {
        const std::size_t comma = list.find(',', at);
        parts.push_back(list.substr(at, comma == std::string::npos ? comma : comma - at));
        if (comma == std::string::npos) return parts;
        at = comma + 1;
    }
}

std::string part_for(const std::vector<std::string>& parts, std::size_t i) {
    return parts.size() == 1 ? parts.front() : parts.at(i);
}

bool is_local(const std::string& host) {
    return host.empty() || host.front() == '/' || host.front() == '@' || host == "localhost" || host == "::1" ||
           host.starts_with("127.");
}

/// What the daemon wants where the URL says nothing: an end of a dead connection within seconds.
void add_defaults(pg_target::parameters& one) {
    const std::string host = one.contains("hostaddr") ? one["hostaddr"] : one["host"];
    if (!one.contains("sslmode") && !is_local(host)) one["sslmode"] = "verify-full";
    const bool verifies = one.contains("sslmode") && one["sslmode"].starts_with("verify-");
    if (verifies && !one.contains("sslrootcert")) {
        for (const char* const file : system_certificates) {
            std::error_code ignored;
            if (std::filesystem::exists(file, ignored)) one.emplace("sslrootcert", file);
        }
    }
    one.emplace("target_session_attrs", "read-write");
    one.emplace("connect_timeout", "5");
    one.emplace("keepalives_idle", "5");
    one.emplace("keepalives_interval", "2");
    one.emplace("keepalives_count", "3");
    one.emplace("tcp_user_timeout", "10000");
    one.emplace("gssencmode", "disable");
    one["client_encoding"] = "UTF8";
}

op_error bad_url(std::string why) {
    return {make_error_code(boost::system::errc::invalid_argument), "read store.url", std::move(why)};
}

op_result<pg_target> take_apart(const pg_target::parameters& all) {
    const auto list_of = [&all](const char* name) {
        const auto found = all.find(name);
        return found == all.end() ? std::vector<std::string>{std::string()} : split_list(found->second);
    };
    const auto names = list_of("host");
    const auto addresses = list_of("hostaddr");
    const auto ports = list_of("port");
    const std::size_t number = std::max(names.size(), addresses.size());
    for (const auto* const each : {&names, &addresses, &ports}) {
        if (each->size() != 1 && each->size() != number) return bad_url("it names fewer hosts or ports than others");
    }
    pg_target target;
    for (std::size_t i = 0; i < number; ++i) {
        pg_target::parameters one = all;
        const auto set = [&one](const char* name, const std::string& value) {
            one.erase(name);
            if (!value.empty()) one[name] = value;
        };
        set("host", part_for(names, i));
        set("hostaddr", part_for(addresses, i));
        set("port", part_for(ports, i));
        add_defaults(one);
        target.hosts.push_back(std::move(one));
    }
    return target;
}

std::string host_of(const pg_target::parameters& to) {
    const auto named = to.find("host");
    if (named != to.end()) return named->second;
    const auto address = to.find("hostaddr");
    return address == to.end() ? "the local socket" : address->second;
}

pg_connection connect_one(
    const pg_target::parameters& to, const secret& password, const std::string& application,
    const std::atomic<bool>& ended) {
    std::vector<const char*> names;
    std::vector<const char*> values;
    const auto add = [&](const char* name, const char* value) {
        names.push_back(name);
        values.push_back(value);
    };
    for (const auto& [name, value] : to) {
        if (name != "application_name" && name != "password") add(name.c_str(), value.c_str());
    }
    std::string clear_password(password.reveal()); // libpq wants a zero behind it, and keeps a copy
    if (!password.empty()) add("password", clear_password.c_str());
    add("application_name", application.c_str());
    add(nullptr, nullptr);
    const steady_time until = std::chrono::steady_clock::now() + pg_connect_patience;
    pg_connection made(PQconnectStartParams(names.data(), values.data(), 0));
    ::explicit_bzero(clear_password.data(), clear_password.size());
    if (!made) throw std::bad_alloc();
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (PQstatus(made.get()) != CONNECTION_BAD) {
        if (next == PGRES_POLLING_OK) return made;
        if (next == PGRES_POLLING_FAILED) break;
        const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
        if (left <= milliseconds(0)) throw postgres_error(state_timed_out, host_of(to) + " does not answer");
        if (ended.load()) throw postgres_error(state_timed_out, "given up");
        pollfd one{PQsocket(made.get()), static_cast<short>(next == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
        if (::poll(&one, 1, static_cast<int>(std::min(left, between_looks).count())) > 0)
            next = PQconnectPoll(made.get());
    }
    throw postgres_error(made.get());
}

} // namespace

op_result<pg_target> parse_pg_url(const std::string& url) {
    char* complaint = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(url.c_str(), &complaint), &PQconninfoFree);
    const std::unique_ptr<char, decltype(&PQfreemem)> freed(complaint, &PQfreemem);
    if (!options) return bad_url(one_line(complaint));
    pg_target::parameters all;
    for (const PQconninfoOption* each = options.get(); each->keyword != nullptr; ++each) {
        if (each->val != nullptr && *each->val != '\0') all[each->keyword] = each->val;
    }
    if (all.contains("password")) return bad_url("a password belongs into store.password_file, not into the URL");
    if (all.contains("service") || all.contains("passfile"))
        return bad_url("service and passfile are not supported: name the host here, the password in a file");
    auto target = take_apart(all);
    if (target) target->shown = url;
    return target;
}

pg_connection connect_to(
    const pg_target& target, const secret& password, const std::string& application, const std::atomic<bool>& ended) {
    std::string said;
    for (const pg_target::parameters& each : target.hosts) {
        try {
            return connect_one(each, password, application, ended);
        } catch (const postgres_error& error) {
            if (!said.empty()) said += "; ";
            said += error.what(); // names the host
        }
    }
    throw postgres_error(state_link_lost, said);
}

} // namespace prooftrack::store
