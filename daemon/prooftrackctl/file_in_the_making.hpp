#pragma once

// A file that appears under its name only when it is whole and on the disk.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace prooftrack::ctl {

/// Written beside its target with mode 0600, and deleted unless it was moved into place. Throws command_failure.
class file_in_the_making {
  public:
    explicit file_in_the_making(const std::filesystem::path& target);
    ~file_in_the_making();
    file_in_the_making(const file_in_the_making&) = delete;
    file_in_the_making& operator=(const file_in_the_making&) = delete;

    void write(std::string_view bytes);
    std::uint64_t size() const { return written_; }

    /// Durable, then under its name; never over another file unless `replace`.
    void move_into_place(bool replace);

  private:
    std::filesystem::path target_;
    std::string name_;
    int descriptor_ = -1;
    std::uint64_t written_ = 0;
    bool moved_ = false;
};

/// Throws command_failure when a file could not be made under this name: a folder or a device has it, or a file and not
/// `replace`.
void expect_free_name(const std::string& target, bool replace);

/// Throws command_failure when both names are one file.
void expect_other_file(const std::string& target, const std::string& source);

/// Throws command_failure: `cannot write FILE: No space left on device`.
[[noreturn]] void fail_on_file(const char* operation, const std::filesystem::path& path, int error);

} // namespace prooftrack::ctl
