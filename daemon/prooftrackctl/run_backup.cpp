// backup: the copy comes as a stream and appears under its name only when it is whole and on the disk; `-` is stdout

#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/file_in_the_making.hpp"
#include "prooftrackctl/progress.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::string_view sqlite_mark("SQLite format 3\0", 16);

/// What came of a backup so far, and whether it begins as one.
class backup_file {
  public:
    explicit backup_file(const std::string& target) : file_(target) {}
    void write(std::string_view bytes) {
        if (head_.size() < sqlite_mark.size()) head_ += bytes.substr(0, sqlite_mark.size() - head_.size());
        file_.write(bytes);
    }
    std::uint64_t size() const { return file_.size(); }
    bool is_database() const { return head_ == sqlite_mark; }
    void move_into_place(bool replace) { file_.move_into_place(replace); }

  private:
    file_in_the_making file_;
    std::string head_;
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
    if (fsync(STDOUT_FILENO) != 0 && errno != EINVAL && errno != EROFS) fail_on_file("sync", "standard output", errno);
    note(fmt::format("backup: {} written", byte_size(written)));
    return exit_status::done;
}

} // namespace

int run(command_context& context, const backup_command& what) {
    if (what.file == "-") return write_to_output(context);
    expect_free_name(what.file, what.force);
    backup_file file(what.file);
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
