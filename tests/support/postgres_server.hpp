#pragma once

// A PostgreSQL of its own for a test program: in a folder that goes with it, as an ordinary user, on a Unix socket
// alone, and without a sync of the disk.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace prooftrack {

class postgres_server {
  public:
    /// Where Debian's newest PostgreSQL has its programs; nullopt when there is none.
    static std::optional<std::filesystem::path> programs();
    /// The one of this process, started at its first use. Throws when it cannot be started.
    static postgres_server& shared();

    postgres_server();
    postgres_server(const postgres_server&) = delete;
    postgres_server& operator=(const postgres_server&) = delete;
    ~postgres_server();

    /// A URL of libpq that leads into a schema: the one of a test, made by `run`.
    std::string url(const std::string& schema) const;
    /// Several statements, as the superuser. Throws.
    void run(const std::string& sql) const;
    /// First column of the first row.
    std::string ask(const std::string& sql) const;
    /// Ends all sessions and starts it again.
    void stop();
    void start();
    /// Of a stopped one: starts it as a standby that has followed it to its end, and takes over.
    void start_as_successor();

  private:
    int execute(const std::vector<std::string>& command) const;
    pid_t spawn(const std::vector<std::string>& command) const;
    std::string connection() const;

    std::filesystem::path folder_;
    pid_t server_ = -1;
};

} // namespace prooftrack
