#include "observe/event_table.hpp"

#include <array>
#include <stdexcept>

namespace prooftrack::observe {
namespace {

using id = log_event_id;
using level = log_level;

constexpr std::array event_rows{
    log_event_info{
        id::daemon_started, "daemon.started", level::notice,
        "version pid config socket metrics transactions callbacks base_url took_ms", "", "",
        "The daemon is up: database and socket are there. What it found and how long the start took."},
    log_event_info{
        id::daemon_stopping, "daemon.stopping", level::notice, "reason in_flight stop_timeout_ms", "", "",
        "A stop was requested; requests and deliveries in flight may end within stop_timeout."},
    log_event_info{
        id::daemon_stopped, "daemon.stopped", level::notice, "reason uptime_seconds exit_status", "", "",
        "Everything is committed and closed."},
    log_event_info{
        id::daemon_heartbeat, "daemon.heartbeat", level::info,
        "pending due_lag_ms oldest_due_ms polls_per_second backlog oldest_undelivered_seconds dead proof "
        "store db_bytes "
        "wal_bytes free_bytes consumers consumer_lag consumer_age_seconds loop_lag_ms rss_bytes log_dropped "
        "maintenance",
        "", "",
        "Every 60 s: how much is watched and undelivered, how late, and how Proof and the store are. Its absence "
        "is an alarm."},
    log_event_info{
        id::daemon_clock_skew, "daemon.clock_skew", level::error, "skew_ms advice request_id", "*",
        "43ae30cd3d21499cb8002e7e321bb291",
        "Proof's clock and ours differ by over 30 s for a minute: signatures and deadlines may be wrong."},
    log_event_info{
        id::daemon_clock_jump, "daemon.clock_jump", level::warning, "jump_ms kind advice", "",
        "7e2d8efa3d3844efb47f0a36a2743444",
        "The wall clock stepped or the machine slept: connections are made anew and due polls are spread."},

    log_event_info{
        id::config_reloaded, "config.reloaded", level::notice, "file changed callbacks secrets", "", "",
        "A reload took the configuration, the token and the secrets over; fingerprints of the secrets."},
    log_event_info{
        id::config_refused, "config.refused", level::error, "file line column key error nearest more advice", "",
        "df8a9f3bbd104f9fa36e33f9f217a1e3",
        "A mistake in the configuration, one line each; a running daemon keeps the one in force."},
    log_event_info{
        id::config_warning, "config.warning", level::warning, "file callback warning error", "", "",
        "The configuration is valid but probably not what was meant."},
    log_event_info{
        id::config_restart_required, "config.restart_required", level::warning, "key file", "", "",
        "A changed key that only a restart applies; everything else was applied."},
    log_event_info{
        id::config_insecure_file, "config.insecure_file", level::error, "file mode advice", "",
        "a03a2d35410a452ea706fa1b901fecf4", "A token or secret file can be read or written by other users."},
    log_event_info{
        id::config_no_listener, "config.no_listener", level::warning, "advice", "", "",
        "There is neither a callback nor a named consumer: no event would reach anyone."},
    log_event_info{
        id::config_proxy, "config.proxy", level::info, "proxy source used_by file", "", "",
        "Which HTTP proxy is used by whom, at a start, when a reload changes it and when its credentials change."},
    log_event_info{
        id::config_base_url_changed, "config.base_url_changed", level::critical, "before after advice", "",
        "ead0e33904504e66ad0422996cd34b6b",
        "The database belongs to another Proof: a sandbox's completed must not reach a production ledger."},

    log_event_info{
        id::transaction_tracked, "transaction.tracked", level::info,
        "merchant_transaction_id uid again count created existing rejected source traceparent", "", "",
        "An id is watched from now on; an import is one line with counts."},
    log_event_info{
        id::transaction_status, "transaction.status", level::info,
        "merchant_transaction_id from to state from_state event_type event_id seq request_id traceparent", "", "",
        "Proof's word (or our state) changed without an end."},
    log_event_info{
        id::transaction_settled, "transaction.settled", level::info,
        "merchant_transaction_id from to state from_state status event_type event_id seq request_id after_ms "
        "traceparent",
        "", "", "Proof reported a terminal status; it is recorded."},
    log_event_info{
        id::transaction_reversed, "transaction.reversed", level::error,
        "merchant_transaction_id from to state from_state status event_type event_id seq request_id traceparent", "",
        "ff767a3a8f484fb6bd155d8a4608aeb3",
        "Proof changed its terminal word after settling: money may have to move back."},
    log_event_info{
        id::transaction_overdue, "transaction.overdue", level::warning,
        "merchant_transaction_id from to state from_state status event_type event_id seq request_id traceparent", "",
        "", "No terminal status within overdue_after; it is polled every tail_interval."},
    log_event_info{
        id::transaction_not_found, "transaction.not_found", level::warning,
        "merchant_transaction_id from to state from_state status event_type event_id seq request_id traceparent", "",
        "", "Proof does not know the id for longer than the grace; never read as failed."},
    log_event_info{
        id::transaction_rejected, "transaction.rejected", level::warning,
        "merchant_transaction_id from to state from_state status event_type event_id seq request_id traceparent", "",
        "", "Proof refuses to answer about the id (three 400s in a row); never read as failed."},
    log_event_info{
        id::transaction_abandoned, "transaction.abandoned", level::error,
        "merchant_transaction_id from to state from_state status event_type event_id seq request_id traceparent", "",
        "c5c0e024cf494c16adc138b9827dcd7e", "Not terminal after give_up_after: it is no longer polled."},
    log_event_info{
        id::transaction_untracked, "transaction.untracked", level::info,
        "merchant_transaction_id from to state from_state status event_type event_id seq request_id uid traceparent",
        "", "", "A user ended the tracking."},
    log_event_info{
        id::transaction_downgrade, "transaction.downgrade", level::warning,
        "merchant_transaction_id status word request_id", "merchant_transaction_id", "",
        "A non-terminal reply about a settled transaction: it changes nothing."},

    log_event_info{
        id::poll_error, "poll.error", level::warning,
        "error merchant_transaction_id result http_status request_id consecutive retry_ms advice", "error", "",
        "A poll brought no usable answer; the id is polled again after its backoff."},
    log_event_info{
        id::poll_behind, "poll.behind", level::warning, "wanted_per_second made_per_second oldest_due_ms limit advice",
        "*", "6ad9a1897a40477da84b3a303aeed562", "More polls are due than can be made: every gap stretches evenly."},

    log_event_info{
        id::proof_throttled, "proof.throttled", level::warning, "detail error since retry_after_ms rate request_id",
        "*", "", "Proof answered 429: all polls pause, then speed up slowly."},
    log_event_info{
        id::proof_unauthorized, "proof.unauthorized", level::error, "detail error since request_id", "*",
        "c127870652e94d0d9fe4add70de44a16", "Proof refuses the token: nothing is polled but a probe until it changes."},
    log_event_info{
        id::proof_forbidden, "proof.forbidden", level::error, "detail error since request_id", "*",
        "6e85b8d5a35c49c6be1a9a60209dbbdb",
        "Proof refuses this server's address: nothing is polled but a probe until it is allowed."},
    log_event_info{
        id::proof_unreachable, "proof.unreachable", level::warning, "detail error since request_id", "*",
        "4c558e622cd449e7a041009dce3d09c7", "Replies stopped coming for all polls; a probe goes on."},
    log_event_info{
        id::proof_recovered, "proof.recovered", level::notice, "detail error since after_ms from request_id", "*", "",
        "Proof answers again; the due polls are ramped up."},
    log_event_info{
        id::proof_unknown_status, "proof.unknown_status", level::warning, "word merchant_transaction_id request_id",
        "word", "b62862e4dc5c409ba3a3442f526fbff9",
        "A status word that we do not know, once a word: it counts as non-terminal."},
    log_event_info{
        id::proof_token_changed, "proof.token_changed", level::notice, "file fingerprint", "", "",
        "A new token is used from the next request on; its fingerprint."},
    log_event_info{
        id::proof_connected, "proof.connected", level::info, "protocol", "", "",
        "The first connection for polls is open, or one that speaks another protocol than the one before."},

    log_event_info{
        id::callback_delivered, "callback.delivered", level::info,
        "callback merchant_transaction_id event_type event_id delivery attempt status took_ms delay_ms traceparent", "",
        "", "A callback took an event (2xx, or exit 0)."},
    log_event_info{
        id::callback_failed, "callback.failed", level::warning,
        "callback merchant_transaction_id event_type event_id delivery attempt status error took_ms next_attempt_at "
        "retry_ms waiting traceparent",
        "callback error", "",
        "An attempt failed; the next one is scheduled, and later events of that transaction wait behind it."},
    log_event_info{
        id::callback_failing, "callback.failing", level::error, "callback lane error since backlog", "callback",
        "1317031b94934ee6990c23deee1e8cc1",
        "A callback failed again and again: its deliveries wait, nothing is lost. Told once, then hourly."},
    log_event_info{
        id::callback_recovered, "callback.recovered", level::notice, "callback lane after_ms since backlog", "callback",
        "", "A failing callback took an event; the waiting ones go in order."},
    log_event_info{
        id::callback_dead, "callback.dead", level::critical,
        "callback merchant_transaction_id event_type event_id delivery attempt attempts status error traceparent", "",
        "ce0399cac37d4501a2c827765b2ed695",
        "A delivery used its whole schedule (or got 410): it waits for `prooftrackctl redeliver`."},
    log_event_info{
        id::callback_paused, "callback.paused", level::warning, "callback since backlog", "callback",
        "ec1efabe9fee439f92d8d8da73269f2d",
        "A user has paused a callback: what it is owed waits. Told then, at a start, and hourly."},
    log_event_info{
        id::callback_resumed, "callback.resumed", level::notice, "callback since", "callback", "",
        "A user has resumed a callback; what waited goes, in order."},
    log_event_info{
        id::callback_unconfigured, "callback.unconfigured", level::error, "callback lane backlog", "callback",
        "33b6da2518884ba3b34c9c17377336f4",
        "Deliveries are pending for a callback that the configuration no longer has."},
    log_event_info{
        id::callback_address_refused, "callback.address_refused", level::error, "callback host error", "callback host",
        "0574afed8f63484c86adf357c4caca87", "A callback's host resolved to an address that it may not have."},
    log_event_info{
        id::callback_secret_changed, "callback.secret_changed", level::notice, "callback file fingerprints", "", "",
        "A changed webhook secret signs from the next attempt on; its fingerprints, newest first."},
    log_event_info{
        id::callback_headers_changed, "callback.headers_changed", level::notice, "callback file headers", "", "",
        "A changed headers_file is sent from the next attempt on; the number of its headers."},
    log_event_info{
        id::consumer_overtaken, "consumer.overtaken", level::error, "consumer advice", "consumer",
        "b32253b795a24ab6914a71ec070e49a6", "Events were pruned that a named consumer had not acknowledged."},

    log_event_info{
        id::replay_started, "replay.started", level::notice, "replay callback events made resumed", "", "",
        "Events of the log are owed to a callback again; `resumed` after a start of the daemon."},
    log_event_info{
        id::replay_done, "replay.done", level::notice, "replay callback events made delivered took_ms", "", "",
        "Every delivery of a replay has ended: delivered, or (what is left of those made) dead."},
    log_event_info{
        id::replay_cancelled, "replay.cancelled", level::notice, "replay callback events made delivered dropped", "",
        "", "A user ended a replay: `dropped` deliveries were taken back before they were attempted."},

    log_event_info{
        id::store_error, "store.error", level::critical,
        "operation error merchant_transaction_id state advice free_bytes", "operation error",
        "5b7a3ff21b1147e3b242fd784bf658d0",
        "The database cannot be written: the disk is full, or (then the daemon exits 74) broken."},
    log_event_info{
        id::store_moved, "store.moved", level::critical, "error advice", "", "e665761e6a1a4a238f00ca1f844604a2",
        "The database file was moved, removed or overwritten while it was in use: the daemon exits with 74."},
    log_event_info{
        id::store_rewound, "store.rewound", level::critical, "error advice", "", "2f8b6d1c94e74d0fb35a7c60e1d8294b",
        "PostgreSQL has less than was acknowledged: the daemon exits with 74, and the log has another log_id."},
    log_event_info{
        id::store_failed_over, "store.failed_over", level::notice, "timeline former_timeline", "", "",
        "PostgreSQL goes on under another timeline: a standby has taken over, with all that this node knows of."},
    log_event_info{
        id::store_recovered, "store.recovered", level::notice, "after_ms free_bytes", "", "",
        "The database takes changes again: one is written, and there is room for more."},
    log_event_info{
        id::store_nearly_full, "store.nearly_full", level::warning, "free_bytes limit_bytes capacity_bytes advice", "",
        "15aa544287774ded9c194e6ae973ec4b",
        "Little is free on the disk of the database (1 GiB, or 5 % of a small disk). Told once."},
    log_event_info{
        id::store_has_space, "store.has_space", level::notice, "free_bytes limit_bytes capacity_bytes", "", "",
        "A disk that was nearly full has a quarter more free than the limit again."},
    log_event_info{
        id::store_pruned, "store.pruned", level::info, "transactions events took_ms", "", "",
        "What ended longer ago than the retention was removed."},
    log_event_info{
        id::cluster_joined, "cluster.joined", level::notice, "node nodes shards", "", "",
        "A node lives from now on: this one, or another; how many live then, and what it owns already."},
    log_event_info{
        id::cluster_left, "cluster.left", level::notice, "node nodes", "", "",
        "Another node is gone: it has stopped, or its lease ran out; how many live now."},
    log_event_info{
        id::cluster_taken_over, "cluster.taken_over", level::warning, "from shards transactions took_ms", "",
        "a7c03e5b1f2d4869b8d47f3e90c6152a",
        "This node took over shards of nodes whose lease ran out; their transactions are polled here now."},
    log_event_info{
        id::cluster_fenced, "cluster.fenced", level::error, "node error advice", "", "6d51f0a82c3e4b97a1c9e84b7d20f36c",
        "The others took this node for gone: it has dropped all that it held, and joins again by itself."},
    log_event_info{
        id::export_failed, "export.failed", level::error, "operation error advice", "operation error",
        "8d0c5e6f1b7a4c39a2e47f90d15b63c8",
        "An export or a reconciliation could not go on: its client got an answer without an end."},

    log_event_info{
        id::api_change, "api.change", level::info,
        "action uid pid merchant_transaction_id callback consumer delivery set_level state count result code", "", "",
        "A client wanted a change: who, what, and what came of it (done, or the code of its refusal)."},
    log_event_info{
        id::api_request, "api.request", level::debug, "method route status uid took_ms bytes", "", "",
        "A request was answered."},

    log_event_info{
        id::daemon_maintenance, "daemon.maintenance", level::notice, "state since lasted_seconds note", "", "",
        "An operator began or ended maintenance, or the daemon started within it: while it is on nothing is polled and "
        "nothing delivered."},
    log_event_info{
        id::log_suppressed, "log.suppressed", level::warning, "of same suppressed", "", "",
        "Summary of lines that were not written because they repeated."},
};

} // namespace

std::span<const log_event_info> log_events() { return event_rows; }

const log_event_info& info_of(log_event_id event) {
    const auto index = static_cast<std::size_t>(event);
    if (index < event_rows.size() && event_rows[index].id == event) return event_rows[index];
    for (const log_event_info& info : event_rows) {
        if (info.id == event) return info;
    }
    throw std::logic_error("a log event without a row in the table");
}

const log_event_info* find_log_event(std::string_view name) {
    for (const log_event_info& info : event_rows) {
        if (info.name == name) return &info;
    }
    return nullptr;
}

std::string_view shown_key(std::string_view key) {
    if (key == "event") return "event_type";
    if (key == "level") return "set_level";
    return key == "ts" ? "at" : key;
}

std::vector<std::string> unregistered_keys(log_event_id event, std::span<const log_field> fields) {
    std::vector<std::string> strangers;
    for (const log_field& field : fields) {
        bool is_known = false;
        for_each_word(
            info_of(event).keys, [&](std::string_view key) { is_known = is_known || key == shown_key(field.key); });
        if (!is_known) strangers.emplace_back(field.key);
    }
    return strangers;
}

} // namespace prooftrack::observe
