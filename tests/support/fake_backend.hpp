#pragma once

// A backend in memory for the tests of the API: it answers at once, or holds an answer back until the test gives it.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/backend.hpp"

namespace prooftrack {

/// Records what was asked of it. `refuse_with` answers every call with that problem.
class fake_backend final : public api::backend {
  public:
    std::vector<std::string> calls; ///< "track ID", "poll ID", …
    std::optional<api::problem> refuse_with;
    api::client_identity last_who;
    std::optional<api::track_request> last_track;
    std::vector<api::import_line> last_import;
    std::optional<api::options_patch> last_patch;
    std::optional<api::untrack_request> last_untrack;
    std::optional<track::transaction_query> last_list;
    std::optional<track::delivery_query> last_deliveries;
    std::optional<track::event_query> last_events; ///< of `events_between`
    std::optional<track::export_query> last_export;
    std::optional<track::reconcile_job> last_reconcile;
    std::shared_ptr<byte_source> next_export; ///< what an export or a reconciliation streams
    std::optional<api::session_request> last_session;
    std::map<std::string, track::transaction_view> transactions;
    std::vector<api::log_event> log;
    std::uint64_t pruned = 0; ///< events up to this seq are gone
    api::event_listener* listener = nullptr;
    std::map<api::wait_id, api::backend_handler<track::transaction_view>> waits;
    std::vector<api::wait_id> cancelled;
    std::optional<api::backend_handler<api::tracked>> held_track; ///< with `hold_tracks`: the last one
    bool hold_tracks = false;
    std::vector<api::backend_handler<api::import_summary>> held_imports; ///< with `hold_imports`
    bool hold_imports = false;
    api::proxied_reply session_reply{201, "application/json", "{}", ""};
    std::filesystem::path backup_path;
    api::health_report health;
    std::string metrics = "prooftrackd_proof_up 1\n";
    track::transaction_page next_list;
    track::delivery_page next_deliveries;
    track::transaction_history next_history;
    std::vector<track::consumer_view> next_consumers;
    api::callback_test_result next_test;
    std::vector<api::import_rejection> import_rejections;
    std::size_t event_pages = 0; ///< how often `events` was asked

    /// A transaction as it is just after it was added.
    static track::transaction_view make_view(std::string_view id) {
        track::transaction_view view{*transaction_id::parse(id), {}, "{}", std::nullopt, "", std::nullopt, 0, ""};
        view.facts.tracked_at = wall_time(milliseconds(1'775'037'825'120));
        view.facts.overdue_at = view.facts.tracked_at + std::chrono::hours(24);
        return view;
    }
    static track::delivery_view make_delivery(std::uint64_t id, std::string_view transaction) {
        return {
            delivery_id{id},
            "evt_1",
            "transaction.completed",
            *transaction_id::parse(transaction),
            "backend",
            track::delivery_state::pending,
            0,
            std::nullopt,
            "",
            0,
            std::nullopt};
    }
    void add(std::string_view id) { transactions.insert_or_assign(std::string(id), make_view(id)); }

    /// Makes an event visible, as the engine does after a commit.
    void emit(std::string_view json) {
        const event_seq seq{log.empty() ? 1 : value_of(log.back().seq) + 1};
        log.push_back({seq, std::make_shared<const std::string>(json)});
        if (listener != nullptr) listener->on_event(log.back());
    }

    void track(
        api::track_request request, api::client_identity who, api::backend_handler<api::tracked> handler) override {
        calls.push_back("track " + request.id.str());
        last_who = who;
        if (refuse_with) return handler(*refuse_with);
        const bool created = !transactions.contains(request.id.str());
        if (created) add(request.id.str());
        track::transaction_view& view = transactions.at(request.id.str());
        view.metadata = request.options.metadata;
        view.callback_url = request.options.callback_url;
        last_track = std::move(request);
        if (hold_tracks) {
            held_track = std::move(handler);
            return;
        }
        handler(api::tracked{created, view});
    }
    void import(
        std::vector<api::import_line> lines, api::client_identity who,
        api::backend_handler<api::import_summary> handler) override {
        calls.push_back(fmt::format("import {}", lines.size()));
        if (hold_imports) {
            held_imports.push_back(std::move(handler));
            return;
        }
        last_who = who;
        if (refuse_with) return handler(*refuse_with);
        api::import_summary summary;
        summary.created = lines.size() - import_rejections.size();
        summary.rejected = import_rejections;
        last_import = std::move(lines);
        handler(std::move(summary));
    }
    api::wait_id get(
        transaction_id id, milliseconds wait, api::backend_handler<track::transaction_view> handler) override {
        calls.push_back(fmt::format("get {} {}", id.str(), wait.count()));
        if (refuse_with) {
            handler(*refuse_with);
            return api::no_wait;
        }
        const auto found = transactions.find(id.str());
        if (found == transactions.end()) {
            handler(unknown(api::problem_code::unknown_transaction));
            return api::no_wait;
        }
        if (wait.count() > 0) {
            const api::wait_id number{++last_wait_};
            waits.emplace(number, std::move(handler));
            return number;
        }
        handler(found->second);
        return api::no_wait;
    }
    void list(track::transaction_query request, api::backend_handler<track::transaction_page> handler) override {
        last_list = std::move(request);
        answer(handler, next_list);
    }
    void history(transaction_id id, api::backend_handler<track::transaction_history> handler) override {
        calls.push_back("history " + id.str());
        answer(handler, next_history);
    }
    void untrack(
        transaction_id id, api::client_identity who, api::backend_handler<track::transaction_view> handler) override {
        calls.push_back("untrack " + id.str());
        last_who = who;
        if (refuse_with) return handler(*refuse_with);
        const auto found = transactions.find(id.str());
        if (found == transactions.end()) return handler(unknown(api::problem_code::unknown_transaction));
        found->second.facts.state = track::tracking_state::untracked;
        handler(found->second);
    }
    void poll_now(transaction_id id, api::client_identity who, api::backend_handler<std::monostate> handler) override {
        calls.push_back("poll " + id.str());
        last_who = who;
        answer(handler, std::monostate());
    }
    void hint(transaction_id id, api::backend_handler<std::monostate> handler) override {
        calls.push_back("hint " + id.str());
        answer(handler, std::monostate());
    }
    void set_options(
        transaction_id id, api::options_patch patch, api::client_identity who,
        api::backend_handler<track::transaction_view> handler) override {
        calls.push_back("set " + id.str());
        last_who = who;
        last_patch = std::move(patch);
        const auto found = transactions.find(id.str());
        if (found == transactions.end()) return handler(unknown(api::problem_code::unknown_transaction));
        if (last_patch->metadata) found->second.metadata = last_patch->metadata->bytes;
        if (last_patch->sets_callback_url) found->second.callback_url = last_patch->callback_url;
        answer(handler, found->second);
    }
    void untrack_matching(
        api::untrack_request request, api::client_identity who,
        api::backend_handler<api::untrack_summary> handler) override {
        calls.emplace_back("untrack matching");
        last_who = who;
        last_untrack = std::move(request);
        answer(handler, api::untrack_summary{7, last_untrack->is_dry_run ? 0U : 7U});
    }
    void create_session(
        api::session_request request, api::client_identity who,
        api::backend_handler<api::proxied_reply> handler) override {
        calls.emplace_back("session");
        last_who = who;
        last_session = std::move(request);
        answer(handler, session_reply);
    }
    void kyc_status(std::string user, api::backend_handler<api::proxied_reply> handler) override {
        calls.push_back("kyc " + user);
        answer(handler, session_reply);
    }
    api::wait_id events(
        event_seq after, std::size_t limit, milliseconds, api::backend_handler<api::event_list> handler) override {
        ++event_pages;
        if (refuse_with) {
            handler(*refuse_with);
            return api::no_wait;
        }
        const std::uint64_t position = value_of(after);
        if ((position > 0 && position < pruned) || position > value_of(last_seq())) {
            api::problem gone = unknown(api::problem_code::cursor_gone);
            gone.members = {
                api::problem_member::number("oldest_seq", pruned + 1),
                api::problem_member::number("last_seq", value_of(last_seq()))};
            handler(std::move(gone));
            return api::no_wait;
        }
        api::event_list list;
        list.log_id = "log";
        list.next_after = after;
        for (const api::log_event& event : log) {
            if (value_of(event.seq) <= std::max(position, pruned) || list.events.size() == limit) continue;
            list.events.push_back(event);
            list.next_after = event.seq;
        }
        handler(std::move(list));
        return api::no_wait;
    }
    void events_between(track::event_query request, api::backend_handler<api::event_list> handler) override {
        last_events = request;
        answer(handler, api::event_list{{}, last_seq(), "log_1"});
    }
    event_seq last_seq() const override { return log.empty() ? event_seq{0} : log.back().seq; }
    void set_event_listener(api::event_listener* to) override { listener = to; }
    void cancel_wait(api::wait_id wait) override {
        cancelled.push_back(wait);
        waits.erase(wait);
    }
    void deliveries(track::delivery_query request, api::backend_handler<track::delivery_page> handler) override {
        last_deliveries = std::move(request);
        answer(handler, next_deliveries);
    }
    void retry_delivery(
        delivery_id id, api::client_identity who, api::backend_handler<std::monostate> handler) override {
        calls.push_back(fmt::format("retry {}", value_of(id)));
        last_who = who;
        answer(handler, std::monostate());
    }
    void retry_dead(
        std::optional<std::string> callback, api::client_identity who,
        api::backend_handler<std::uint64_t> handler) override {
        calls.push_back("retry dead " + callback.value_or("*"));
        last_who = who;
        answer(handler, std::uint64_t{7});
    }
    void test_callback(
        std::string name, api::client_identity who, api::backend_handler<api::callback_test_result> handler) override {
        calls.push_back("test " + name);
        last_who = who;
        answer(handler, next_test);
    }
    void pause_callback(
        std::string name, api::client_identity who, api::backend_handler<std::string> handler) override {
        calls.push_back("pause " + name);
        last_who = who;
        answer(handler, std::string(R"({"name":"x"})"));
    }
    void resume_callback(
        std::string name, api::client_identity who, api::backend_handler<std::string> handler) override {
        calls.push_back("resume " + name);
        last_who = who;
        answer(handler, std::string(R"({"name":"x"})"));
    }
    void flush_callback(
        std::string name, api::client_identity who, api::backend_handler<std::uint64_t> handler) override {
        calls.push_back("flush " + name);
        last_who = who;
        answer(handler, std::uint64_t{3});
    }
    void dismiss_delivery(
        delivery_id id, std::string note, api::client_identity who,
        api::backend_handler<track::delivery_view> handler) override {
        calls.push_back(fmt::format("dismiss {} '{}'", value_of(id), note));
        last_who = who;
        track::delivery_view view = make_delivery(value_of(id), "abc");
        view.state = track::delivery_state::dismissed;
        view.note = std::move(note);
        answer(handler, std::move(view));
    }
    void dismiss_dead(
        std::optional<std::string> callback, std::string note, api::client_identity who,
        api::backend_handler<std::uint64_t> handler) override {
        calls.push_back(fmt::format("dismiss dead {} '{}'", callback.value_or("*"), note));
        last_who = who;
        answer(handler, std::uint64_t{5});
    }
    std::optional<api::replay_request> last_replay;
    track::replay_view next_replay;
    void begin_replay(
        api::replay_request request, api::client_identity who,
        api::backend_handler<track::replay_view> handler) override {
        last_replay = std::move(request);
        last_who = who;
        answer(handler, next_replay);
    }
    void replays(api::backend_handler<std::vector<track::replay_view>> handler) override {
        answer(handler, std::vector<track::replay_view>{next_replay});
    }
    void cancel_replay(
        replay_id id, api::client_identity who, api::backend_handler<track::replay_view> handler) override {
        calls.push_back(fmt::format("cancel replay {}", value_of(id)));
        last_who = who;
        answer(handler, next_replay);
    }
    void put_consumer(
        std::string name, std::optional<event_seq> seq, api::client_identity who,
        api::backend_handler<std::pair<bool, track::consumer_view>> handler) override {
        calls.push_back(fmt::format("put {} {}", name, seq ? fmt::format("{}", value_of(*seq)) : "now"));
        last_who = who;
        answer(handler, std::pair(true, track::consumer_view{name, seq.value_or(last_seq()), 0, std::nullopt}));
    }
    void delete_consumer(
        std::string name, api::client_identity who, api::backend_handler<track::consumer_view> handler) override {
        calls.push_back("delete " + name);
        last_who = who;
        answer(handler, track::consumer_view{name, event_seq{1}, 0, std::nullopt});
    }
    void acknowledge(std::string name, event_seq seq, api::backend_handler<track::consumer_view> handler) override {
        calls.push_back(fmt::format("ack {} {}", name, value_of(seq)));
        answer(handler, track::consumer_view{name, seq, 0, std::nullopt});
    }
    void consumers(api::backend_handler<std::vector<track::consumer_view>> handler) override {
        answer(handler, next_consumers);
    }
    void status_json(api::backend_handler<std::string> handler) override {
        answer(handler, std::string("{\"version\":\"1\"}"));
    }
    api::health_report ready() const override { return health; }
    api::health_report healthy() const override { return health; }
    void metrics_text(api::backend_handler<std::string> handler) override { answer(handler, metrics); }
    void export_rows(track::export_query query, api::backend_handler<std::shared_ptr<byte_source>> handler) override {
        last_export = std::move(query);
        answer(handler, next_export);
    }
    void reconcile(track::reconcile_job job, api::backend_handler<std::shared_ptr<byte_source>> handler) override {
        last_reconcile = std::move(job);
        answer(handler, next_export);
    }
    void backup(api::client_identity who, api::backend_handler<std::filesystem::path> handler) override {
        calls.emplace_back("backup");
        last_who = who;
        answer(handler, backup_path);
    }
    void set_log_level(
        std::string level, api::client_identity who, api::backend_handler<std::monostate> handler) override {
        calls.push_back("level " + level);
        last_who = who;
        answer(handler, std::monostate());
    }
    void set_maintenance(
        bool is_on, std::string note, api::client_identity who,
        api::backend_handler<std::optional<track::maintenance_mark>> handler) override {
        calls.push_back(fmt::format("maintenance {} {}", is_on ? "on" : "off", note));
        last_who = who;
        std::optional<track::maintenance_mark> mark;
        if (is_on) mark = track::maintenance_mark{wall_now(), std::move(note)};
        answer(handler, std::move(mark));
    }
    wall_time wall_now() const override { return wall_time(milliseconds(1'775'037'900'000)); }

  private:
    template <class T>
    void answer(api::backend_handler<T>& handler, T value) {
        if (refuse_with) return handler(*refuse_with);
        handler(std::move(value));
    }
    static api::problem unknown(api::problem_code code) {
        api::problem what;
        what.code = code;
        what.detail = "no such thing";
        return what;
    }
    std::uint64_t last_wait_ = 0;
};

} // namespace prooftrack
