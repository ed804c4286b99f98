#pragma once

// What a configuration is checked against: files, groups and programs of this machine. Nothing here has an effect.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include <sys/types.h>

#include "base/result.hpp"
#include "config/bounded_file.hpp"

namespace prooftrack::daemon {

/// What stands against something that a configuration names; nothing when `text` is "".
struct machine_fault {
    std::string text;
    bool only_permission = false; ///< this process may not look; another one might find nothing wrong
};

/// Whether an error says that this process may not, and nothing else.
bool is_lack_of_permission(const error_code& error);

class machine {
  public:
    virtual ~machine() = default;

    /// As read_bounded_file.
    virtual op_result<config::file_content> read_file(
        const std::filesystem::path& path, std::size_t most_bytes) const = 0;
    /// The id of the group of that name.
    virtual op_result<gid_t> find_group(const std::string& name) const = 0;
    /// Whether this process could run that program.
    virtual machine_fault check_program(const std::filesystem::path& path) const = 0;
    /// Whether the API's socket could stand there.
    virtual machine_fault check_socket(const std::filesystem::path& path) const = 0;
    /// Where systemd put the credentials; empty when it passed none.
    virtual std::filesystem::path credentials() const = 0;
    /// The value of that variable of the environment; "" when it is not set.
    virtual std::string environment(const std::string& name) const = 0;
    /// Its name in the network; "" when it has none.
    virtual std::string host_name() const = 0;
    /// How many descriptors this process may have open.
    virtual std::uint64_t descriptor_limit() const = 0;
};

/// The one that the daemon runs on.
class this_machine final : public machine {
  public:
    explicit this_machine(std::filesystem::path credentials) : credentials_(std::move(credentials)) {}

    op_result<config::file_content> read_file(const std::filesystem::path& path, std::size_t most_bytes) const override;
    op_result<gid_t> find_group(const std::string& name) const override;
    machine_fault check_program(const std::filesystem::path& path) const override;
    machine_fault check_socket(const std::filesystem::path& path) const override;
    std::filesystem::path credentials() const override { return credentials_; }
    std::string environment(const std::string& name) const override;
    std::string host_name() const override;
    std::uint64_t descriptor_limit() const override;

  private:
    std::filesystem::path credentials_;
};

} // namespace prooftrack::daemon
