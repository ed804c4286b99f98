#include <algorithm>
#include <memory>
#include <set>

#include "store/control_ops.hpp"
#include "store/delivery_ops.hpp"
#include "store/event_ops.hpp"
#include "store/export_ops.hpp"
#include "store/list_ops.hpp"
#include "store/load_ops.hpp"
#include "store/maintenance_ops.hpp"
#include "store/operation_queue.hpp"
#include "store/reconcile_ops.hpp"
#include "store/replay_ops.hpp"
#include "store/store_thread.hpp"
#include "store/transaction_ops.hpp"
#include "store/transition_ops.hpp"

namespace prooftrack::store {
namespace {

constexpr std::size_t slice_size = most_batch_weight;

/// The interface: turns each call into an operation of the store's thread.
class database_store final : public store {
  public:
    database_store(boost::asio::any_io_executor loop, std::unique_ptr<store_thread> thread)
        : loop_(std::move(loop)), gate_(std::make_shared<chunk_gate>()), thread_(std::move(thread)) {}
    ~database_store() override { gate_->open_for_good(); }

    void load_active(chunk_handler on_chunk, store_handler<std::uint64_t> done) override {
        // A batch of its own: what was posted to the loop cannot be taken back when a write beside it fails.
        submit<std::uint64_t>(
            "load transactions", operation_kind::read, most_batch_weight,
            [loop = loop_, gate = gate_, on_chunk = std::make_shared<chunk_handler>(std::move(on_chunk))](
                database& db) { return load_watched(db, loop, on_chunk, gate, db.held); },
            std::move(done));
    }

    void add(
        std::vector<track::new_transaction> transactions, std::optional<digest> session,
        store_handler<std::vector<add_outcome>> handler) override {
        const std::size_t weight = transactions.size();
        submit<std::vector<add_outcome>>(
            "add transactions", operation_kind::write, weight,
            [transactions = std::move(transactions), session](database& db) {
                return add_transactions(db, transactions, session);
            },
            std::move(handler), row_wishes());
    }
    void record(transition change, store_handler<recorded_transition> handler) override {
        const bool is_asked_for = change.facts.state == track::tracking_state::untracked; // its user waits
        row_wishes wishes{{{change.id, change.event.has_value()}}, {}};
        submit<recorded_transition>(
            "record a change", is_asked_for ? operation_kind::write : operation_kind::late_write, 4,
            [change = std::move(change)](database& db) { return record_transition(db, change); }, std::move(handler),
            std::move(wishes));
    }
    void set_options(options_change change, store_handler<row_revision> handler) override {
        row_wishes wishes{{{change.id}}, {}};
        submit<row_revision>(
            "set options", operation_kind::write, 1,
            [change = std::move(change)](database& db) { return set_transaction_options(db, change); },
            std::move(handler), std::move(wishes));
    }
    void save_facts(std::vector<track::active_transaction> rows, store_handler<std::monostate> handler) override {
        const std::size_t weight = std::min(rows.size(), most_batch_weight);
        if (rows.size() <= slice_size) {
            submit<std::monostate>(
                "save facts", operation_kind::write, weight,
                [rows = std::move(rows)](database& db) { return save_transaction_facts(db, rows); }, std::move(handler),
                row_wishes()); // it foresees its rows itself
            return;
        }
        submit_in_steps<std::monostate>(
            "save facts", weight, resume_place::front,
            [rows = std::move(rows), done = std::size_t{0}](database& db) mutable -> work_step<std::monostate> {
                const std::span<const track::active_transaction> all(rows);
                const std::size_t number = std::min(slice_size, all.size() - done);
                const auto saved = save_transaction_facts(db, all.subspan(done, number));
                done += number;
                if (!saved || done == all.size()) return saved;
                return std::nullopt;
            },
            std::move(handler));
    }

    void find(transaction_id id, store_handler<std::optional<track::transaction_view>> handler) override {
        read<std::optional<track::transaction_view>>(
            "find a transaction", [id = std::move(id)](database& db) { return find_transaction(db, id); },
            std::move(handler));
    }
    void list(track::transaction_query query, store_handler<track::transaction_page> handler) override {
        read<track::transaction_page>(
            "list transactions", [query = std::move(query)](database& db) { return list_transactions(db, query); },
            std::move(handler));
    }
    void history(transaction_id id, store_handler<std::optional<track::transaction_history>> handler) override {
        read<std::optional<track::transaction_history>>(
            "read history", [id = std::move(id)](database& db) { return read_history(db, id); }, std::move(handler));
    }
    void events_after(event_seq after, std::size_t limit, store_handler<event_page> handler) override {
        read<event_page>(
            "read events", [after, limit](database& db) { return read_events(db, after, limit); }, std::move(handler));
    }
    void events_between(track::event_query query, store_handler<event_page> handler) override {
        read<event_page>(
            "search events", [query](database& db) { return search_events(db, query); }, std::move(handler));
    }

    void deliveries(track::delivery_query query, store_handler<track::delivery_page> handler) override {
        read<track::delivery_page>(
            "list deliveries", [query = std::move(query)](database& db) { return list_deliveries(db, query); },
            std::move(handler));
    }
    void next_heads(std::string lane, std::size_t limit, store_handler<std::vector<delivery_head>> handler) override {
        read<std::vector<delivery_head>>(
            "read due deliveries",
            [lane = std::move(lane), limit](database& db) { return next_delivery_heads(db, lane, limit); },
            std::move(handler));
    }
    void load_delivery(delivery_id id, store_handler<std::optional<delivery_record>> handler) override {
        read<std::optional<delivery_record>>(
            "load a delivery", [id](database& db) { return load_delivery_record(db, id); }, std::move(handler));
    }
    void record_attempt(attempt_record attempt, store_handler<std::optional<delivery_head>> handler) override {
        row_wishes wishes{{}, {attempt.id}};
        submit<std::optional<delivery_head>>(
            "record an attempt", operation_kind::late_write, 1,
            [attempt = std::move(attempt)](database& db) { return record_delivery_attempt(db, attempt); },
            std::move(handler), std::move(wishes));
    }
    void retry_delivery(delivery_id id, wall_time now, store_handler<delivery_head> handler) override {
        write<delivery_head>(
            "retry a delivery", [id, now](database& db) { return retry_one_delivery(db, id, now); },
            std::move(handler));
    }
    void retry_dead(std::optional<std::string> callback, wall_time now, store_handler<std::uint64_t> handler) override {
        submit_in_steps<std::uint64_t>(
            "retry dead deliveries", slice_size, resume_place::back,
            [callback = std::move(callback), now,
             number = std::uint64_t{0}](database& db) mutable -> work_step<std::uint64_t> {
                const auto slice = retry_dead_deliveries(db, callback, now, slice_size);
                if (!slice && number > 0 && slice.error().code == store_error::paused) return number; // meanwhile
                if (!slice) return slice.error();
                number += slice->retried;
                if (slice->more) return std::nullopt;
                return number;
            },
            std::move(handler));
    }
    void set_failing(std::string lane, std::optional<wall_time> since, store_handler<std::monostate> handler) override {
        write<std::monostate>(
            "mark a lane", [lane = std::move(lane), since](database& db) { return set_lane_failing(db, lane, since); },
            std::move(handler));
    }
    void end_failing(std::string lane, lane_recovery how, store_handler<std::uint64_t> handler) override {
        const auto first_place = std::pair(how.now + milliseconds(1), delivery_id{0});
        submit_in_steps<std::uint64_t>(
            "mark a lane as recovered", slice_size, resume_place::back,
            [lane = std::move(lane), how = std::move(how), place = first_place,
             number = std::uint64_t{0}](database& db) mutable -> work_step<std::uint64_t> {
                const auto slice = end_lane_failing(db, lane, how, place, slice_size);
                if (!slice) return slice.error();
                number += slice->freed;
                if (!slice->after) return number;
                place = *slice->after;
                return std::nullopt;
            },
            std::move(handler));
    }

    void set_paused(
        std::string callback, std::optional<wall_time> since,
        store_handler<std::optional<wall_time>> handler) override {
        write<std::optional<wall_time>>(
            "pause a callback",
            [callback = std::move(callback), since](database& db) { return set_callback_paused(db, callback, since); },
            std::move(handler));
    }
    void flush_callback(std::string callback, wall_time now, store_handler<std::uint64_t> handler) override {
        submit_walk(
            "flush a callback",
            [callback, now](database& db, lane_walk& at) { flush_pending(db, callback, now, at, slice_size); },
            [callback](database& db) { return is_callback_paused(db, callback) ? callback : std::string(); },
            std::move(handler));
    }
    void dismiss_delivery(delivery_id id, std::string note, store_handler<track::delivery_view> handler) override {
        write<track::delivery_view>(
            "dismiss a delivery",
            [id, note = std::move(note)](database& db) { return dismiss_one_delivery(db, id, note); },
            std::move(handler));
    }
    void dismiss_dead(
        std::optional<std::string> callback, std::string note, store_handler<std::uint64_t> handler) override {
        submit_walk(
            "dismiss dead deliveries",
            [callback = std::move(callback), note = std::move(note)](database& db, lane_walk& at) {
                dismiss_dead_deliveries(db, callback, note, at, slice_size);
            },
            [](database&) { return std::string(); }, std::move(handler));
    }

    void begin_replay(
        track::replay_query query, bool dry_run, wall_time now, store_handler<track::replay_view> handler) override {
        submit_in_steps<track::replay_view>(
            "begin a replay", slice_size, resume_place::back,
            [beginning = replay_beginning(std::move(query), dry_run, now)](
                database& db) mutable -> work_step<track::replay_view> { return beginning.step(db); },
            std::move(handler));
    }
    void advance_replay(replay_step step, store_handler<replay_progress> handler) override {
        submit<replay_progress>(
            "advance a replay", operation_kind::late_write, std::min(step.most_made, slice_size),
            [step](database& db) { return advance_one_replay(db, step); }, std::move(handler));
    }
    void cancel_replay(
        replay_id id, std::vector<delivery_id> under_way, wall_time now, store_handler<replay_end> handler) override {
        write<replay_end>(
            "cancel a replay",
            [id, spared = std::set<delivery_id>(under_way.begin(), under_way.end()), now](database& db) {
                return cancel_one_replay(db, id, spared, now);
            },
            std::move(handler));
    }
    void replays(store_handler<std::vector<track::replay_view>> handler) override {
        read<std::vector<track::replay_view>>(
            "list replays", [](database& db) { return list_replays(db); }, std::move(handler));
    }

    void put_consumer(
        std::string name, std::optional<event_seq> seq,
        store_handler<std::pair<bool, track::consumer_view>> handler) override {
        write<std::pair<bool, track::consumer_view>>(
            "put a consumer", [name = std::move(name), seq](database& db) { return put_named_consumer(db, name, seq); },
            std::move(handler));
    }
    void delete_consumer(std::string name, store_handler<track::consumer_view> handler) override {
        write<track::consumer_view>(
            "delete a consumer", [name = std::move(name)](database& db) { return delete_named_consumer(db, name); },
            std::move(handler));
    }
    void acknowledge(std::string name, event_seq seq, store_handler<track::consumer_view> handler) override {
        write<track::consumer_view>(
            "acknowledge events",
            [name = std::move(name), seq](database& db) { return acknowledge_events(db, name, seq); },
            std::move(handler));
    }
    void consumers(store_handler<std::vector<track::consumer_view>> handler) override {
        read<std::vector<track::consumer_view>>(
            "list consumers", [](database& db) { return list_consumers(db); }, std::move(handler));
    }

    void claim_session(digest key, digest body, wall_time now, store_handler<session_claim> handler) override {
        write<session_claim>(
            "claim a session key", [key, body, now](database& db) { return claim_session_key(db, key, body, now); },
            std::move(handler));
    }
    void release_session(digest key, store_handler<std::monostate> handler) override {
        write<std::monostate>(
            "release a session key", [key](database& db) { return release_session_key(db, key); }, std::move(handler));
    }

    void prune(prune_request request, store_handler<prune_result> handler) override {
        submit<prune_result>(
            "prune", operation_kind::write, most_batch_weight,
            [request](database& db) { return prune_database(db, request); }, std::move(handler));
    }
    void backup(store_handler<backup_file> handler) override { thread_->backup(std::move(handler)); }
    void export_rows(track::export_query query, store_handler<std::shared_ptr<byte_source>> handler) override {
        auto job = [query = std::move(query)](database& copy, piece_writer& out) { write_export(copy, query, out); };
        thread_->read_copy({"export", std::move(job)}, std::move(handler));
    }
    void reconcile(track::reconcile_job job, store_handler<std::shared_ptr<byte_source>> handler) override {
        auto run = [job = std::move(job)](database& copy, piece_writer& out) { write_reconciliation(copy, job, out); };
        thread_->read_copy({"reconcile", std::move(run)}, std::move(handler));
    }
    void status(store_handler<store_status> handler) override {
        read<store_status>(
            "read the status", [](database& db) { return read_status(db); }, std::move(handler));
    }
    void probe(store_handler<std::monostate> handler) override {
        submit<std::monostate>(
            "probe", operation_kind::write, 1, [](database& db) { return write_probe(db); }, std::move(handler),
            row_wishes());
    }
    void set_maintenance(
        std::optional<track::maintenance_mark> mark,
        store_handler<std::optional<track::maintenance_mark>> handler) override {
        write<std::optional<track::maintenance_mark>>(
            "set maintenance", [mark = std::move(mark)](database& db) { return set_maintenance_mark(db, mark); },
            std::move(handler));
    }
    void remember_base_url(std::string base_url, store_handler<std::string> handler) override {
        write<std::string>(
            "remember the base URL",
            [base_url = std::move(base_url)](database& db) { return exchange_base_url(db, base_url); },
            std::move(handler));
    }
    void close(unique_function<void()> closed) override { thread_->close(std::move(closed)); }
    cluster_store* cluster() override { return thread_->cluster(); }

  private:
    template <class T, class Work>
    void submit(
        const char* name, operation_kind kind, std::size_t weight, Work work, store_handler<T> handler,
        std::optional<row_wishes> wishes = std::nullopt) {
        thread_->submit(make_operation<T>(name, kind, weight, std::move(work), std::move(handler), std::move(wishes)));
    }
    template <class T, class Work>
    void submit_in_steps(
        const char* name, std::size_t weight, resume_place place, Work work, store_handler<T> handler) {
        thread_->submit(std::make_unique<typed_operation<T>>(
            name, operation_kind::write, weight, place, std::move(work), std::move(handler)));
    }
    /// A walk over deliveries, a slice a transaction. `held_by(db)` names the paused callback that refuses it, or "".
    template <class Step, class Held>
    void submit_walk(const char* name, Step step, Held held_by, store_handler<std::uint64_t> handler) {
        submit_in_steps<std::uint64_t>(
            name, slice_size, resume_place::back,
            [name, step = std::move(step), held_by = std::move(held_by),
             at = std::optional<lane_walk>()](database& db) mutable -> work_step<std::uint64_t> {
                if (!at) {
                    if (std::string callback = held_by(db); !callback.empty())
                        return make_store_error(store_error::paused, name, std::move(callback));
                    at = begin_walk(db);
                }
                step(db, *at);
                if (!at->is_done) return std::nullopt;
                return at->found;
            },
            std::move(handler));
    }
    template <class T, class Work>
    void read(const char* name, Work work, store_handler<T> handler) {
        submit<T>(name, operation_kind::read, 1, std::move(work), std::move(handler));
    }
    template <class T, class Work>
    void write(const char* name, Work work, store_handler<T> handler) {
        submit<T>(name, operation_kind::write, 1, std::move(work), std::move(handler));
    }

    boost::asio::any_io_executor loop_;
    std::shared_ptr<chunk_gate> gate_; ///< shared with chunks that wait in the loop and may outlive the store
    std::unique_ptr<store_thread> thread_;
};

} // namespace

std::unique_ptr<store> make_database_store(boost::asio::any_io_executor loop, std::unique_ptr<store_thread> thread) {
    return std::make_unique<database_store>(std::move(loop), std::move(thread));
}

} // namespace prooftrack::store
