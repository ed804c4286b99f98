#include "callback/command_run.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include <sys/wait.h>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include "callback/reply_rules.hpp"
#include "callback/spawned_process.hpp"
#include "net/deadline.hpp"

namespace prooftrack::callback {

namespace asio = boost::asio;

namespace {

constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a killed process may take to be gone before the attempt is called over without it.
constexpr milliseconds burial{2000};

/// Keeps itself alive through the handlers of its operations until the child is reaped and its output is closed.
class command_run : public std::enable_shared_from_this<command_run> {
  public:
    command_run(
        const asio::any_io_executor& loop, spawned_process child, milliseconds timeout,
        unique_function<void(delivery_outcome)> handler)
        : pid_(child.pid), process_(loop, child.process.release()), output_(loop, child.output.release()), limit_(loop),
          timeout_(timeout), handler_(std::move(handler)) {
        output_.non_blocking(true);
    }

    void start() {
        limit_.start(timeout_, [this] { kill_group(fmt::format("timed out after {}", format_duration(timeout_))); });
        watch_output();
        watch_process();
    }

    void cut_off() {
        if (handler_) kill_group("cut off: the daemon is stopping");
    }

  private:
    void kill_group(std::string why) {
        if (killed_because_.empty()) killed_because_ = std::move(why);
        if (!reaped_) ::kill(-pid_, SIGKILL); // not after: the group's number may be somebody else's
        // A process in an uninterruptible sleep dies when it likes; the delivery goes on without it.
        limit_.start(burial, [this] { report(0, {}); });
    }

    /// Waits and then reads by itself: a read that Asio had already finished could hide bytes from `reap`.
    void watch_output() {
        output_.async_wait(asio::posix::descriptor_base::wait_read, [self = shared_from_this()](error_code error) {
            if (!error && self->read_output()) self->watch_output();
        });
    }

    /// Keeps the beginning, throws the rest away. False when the pipe is closed. Never reads without an end: a command
    /// may write faster.
    bool read_output() {
        for (int rounds = 0; rounds < 16; ++rounds) {
            error_code error;
            const std::size_t size = output_.read_some(asio::buffer(chunk_), error);
            if (error) return error == asio::error::would_block || error == asio::error::try_again;
            kept_.append(chunk_.data(), std::min(size, kept_reply_bytes - kept_.size()));
        }
        return true;
    }

    void watch_process() {
        process_.async_wait(
            asio::posix::descriptor_base::wait_read, [self = shared_from_this()](error_code) { self->reap(); });
    }

    void reap() {
        siginfo_t info{};
        const int failure = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG);
        if (failure == 0 && info.si_pid == 0) return watch_process(); // a wake-up too early: kernels do that
        reaped_ = true;
        forget_process(pid_);
        if (inherits_orphans()) reap_orphans();
        if (handler_) read_output(); // what it wrote right before its end
        if (failure != 0) return report(0, "its exit status is unknown: somebody else reaped it");
        if (info.si_code == CLD_EXITED)
            return report(info.si_status, info.si_status == 0 ? "" : fmt::format("exit status {}", info.si_status));
        report(128 + info.si_status, fmt::format("killed by signal {}", info.si_status));
    }

    /// Once; `error` is "" for exit 0.
    void report(int status, std::string error) {
        limit_.finish();
        error_code ignored;
        output_.close(ignored); // a child that it left behind may hold the other end for ever
        if (!handler_) return;
        delivery_outcome outcome;
        outcome.reply = std::move(kept_);
        outcome.status = killed_because_.empty() ? status : 0;
        outcome.error = killed_because_.empty() ? std::move(error) : killed_because_;
        if (outcome.error.empty()) outcome.what = delivery_outcome::verdict::delivered;
        auto handler = std::move(handler_);
        handler_ = {};
        handler(std::move(outcome));
    }

    pid_t pid_;
    asio::posix::stream_descriptor process_;
    asio::posix::stream_descriptor output_;
    net::deadline limit_;
    milliseconds timeout_;
    unique_function<void(delivery_outcome)> handler_; // empty = reported
    std::string killed_because_;
    bool reaped_ = false;
    std::string kept_;
    std::array<char, 4096> chunk_{};
};

/// One line without control characters, which a shell would cut (NUL) or read as more than one: those are written as in
/// JSON, so that `completed` and a NUL is another word than `completed`.
std::string printable_value(std::string_view value) {
    std::string safe;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            safe += fmt::format("\\u{:04x}", byte);
        else
            safe += c;
    }
    return safe;
}

} // namespace

std::vector<std::string> make_command_environment(const delivery_job& job) {
    const char* path = std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe): nobody here changes the environment
    const bool has_path = path != nullptr && *path != '\0';
    std::vector<std::string> environment{
        fmt::format("PATH={}", has_path ? path : default_path),
        fmt::format("PROOFTRACK_EVENT_ID={}", printable_value(job.event_id)),
        fmt::format("PROOFTRACK_EVENT_TYPE={}", printable_value(job.event_type)),
        fmt::format("PROOFTRACK_MERCHANT_TRANSACTION_ID={}", printable_value(job.transaction)),
        fmt::format("PROOFTRACK_STATE={}", printable_value(job.state)),
        fmt::format("PROOFTRACK_STATUS={}", printable_value(job.status)),
        fmt::format("PROOFTRACK_ATTEMPT={}", job.attempt)};
    if (!job.traceparent.empty()) environment.push_back(fmt::format("PROOFTRACK_TRACEPARENT={}", job.traceparent));
    return environment;
}

unique_function<void()> run_command(
    const asio::any_io_executor& loop, command_line command, unique_function<void(delivery_outcome)> handler) {
    op_result<spawned_process> child = spawn_process(command.argv, command.environment, *command.input);
    if (child.has_error()) {
        asio::post(loop, [handler = std::move(handler), error = child.error().message()]() mutable {
            delivery_outcome outcome;
            outcome.error = std::move(error);
            handler(std::move(outcome));
        });
        return [] {};
    }
    const auto run = std::make_shared<command_run>(loop, std::move(*child), command.timeout, std::move(handler));
    run->start();
    return [weak = std::weak_ptr<command_run>(run)] {
        if (const auto alive = weak.lock()) alive->cut_off();
    };
}

} // namespace prooftrack::callback
