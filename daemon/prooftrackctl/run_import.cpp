// import: ids or NDJSON in requests of bounded size

#include <fmt/format.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/import_chunks.hpp"
#include "prooftrackctl/input_file.hpp"
#include "prooftrackctl/progress.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/waiting.hpp"

namespace prooftrack::ctl {

namespace {

class importer {
  public:
    explicit importer(command_context& context, std::uint64_t size)
        : context_(context), bar_(size),
          chunker_(
              [this](const import_chunk& chunk) { send(chunk); },
              [this](std::uint64_t line, std::string_view why) { reject(line, "invalid_request", why); }) {
        if (context_.options.json) context_.out.write("{\"rejected\": [");
    }

    void run(input_file& file) {
        for (std::string_view piece = file.read_some(); !piece.empty(); piece = file.read_some()) {
            read_ += piece.size();
            chunker_.take(piece);
        }
        chunker_.finish();
        bar_.done();
    }

    int finish() {
        if (context_.options.json) {
            context_.out.line(fmt::format("], \"created\": {}, \"existing\": {}}}", created_, existing_));
        } else {
            context_.out.line(fmt::format(
                "{} created, {} existing, {} rejected", grouped(created_), grouped(existing_), grouped(rejected_)));
        }
        return rejected_ == 0 ? exit_status::done : exit_status::refused;
    }

  private:
    void send(const import_chunk& chunk) {
        bar_.show(read_, lines_);
        const api_reply reply = ask_until_taken(chunk);
        const json_view summary = json_of(reply);
        created_ += summary["created"].unsigned_integer().value_or(0);
        existing_ += summary["existing"].unsigned_integer().value_or(0);
        for (const json_view& one : summary["rejected"].elements()) {
            const std::uint64_t line = one["line"].unsigned_integer().value_or(0);
            const bool known = line >= 1 && line <= chunk.lines.size();
            reject(known ? chunk.lines[line - 1] : chunk.lines.front(), one["code"].text(), one["detail"].text());
        }
        lines_ += chunk.lines.size();
        bar_.show(read_, lines_);
    }

    /// Repeating is safe, so a daemon that restarts, or is full for a moment, is asked again for a while.
    api_reply ask_until_taken(const import_chunk& chunk) {
        api_request request;
        request.method = "POST";
        request.target = "/v1/transactions";
        request.content_type = "application/x-ndjson";
        request.body = chunk.body;
        request.patience = milliseconds(120'000);
        const steady_time start = std::chrono::steady_clock::now();
        reconnect_pause away;
        for (;;) {
            auto answer = context_.api.exchange(request);
            if (context_.stop.requested()) throw stop_requested();
            reached_ = reached_ || was_reached(answer);
            if (answer && answer->ok()) return std::move(*answer);
            const bool again = reached_ && is_passing(answer) &&
                               std::chrono::steady_clock::now() - start < (answer ? refused_patience : absent_patience);
            if (!again) fail(chunk, answer);
            if (!context_.stop.sleep(away.next())) throw stop_requested();
        }
    }

    [[noreturn]] void fail(const import_chunk& chunk, const op_result<api_reply>& answer) {
        bar_.done();
        const std::string why =
            answer ? describe_refusal(*answer) : describe_unreachable(answer.error(), context_.options.socket);
        const int status = answer ? exit_status::refused : exit_status_of(answer.error());
        const std::string how_far = fmt::format(
            "\n{} created and {} existing before line {}; importing the same file again is safe.", grouped(created_),
            grouped(existing_), grouped(chunk.lines.front()));
        throw command_failure(status, why + how_far);
    }

    void reject(std::uint64_t line, std::string_view code, std::string_view detail) {
        if (context_.options.json) {
            context_.out.write(fmt::format(
                "{}{{\"line\": {}, \"code\": {}, \"detail\": {}}}", rejected_ == 0 ? "" : ", ", line, json_string(code),
                json_string(detail)));
        } else {
            bar_.clear();
            note(fmt::format("line {}: {}: {}", line, printable(code), printable(detail)));
        }
        ++rejected_;
    }

    static constexpr milliseconds refused_patience{10'000}; ///< a full disk: somebody has to make room
    static constexpr milliseconds absent_patience{60'000};  ///< a restart

    command_context& context_;
    progress_bar bar_;
    import_chunker chunker_;
    std::uint64_t read_ = 0;
    std::uint64_t lines_ = 0;
    std::uint64_t created_ = 0;
    std::uint64_t existing_ = 0;
    std::uint64_t rejected_ = 0;
    bool reached_ = false;
};

} // namespace

int run(command_context& context, const import_command& what) {
    input_file file(what.file, context.stop);
    importer work(context, file.size());
    work.run(file);
    return work.finish();
}

} // namespace prooftrack::ctl
