#pragma once

// The interface behind the API: what a request may do in the daemon. Implemented by the engine, faked in the tests of
// the router.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/byte_source.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "track/queries.hpp"
#include "track/reconcile_source.hpp"
#include "track/types.hpp"

namespace prooftrack::api {

/// The stable codes of refusals, `code` in openapi.json; `problem.cpp` maps each to its HTTP status.
enum class problem_code : std::uint8_t {
    invalid_request,         ///< 400
    not_allowed,             ///< 403
    route_not_found,         ///< 404
    unknown_transaction,     ///< 404
    unknown_delivery,        ///< 404
    unknown_consumer,        ///< 404
    unknown_callback,        ///< 404
    unknown_replay,          ///< 404
    method_not_allowed,      ///< 405
    timeout,                 ///< 408
    already_tracked,         ///< 409
    already_ended,           ///< 409
    replay_running,          ///< 409: another one to this callback, or too many
    replay_ended,            ///< 409: it is done or cancelled
    session_outcome_unknown, ///< 409
    idempotency_key_reused,  ///< 409
    session_replayed,        ///< 409: the session exists, its secret part was never stored
    callback_paused,         ///< 409
    not_dead,                ///< 409: a delivery that is to be dismissed
    cursor_gone,             ///< 410
    too_large,               ///< 413
    unsupported_media_type,  ///< 415
    too_many_connections,    ///< 429: of this user
    header_too_large,        ///< 431
    proof_unusable_reply,    ///< 502
    proof_unreachable,       ///< 502
    proof_timeout,           ///< 504
    store_unavailable,       ///< 503
    unavailable,             ///< 503: stopping, or busy with another backup
    passed_through,          ///< Proof's own error: status and code are in the problem
};

/// The code as it is sent.
std::string_view word_of(problem_code code);

/// A further member of a problem. Text is escaped where the problem is written: there is no way to put in ready JSON.
class problem_member {
  public:
    using value_type = std::variant<std::uint64_t, std::string, std::vector<std::string>>;

    static problem_member number(std::string name, std::uint64_t value) { return {std::move(name), value}; }
    static problem_member text(std::string name, std::string value) { return {std::move(name), std::move(value)}; }
    static problem_member texts(std::string name, std::vector<std::string> values) {
        return {std::move(name), std::move(values)};
    }

    const std::string& name() const { return name_; }
    const value_type& value() const { return value_; }
    bool operator==(const problem_member&) const = default;

  private:
    problem_member(std::string name, value_type value) : name_(std::move(name)), value_(std::move(value)) {}
    std::string name_;
    value_type value_;
};

/// A refused request; rendered as application/problem+json.
struct problem {
    problem_code code = problem_code::invalid_request;
    std::string detail;     ///< what is wrong and what to do
    int status = 0;         ///< only for passed_through
    std::string proof_code; ///< only for passed_through
    std::vector<problem_member> members;
    std::optional<seconds> retry_after; ///< sent as the header Retry-After
};

template <class T>
using outcome = std::variant<T, problem>;
template <class T>
using backend_handler = unique_function<void(outcome<T>)>;

/// Where a change comes from, for the audit line.
struct client_identity {
    std::int64_t uid = -1; ///< -1 = unknown (TCP metrics listener)
    std::int64_t pid = -1; ///< for the log alone, never for a decision
};

/// What a user may set; not yet defaulted.
struct tracking_options {
    std::string metadata = "{}";           ///< bytes as they came; a JSON object of at most 4 KiB
    std::string metadata_canonical = "{}"; ///< equal for equal JSON values: keys sorted, numbers normalised
    std::optional<std::string> callback_url;
    std::optional<milliseconds> overdue_after;
    std::string traceparent; ///< of the request, as `read_traceparent` gives it; no option: nothing is compared by it
};
struct track_request {
    transaction_id id;
    tracking_options options;
};

/// Changes of the options of a transaction that is there: what is not given stays.
struct options_patch {
    struct metadata_text {
        std::string bytes; ///< as `tracking_options` has them
        std::string canonical;
    };
    std::optional<metadata_text> metadata;
    bool sets_callback_url = false;
    std::optional<std::string> callback_url; ///< with `sets_callback_url`: nullopt takes it away
};

/// Whose tracking ends. The state of the filter, if it has one, is none that has ended.
struct untrack_request {
    track::transaction_query filter;
    bool is_dry_run = false; ///< only count them
};
struct untrack_summary {
    std::uint64_t matched = 0;
    std::uint64_t untracked = 0; ///< 0 of a dry run
};

struct tracked {
    bool created = false; ///< 201 or 200
    track::transaction_view transaction;
};

/// An import of NDJSON: the engine takes valid lines in chunks.
struct import_line {
    std::uint32_t line = 0; ///< counts from 1
    track_request request;
    bool is_bare = false; ///< an id without options: is there, whatever its options are
};
struct import_rejection {
    std::uint32_t line = 0;
    problem_code code = problem_code::invalid_request;
    std::string detail;
};
struct import_summary {
    std::uint64_t created = 0;
    std::uint64_t existing = 0;
    std::vector<import_rejection> rejected;
};

/// A recorded event as the log shows it; shared, because many readers get the same bytes.
struct log_event {
    event_seq seq{};
    std::shared_ptr<const std::string>
        json; ///< with `seq`; metadata and reply verbatim (SSE turns CR and LF into spaces)
};
struct event_list {
    std::vector<log_event> events;
    event_seq next_after{};
    std::string log_id;
};

/// A reply of Proof that goes back byte for byte.
struct proxied_reply {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::string request_id;
};
struct session_request {
    std::string body; ///< the caller's bytes without `tracking`
    tracking_options options;
    std::optional<std::string> idempotency_key; ///< 1 to 255 printable ASCII
    std::string whole_body;                     ///< what the key's hash covers
};

struct callback_test_result {
    std::optional<int> status; ///< HTTP status, or a command's exit status
    milliseconds duration{};
    std::string body;  ///< the first 1,024 bytes of the answer
    std::string error; ///< "" = the event was taken
};

/// A replay as it is requested: `types` are patterns, as in a callback's `events`.
struct replay_request {
    track::replay_query query;
    bool dry_run = false;
};

struct health_report {
    bool ok = true;
    std::vector<std::string> reasons;
    std::string proof; ///< how Proof answers, for people: no reason to be unready; "" = unknown
};

/// A wait that its caller no longer needs is cancelled with it; the handler is then never called. Never given twice, so
/// that one which has ended names no other wait.
enum class wait_id : std::uint64_t {};
constexpr std::uint64_t value_of(wait_id wait) { return static_cast<std::uint64_t>(wait); }
/// Nothing waits: there is nothing to cancel.
inline constexpr wait_id no_wait{};

/// Called for every event as it becomes visible, in order of seq.
class event_listener {
  public:
    virtual ~event_listener() = default;
    virtual void on_event(const log_event& event) = 0;
};

// Every call comes from the loop; handlers run on the loop, at once or later, exactly once.

/// Starts tracking transactions.
class tracking_backend {
  public:
    virtual ~tracking_backend() = default;
    virtual void track(track_request request, client_identity who, backend_handler<tracked> handler) = 0;
    /// A failure half-way is a problem with member `taken`.
    virtual void import(
        std::vector<import_line> lines, client_identity who, backend_handler<import_summary> handler) = 0;
};

/// Shows transactions; changes nothing.
class lookup_backend {
  public:
    virtual ~lookup_backend() = default;
    /// With `wait` > 0: answered when `ends_wait`, or when the time is over.
    virtual wait_id get(transaction_id id, milliseconds wait, backend_handler<track::transaction_view> handler) = 0;
    virtual void list(track::transaction_query query, backend_handler<track::transaction_page> handler) = 0;
    virtual void history(transaction_id id, backend_handler<track::transaction_history> handler) = 0;
};

/// Changes what becomes of a transaction that is tracked.
class change_backend {
  public:
    virtual ~change_backend() = default;
    virtual void untrack(transaction_id id, client_identity who, backend_handler<track::transaction_view> handler) = 0;
    virtual void poll_now(transaction_id id, client_identity who, backend_handler<std::monostate> handler) = 0;
    virtual void hint(transaction_id id, backend_handler<std::monostate> handler) = 0;
};

/// Changes the options of transactions.
class options_backend {
  public:
    virtual ~options_backend() = default;
    virtual void set_options(
        transaction_id id, options_patch patch, client_identity who,
        backend_handler<track::transaction_view> handler) = 0;
};

/// Changes what becomes of many transactions.
class bulk_backend {
  public:
    virtual ~bulk_backend() = default;
    /// A failure half-way is a problem with member `untracked`.
    virtual void untrack_matching(
        untrack_request request, client_identity who, backend_handler<untrack_summary> handler) = 0;
};

/// Calls Proof on behalf of a user.
class session_backend {
  public:
    virtual ~session_backend() = default;
    virtual void create_session(
        session_request request, client_identity who, backend_handler<proxied_reply> handler) = 0;
    virtual void kyc_status(std::string partner_user_id, backend_handler<proxied_reply> handler) = 0;
};

/// The event log.
class event_backend {
  public:
    virtual ~event_backend() = default;
    /// With `wait` > 0: answered as soon as there is an event after `after`, or when the time is over with none.
    virtual wait_id events(
        event_seq after, std::size_t limit, milliseconds wait, backend_handler<event_list> handler) = 0;
    /// Those of a time. `next_after` is behind every event that was looked at: the last one when there is no more.
    virtual void events_between(track::event_query query, backend_handler<event_list> handler) = 0;
    virtual event_seq last_seq() const = 0;
    virtual void set_event_listener(
        event_listener* listener) = 0; ///< nullptr = none; it must outlive the backend or be taken away
};

/// Deliveries and the callbacks that they go to.
class delivery_backend {
  public:
    virtual ~delivery_backend() = default;
    virtual void deliveries(track::delivery_query query, backend_handler<track::delivery_page> handler) = 0;
    virtual void retry_delivery(delivery_id id, client_identity who, backend_handler<std::monostate> handler) = 0;
    virtual void retry_dead(
        std::optional<std::string> callback, client_identity who, backend_handler<std::uint64_t> handler) = 0;
    virtual void test_callback(
        std::string name, client_identity who, backend_handler<callback_test_result> handler) = 0;
};

/// Callbacks that are held up or hurried, dead deliveries that are let go.
class control_backend {
  public:
    virtual ~control_backend() = default;
    /// The callback as the status shows it: a JSON object.
    virtual void pause_callback(std::string name, client_identity who, backend_handler<std::string> handler) = 0;
    virtual void resume_callback(std::string name, client_identity who, backend_handler<std::string> handler) = 0;
    virtual void flush_callback(std::string name, client_identity who, backend_handler<std::uint64_t> handler) = 0;
    /// `note`: "" = none.
    virtual void dismiss_delivery(
        delivery_id id, std::string note, client_identity who, backend_handler<track::delivery_view> handler) = 0;
    virtual void dismiss_dead(
        std::optional<std::string> callback, std::string note, client_identity who,
        backend_handler<std::uint64_t> handler) = 0;
};

/// Replays of the event log.
class replay_backend {
  public:
    virtual ~replay_backend() = default;
    /// A dry run has no id, and makes nothing.
    virtual void begin_replay(
        replay_request request, client_identity who, backend_handler<track::replay_view> handler) = 0;
    virtual void replays(backend_handler<std::vector<track::replay_view>> handler) = 0; ///< the newest first
    virtual void cancel_replay(replay_id id, client_identity who, backend_handler<track::replay_view> handler) = 0;
};

/// Named consumers of the event log.
class consumer_backend {
  public:
    virtual ~consumer_backend() = default;
    virtual void put_consumer(
        std::string name, std::optional<event_seq> seq, client_identity who,
        backend_handler<std::pair<bool, track::consumer_view>> handler) = 0;
    virtual void delete_consumer(
        std::string name, client_identity who, backend_handler<track::consumer_view> handler) = 0;
    virtual void acknowledge(std::string name, event_seq seq, backend_handler<track::consumer_view> handler) = 0;
    virtual void consumers(backend_handler<std::vector<track::consumer_view>> handler) = 0;
    virtual wall_time wall_now() const = 0; ///< what their age is counted to
};

/// The state of the daemon.
class status_backend {
  public:
    virtual ~status_backend() = default;
    virtual void status_json(backend_handler<std::string> handler) = 0; ///< the whole body of GET /v1/status
    virtual health_report ready() const = 0;
    virtual health_report healthy() const = 0;
    virtual void metrics_text(backend_handler<std::string> handler) = 0; ///< fresh from the store
};

/// What an operator requests of the daemon itself.
class operator_backend {
  public:
    virtual ~operator_backend() = default;
    virtual void backup(
        client_identity who,
        backend_handler<std::filesystem::path> handler) = 0; ///< a finished copy; the caller deletes it
    virtual void set_log_level(std::string level, client_identity who, backend_handler<std::monostate> handler) = 0;
    /// The rows of one consistent state.
    virtual void export_rows(track::export_query query, backend_handler<std::shared_ptr<byte_source>> handler) = 0;
    /// The job's lines, over one consistent state.
    virtual void reconcile(track::reconcile_job job, backend_handler<std::shared_ptr<byte_source>> handler) = 0;
};

/// An operator's maintenance: while it is on nothing is polled and nothing delivered.
class maintenance_backend {
  public:
    virtual ~maintenance_backend() = default;
    /// As it is then, nullopt = off. Turned on again it keeps its beginning and takes the new note.
    virtual void set_maintenance(
        bool is_on, std::string note, client_identity who,
        backend_handler<std::optional<track::maintenance_mark>> handler) = 0;
};

/// All of it, as the routes of the API need it.
class backend : public tracking_backend,
                public lookup_backend,
                public change_backend,
                public options_backend,
                public bulk_backend,
                public session_backend,
                public event_backend,
                public delivery_backend,
                public control_backend,
                public replay_backend,
                public consumer_backend,
                public status_backend,
                public operator_backend,
                public maintenance_backend {
  public:
    /// Of `get` and of `events`.
    virtual void cancel_wait(wait_id wait) = 0;
};

} // namespace prooftrack::api
