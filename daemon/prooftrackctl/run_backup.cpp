// backup: the copy comes as a stream and appears under its name only when it is whole and on the disk; `-` is stdout

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/progress.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view sqlite_mark("SQLite format 3\0", 16);

[[noreturn]] void fail(const char* operation, const fs::path& path, int error) {
    throw command_failure(
        exit_status::refused,
        fmt::format("cannot {} {}: {}", operation, printable(path.string()), std::strerror(error)));
}

/// A file beside its target, mode 0600, deleted unless it was moved into place.
class file_in_the_making {
  public:
    explicit file_in_the_making(const fs::path& target) : target_(target), name_(target.string() + ".XXXXXX") {
        descriptor_ = mkostemp(name_.data(), O_CLOEXEC); // made with mode 0600
        if (descriptor_ < 0) fail("write beside", target_, errno);
    }
    ~file_in_the_making() {
        if (descriptor_ >= 0) close(descriptor_);
        if (!moved_) unlink(name_.c_str());
    }
    file_in_the_making(const file_in_the_making&) = delete;
    file_in_the_making& operator=(const file_in_the_making&) = delete;

    void write(std::string_view bytes) {
        if (written_ < sqlite_mark.size()) head_ += bytes.substr(0, sqlite_mark.size() - head_.size());
        while (!bytes.empty()) {
            const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) fail("write", name_, errno);
            bytes.remove_prefix(static_cast<std::size_t>(count));
            written_ += static_cast<std::uint64_t>(count);
        }
    }

    std::uint64_t size() const { return written_; }
    bool is_database() const { return head_ == sqlite_mark; }

    /// Durable, then under its name; never over another file unless `replace`.
    void move_into_place(bool replace) {
        if (fsync(descriptor_) != 0) fail("sync", name_, errno);
        // Refuses an existing name without a moment in which somebody else's file could be lost.
        int moved = renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, target_.c_str(), replace ? 0 : RENAME_NOREPLACE);
        moved_ = moved == 0;
        if (!moved_ && !replace && errno == EINVAL)
            moved = link(name_.c_str(), target_.c_str()); // a file system without that flag
        if (moved != 0) {
            const int error = errno;
            if (error == EEXIST)
                throw command_failure(
                    exit_status::refused, fmt::format("{} exists: --force replaces it", printable(target_.string())));
            fail("write", target_, error);
        }
        const fs::path folder = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
        const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) fail("sync", folder, errno);
        const int synced = fsync(directory);
        const int error = errno;
        close(directory);
        if (synced != 0) fail("sync", folder, error);
    }

  private:
    fs::path target_;
    std::string name_;
    int descriptor_ = -1;
    std::uint64_t written_ = 0;
    std::string head_;
    bool moved_ = false;
};

void report(command_context& context, const std::string& file, std::uint64_t bytes) {
    if (context.options.json) {
        context.out.line(fmt::format("{{\"file\": {}, \"bytes\": {}}}", json_string(file), bytes));
    } else {
        context.out.line(fmt::format("{}: {}", printable(file), byte_size(bytes)));
    }
}

/// The copy alone goes there. What was written cannot be taken back: a broken one ends with a failure that says so.
int write_to_output(command_context& context) {
    if (isatty(STDOUT_FILENO) != 0)
        throw command_failure(
            exit_status::refused, "standard output is a terminal: give a file, or send the copy into a pipe");
    std::uint64_t written = 0;
    std::string head;
    bool whole = false;
    const body_sink sink = [&](std::string_view piece) {
        if (head.size() < sqlite_mark.size()) head += piece.substr(0, sqlite_mark.size() - head.size());
        context.out.write(piece);
        written += piece.size();
        return true;
    };
    try {
        const auto reply = context.api.stream(backup_request(), sink, whole);
        if (!reply) throw_unreachable(context, reply.error());
        if (!reply->ok()) throw_refused(*reply);
        context.out.flush();
    } catch (const output_closed&) {
        throw command_failure(exit_status::refused, "the reader went away before it had the whole copy");
    }
    if (!whole || head != sqlite_mark)
        throw command_failure(exit_status::refused, "what the daemon sent is not a whole database: throw it away");
    if (fsync(STDOUT_FILENO) != 0 && errno != EINVAL && errno != EROFS) fail("sync", "standard output", errno);
    note(fmt::format("backup: {} written", byte_size(written)));
    return exit_status::done;
}

} // namespace

int run(command_context& context, const backup_command& what) {
    if (what.file == "-") return write_to_output(context);
    struct stat there {};
    if (lstat(what.file.c_str(), &there) == 0) {
        if (S_ISDIR(there.st_mode)) fail("write", what.file, EISDIR);
        if (!what.force)
            throw command_failure(
                exit_status::refused, fmt::format("{} exists: --force replaces it", printable(what.file)));
    }
    file_in_the_making file(what.file);
    progress_bar bar(0);
    bool whole = false;
    const body_sink sink = [&file, &bar](std::string_view piece) {
        file.write(piece);
        bar.show_bytes(file.size());
        return true;
    };
    const auto reply = context.api.stream(backup_request(), sink, whole);
    bar.done();
    if (!reply) throw_unreachable(context, reply.error());
    if (!reply->ok()) throw_refused(*reply);
    if (!whole || !file.is_database())
        throw command_failure(
            exit_status::refused, "what the daemon sent is not a whole database: nothing was written");
    file.move_into_place(what.force);
    report(context, what.file, file.size());
    return exit_status::done;
}

} // namespace prooftrack::ctl
