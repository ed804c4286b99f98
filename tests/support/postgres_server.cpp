#include "support/postgres_server.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace prooftrack {
namespace {

using connection_owner = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using result_owner = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr std::chrono::seconds start_patience{60};

/// PostgreSQL does not run as root.
const passwd* other_user() { return ::geteuid() == 0 ? ::getpwnam("nobody") : nullptr; }

std::string run_on(const std::string& to, const std::string& sql) {
    const connection_owner connection(PQconnectdb(to.c_str()), &PQfinish);
    if (PQstatus(connection.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
    const result_owner result(PQexec(connection.get(), sql.c_str()), &PQclear);
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR) throw std::runtime_error(PQresultErrorMessage(result.get()));
    return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

} // namespace

std::optional<std::filesystem::path> postgres_server::programs() {
    std::error_code error;
    std::vector<std::filesystem::path> found;
    for (const auto& each : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
        if (std::filesystem::exists(each.path() / "bin" / "initdb")) found.push_back(each.path() / "bin");
    }
    if (found.empty()) return std::nullopt;
    return *std::max_element(found.begin(), found.end());
}

postgres_server& postgres_server::shared() {
    static postgres_server one;
    return one;
}

postgres_server::postgres_server() {
    std::string name = "/tmp/pt-pg-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
    if (const passwd* const user = other_user(); user != nullptr)
        if (::chown(name.c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("chown");
    const std::filesystem::path initdb = programs().value() / "initdb";
    if (execute({initdb, "-D", folder_ / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"}) != 0)
        throw std::runtime_error("initdb failed");
    start();
}

postgres_server::~postgres_server() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

pid_t postgres_server::spawn(const std::vector<std::string>& command) const {
    const passwd* const user = other_user();
    const std::string log = folder_ / "log";
    std::vector<char*> words;
    for (const std::string& each : command) words.push_back(const_cast<char*>(each.c_str()));
    words.push_back(nullptr);
    const pid_t child = ::fork();
    if (child != 0) return child;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
        ::_exit(126);
    const int to = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(to, 1);
    ::dup2(to, 2);
    if (::chdir("/") != 0) ::_exit(126);
    ::execv(words.front(), words.data());
    ::_exit(127);
}

int postgres_server::execute(const std::vector<std::string>& command) const {
    const pid_t child = spawn(command);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

void postgres_server::start() {
    server_ = spawn(
        {programs().value() / "postgres", "-D", folder_ / "data", "-k", folder_, "-c", "listen_addresses=", "-F", "-c",
         "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "autovacuum=off"});
    const auto until = std::chrono::steady_clock::now() + start_patience;
    while (PQping(connection().c_str()) != PQPING_OK) {
        if (std::chrono::steady_clock::now() >= until) throw std::runtime_error("PostgreSQL does not start");
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

void postgres_server::start_as_successor() {
    std::ofstream(folder_ / "data" / "standby.signal").close(); // taking over removes it
    start();
    run("SELECT pg_promote()");
}

void postgres_server::stop() {
    if (server_ < 0) return;
    ::kill(server_, SIGINT); // ends the sessions
    ::waitpid(server_, nullptr, 0);
    server_ = -1;
}

std::string postgres_server::connection() const {
    return "host=" + folder_.string() + " user=postgres dbname=postgres options='-c client_min_messages=warning'";
}

std::string postgres_server::url(const std::string& schema) const {
    std::string folder;
    for (const char c : folder_.string()) folder += c == '/' ? std::string("%2F") : std::string(1, c);
    return "postgresql://postgres@" + folder + "/postgres?options=-csearch_path%3D" + schema;
}

void postgres_server::run(const std::string& sql) const { run_on(connection(), sql); }
std::string postgres_server::ask(const std::string& sql) const { return run_on(connection(), sql); }

} // namespace prooftrack
