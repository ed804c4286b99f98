#pragma once

// A machine in memory on which the n-th thing that is looked at can be missing, broken or forbidden.

#include <map>
#include <set>
#include <string>

#include "prooftrackd/machine.hpp"

namespace prooftrack::daemon {

class fake_machine final : public machine {
  public:
    enum class trouble { missing, garbage, forbidden };

    std::map<std::string, std::string> files;
    std::map<std::string, gid_t> groups;
    std::set<std::string> programs;
    std::map<std::string, std::string> variables; ///< the environment
    std::set<std::string> open_files;             ///< others can read them
    std::filesystem::path credentials_folder;
    std::uint64_t descriptors = 65536;
    std::string host = "pay1.example";
    std::size_t fail_at = 0; ///< counts from 1; 0 = nothing fails
    trouble how = trouble::missing;
    mutable std::size_t steps = 0;

    op_result<config::file_content> read_file(
        const std::filesystem::path& path, std::size_t most_bytes) const override {
        const bool fails = is_next_to_fail();
        const auto found = files.find(path.string());
        if (fails && how == trouble::forbidden) return failure(EACCES, "read " + path.string());
        if (found == files.end() || (fails && how == trouble::missing)) return failure(ENOENT, "read " + path.string());
        if (found->second.size() > most_bytes) return failure(EFBIG, "read " + path.string());
        return config::file_content{fails ? "\x01 garbage" : found->second, open_files.contains(path.string())};
    }
    op_result<gid_t> find_group(const std::string& name) const override {
        const auto found = groups.find(name);
        if (is_next_to_fail() || found == groups.end()) return failure(ENOENT, "look up group " + name);
        return found->second;
    }
    machine_fault check_program(const std::filesystem::path& path) const override {
        if (!is_next_to_fail() && programs.contains(path.string())) return {};
        return {path.string() + ": no such program", how == trouble::forbidden};
    }
    machine_fault check_socket(const std::filesystem::path& path) const override {
        return is_next_to_fail() ? machine_fault{path.string() + ": a folder is there"} : machine_fault{};
    }
    std::filesystem::path credentials() const override { return credentials_folder; }
    std::string environment(const std::string& name) const override {
        const auto found = variables.find(name);
        return found == variables.end() ? std::string() : found->second;
    }
    std::string host_name() const override { return host; }
    std::uint64_t descriptor_limit() const override { return descriptors; }

  private:
    bool is_next_to_fail() const { return ++steps == fail_at; }
    static op_error failure(int error, std::string operation) {
        return {error_code(error, boost::system::generic_category()), std::move(operation), {}};
    }
};

} // namespace prooftrack::daemon
