// events: the log page by page, or followed across restarts of the daemon

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/sse_parser.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"
#include "prooftrackctl/waiting.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::uint64_t newest_shown = 100; ///< without --after and --limit

/// Prints events as they come; a table whose columns are wide enough from the start.
class event_printer {
  public:
    event_printer(command_context& context, std::optional<std::uint64_t> limit)
        : context_(context), left_(limit), rows_(event_columns()) {}

    void print(const json_view& event) {
        if (is_full()) return;
        if (context_.options.json) {
            context_.out.line(one_line(event.raw()));
        } else {
            rows_.add(event_row(event, context_.style(), context_.now()));
            waiting_ = true;
        }
        if (left_) --*left_;
    }

    void flush() {
        if (waiting_) context_.out.write(rows_.format(context_.style()));
        waiting_ = false;
        context_.out.flush();
    }

    bool is_full() const { return left_ && *left_ == 0; }

  private:
    command_context& context_;
    std::optional<std::uint64_t> left_;
    table rows_;
    bool waiting_ = false;
};

bool is_search(const events_command& what) { return !what.since.empty() || !what.until.empty(); }

/// Prints what the log holds now behind `after`; gives the position reached.
void print_log(
    command_context& context, event_printer& printer, std::optional<std::uint64_t> after,
    const events_command& what = {}) {
    while (!printer.is_full()) {
        const api_reply reply = ask(context, events_request(after, page_size, what));
        const json_view page = json_of(reply);
        const auto events = page["events"].elements();
        for (const json_view& event : events) printer.print(event);
        printer.flush();
        const auto next = page["next_after"].unsigned_integer();
        const bool is_last = is_search(what) ? events.empty() : events.size() < page_size;
        if (is_last || !next || next == after) return;
        after = next;
    }
}

/// The last `count` of the log, the newest at the end.
void print_newest(command_context& context, std::uint64_t count) {
    const api_reply reply = ask(context, status_request());
    const json_view events = json_of(reply)["events"];
    const std::uint64_t last = events["last_seq"].unsigned_integer().value_or(0);
    const std::uint64_t first = std::max<std::uint64_t>(events["first_seq"].unsigned_integer().value_or(1), 1);
    const std::uint64_t after = std::max(last > count ? last - count : 0, std::min(first - 1, last));
    event_printer printer(context, count);
    print_log(context, printer, after);
    printer.flush();
    if (after >= first && !context.options.json)
        note(fmt::format(
            "the newest {} of {} events; --after 0 begins at the oldest", grouped(last - after),
            grouped(last - first + 1)));
}

/// Follows the log. The cursor is the seq of the last printed event, so a new connection neither repeats nor misses
/// one.
class follower {
  public:
    follower(command_context& context, event_printer& printer)
        : context_(context), printer_(printer), parser_([this](const sse_event& event) { on_event(event); }) {}

    void run(std::optional<std::uint64_t> after) {
        begin(after);
        for (;;) {
            if (printer_.is_full()) return;
            op_result<api_reply> ended = read_stream();
            printer_.flush();
            if (context_.stop.requested() || printer_.is_full()) return;
            if (ended && !ended->ok() && ended->status != 503) throw_refused(*ended);
            if (!come_back(ended)) return;
        }
    }

  private:
    /// The first contact must succeed: a daemon that is not there is said at once.
    void begin(std::optional<std::uint64_t> after) {
        const api_reply reply = ask(context_, status_request());
        const json_view events = json_of(reply)["events"];
        log_id_ = events["log_id"].text();
        cursor_ = after ? *after : events["last_seq"].unsigned_integer().value_or(0);
    }

    op_result<api_reply> read_stream() {
        parser_.restart();
        bool whole = false;
        const body_sink sink = [this](std::string_view piece) {
            const bool taken = parser_.take(piece);
            printer_.flush();
            return taken && !printer_.is_full();
        };
        return context_.api.stream(event_stream_request(cursor_), sink, whole);
    }

    void on_event(const sse_event& event) {
        const json_view json = json_view::parse(event.data);
        const auto seq = json["seq"].unsigned_integer();
        if (!seq || *seq <= cursor_) return;
        printer_.print(json);
        cursor_ = *seq;
    }

    /// Waits until the daemon answers again; false when a signal came. Another log is read from its start.
    bool come_back(const op_result<api_reply>& ended) {
        reconnect_pause away;
        bool said = false;
        for (op_result<api_reply> answer = ended;;) {
            if (!context_.stop.sleep(away.next())) return false;
            answer = context_.api.exchange(status_request());
            if (context_.stop.requested()) return false;
            if (answer && answer->ok()) {
                const std::string log_id = json_of(*answer)["events"]["log_id"].text();
                if (log_id != log_id_) {
                    note("the daemon has another event log now (a restored backup): starting at its oldest event");
                    log_id_ = log_id;
                    cursor_ = 0;
                }
                if (said) note("connected again");
                return true;
            }
            if (!is_passing(answer) || !away.may_go_on()) {
                if (answer) throw_refused(*answer);
                throw_unreachable(context_, answer.error());
            }
            if (!said && !answer)
                note(describe_unreachable(answer.error(), context_.options.socket) + "\nWaiting for it to come back.");
            said = said || !answer;
        }
    }

    command_context& context_;
    event_printer& printer_;
    sse_parser parser_;
    std::string log_id_;
    std::uint64_t cursor_ = 0;
};

} // namespace

int run(command_context& context, const events_command& what) {
    if (!what.follow && !what.after && !is_search(what)) {
        print_newest(context, what.limit.value_or(newest_shown));
        return exit_status::done;
    }
    event_printer printer(context, what.limit);
    if (!what.follow) {
        print_log(context, printer, what.after, with_times(what, context.now()));
        printer.flush();
        return exit_status::done;
    }
    try {
        follower(context, printer).run(what.after);
    } catch (const stop_requested&) { // ending it is the way to end a stream
    }
    return exit_status::done;
}

} // namespace prooftrack::ctl
