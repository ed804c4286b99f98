// status and top

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <unistd.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/status_view.hpp"
#include "prooftrackctl/terminal.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/top_screen.hpp"

namespace prooftrack::ctl {

namespace {

constexpr milliseconds look_patience{2'000}; // `top` would rather say that the daemon is slow than stand still

/// Looks at the daemon again and again and draws what it saw.
class live_view {
  public:
    live_view(command_context& context, milliseconds interval) : context_(context), interval_(interval) {}

    void run() {
        steady_time next_look = std::chrono::steady_clock::now();
        while (!context_.stop.requested()) {
            if (std::chrono::steady_clock::now() >= next_look) {
                look_again();
                next_look = std::chrono::steady_clock::now() + interval_;
            }
            draw();
            if (wait_for_key(next_look)) return;
        }
    }

  private:
    void look_again() {
        api_request request = status_request();
        request.patience = look_patience;
        const auto answer = context_.api.exchange(request);
        if (!answer || !answer->ok()) {
            facts_.trouble =
                answer ? describe_refusal(*answer) : describe_unreachable(answer.error(), context_.options.socket);
            return;
        }
        facts_.trouble.clear();
        facts_.status = answer->body;
        facts_.looked_at = context_.now();
        const json_view status = json_view::parse(facts_.status);
        facts_.poll_rates.push_back(status["polls"]["per_second"].number().value_or(0));
        while (facts_.poll_rates.size() > top_rates_kept) facts_.poll_rates.pop_front();
        look_at_events(status["events"]);
    }

    /// Only what is new: an idle daemon is asked for nothing but its status.
    void look_at_events(const json_view& events) {
        constexpr std::uint64_t most = 100;
        const std::uint64_t last = events["last_seq"].unsigned_integer().value_or(0);
        const std::uint64_t first = events["first_seq"].unsigned_integer().value_or(1);
        const std::string log_id = events["log_id"].text();
        if (log_id != log_id_) {
            log_id_ = log_id;
            seen_ = 0;
            facts_.events.clear();
        }
        if (last <= seen_) return;
        const std::uint64_t newest = last > most ? last - most : 0;
        const std::uint64_t after = std::max({seen_, newest, first > 0 ? first - 1 : 0});
        api_request request = events_request(after, most);
        request.patience = look_patience;
        const auto answer = context_.api.exchange(request);
        if (!answer || !answer->ok()) return; // the next poll reports it
        const json_view page = json_view::parse(answer->body);
        for (const json_view& event : page["events"].elements()) facts_.events.emplace_back(event.raw());
        while (facts_.events.size() > top_events_kept) facts_.events.pop_front();
        seen_ = page["next_after"].unsigned_integer().value_or(last);
    }

    void draw() {
        context_.stop.take_resized();
        const std::string frame =
            top_frame(top_lines(facts_, context_.style(), size_of_terminal(STDOUT_FILENO), context_.now()));
        context_.out.write(frame);
        context_.out.flush();
    }

    /// true = end. Comes back at `until`, for a key, or for another size of the terminal.
    bool wait_for_key(steady_time until) {
        std::vector<pollfd> watched{{STDIN_FILENO, POLLIN, 0}};
        const wait_result how = context_.stop.wait(watched, until, true);
        if (how != wait_result::ready) return how == wait_result::stopped;
        std::array<char, 64> keys{};
        const ssize_t count = read(STDIN_FILENO, keys.data(), keys.size());
        if (count <= 0) return true; // the terminal is gone
        const std::string_view pressed(keys.data(), static_cast<std::size_t>(count));
        return pressed.find_first_of("qQ\x03\x04") != std::string_view::npos;
    }

    command_context& context_;
    milliseconds interval_;
    top_facts facts_;
    std::string log_id_;
    std::uint64_t seen_ = 0;
};

/// Exit status 1 unless the daemon is ready and Proof is ok.
int check_status(command_context& context) {
    const auto ready = context.api.exchange(ready_request());
    if (!ready) throw_unreachable(context, ready.error());
    constexpr int not_ready = 503;
    if (!ready->ok() && ready->status != not_ready) throw_refused(*ready);
    const api_reply status = ask(context, status_request());
    auto reasons = reasons_against(json_of(*ready), json_of(status));
    if (!ready->ok() && reasons.empty()) reasons.push_back(describe_refusal(*ready));
    if (context.options.json) {
        std::string list;
        for (const std::string& reason : reasons) list += (list.empty() ? "" : ",") + json_string(reason);
        context.out.line(fmt::format("{{\"ok\":{},\"reasons\":[{}]}}", reasons.empty(), list));
    } else {
        for (const std::string& reason : reasons) context.out.line(printable(reason));
        if (reasons.empty()) context.out.line("ok");
        const json_view mark = json_of(status)["maintenance"];
        if (mark["on"].boolean().value_or(false))
            context.out.line("maintenance: " + maintenance_line(mark, context.style(), context.now()));
    }
    return reasons.empty() ? exit_status::done : exit_status::refused;
}

} // namespace

int run(command_context& context, const status_command& what) {
    if (what.check) return check_status(context);
    const api_reply reply = ask(context, status_request());
    if (context.options.json) {
        context.out.line(json_line(reply));
    } else {
        context.out.write(format_status(json_of(reply), context.style(), context.now()));
    }
    return exit_status::done;
}

int run(command_context& context, const top_command& what) {
    if (!is_terminal(STDIN_FILENO) || !is_terminal(STDOUT_FILENO)) {
        throw command_failure(
            exit_status::usage, "top needs a terminal; `prooftrackctl status` (and --json) is for everything else");
    }
    ask(context, status_request()); // a daemon that is not there is said before the screen changes
    const raw_terminal screen;
    try {
        live_view(context, what.interval).run();
    } catch (const stop_requested&) { // a signal is one more way to quit
    }
    return exit_status::done;
}

} // namespace prooftrack::ctl
