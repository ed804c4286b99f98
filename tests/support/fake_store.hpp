#pragma once

// The store interface over a fake_disk. With a clock it works by itself: operations wait for a commit, answers for
// their handler, and a crash between the two leaves a durable change that was not reported. Without a clock the test
// calls `pump`.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "store/store.hpp"
#include "support/fake_disk.hpp"
#include "support/fake_disk_reading.hpp"
#include "support/fake_export.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::store {

/// Instants of an operation at which something else may happen first.
enum class store_moment : std::uint8_t {
    handed,    ///< asked for, not committed
    committed, ///< durable, not reported
    answering, ///< its handler is about to run
};

struct fake_store_options {
    std::pair<steady_duration, steady_duration> commit_time{
        milliseconds(2), milliseconds(2)}; ///< from the first operation of a group
    std::pair<steady_duration, steady_duration> answer_time{
        steady_duration(0), steady_duration(0)}; ///< from the commit to the handler
    std::size_t chunk = 10'000;                  ///< rows a chunk of load_active
    std::size_t recovery_slice = 1'000;          ///< heads a commit of end_failing
    std::uint64_t seed = 1;
    virtual_clock::group owner = 0;
    /// Called at each instant with the transaction that the operation is about ("" = none in particular). With
    /// `answering`: what it posts to the clock runs before the handler if it says true. Needs a clock.
    std::function<bool(store_moment, const std::string&)> on_moment;
};

class fake_store final : public store {
  public:
    /// `clock` = nullptr: by hand.
    explicit fake_store(
        fake_disk& disk, virtual_clock* clock = nullptr, fake_store_options options = {},
        store_observer* observer = nullptr)
        : disk_(disk), clock_(clock), options_(std::move(options)), observer_(observer), random_(options_.seed) {}
    fake_store(const fake_store&) = delete;
    fake_store& operator=(const fake_store&) = delete;

    // ---- faults
    // ---------------------------------------------------------------------------------------------------------------

    /// No room: every change is refused.
    void set_full(bool full) { full_ = full; }
    bool full() const { return full_; }
    /// The disk has failed: nothing works any more.
    void set_failed() { failed_ = true; }
    /// The n-th operation from now (from 1) fails with `error` and changes nothing.
    void fail_operation(std::uint64_t n, store_error error) { planned_ = {operations_ + n, error}; }
    /// The outcome of this delivery cannot be recorded, all others can; nullopt = no longer.
    void poison_outcome(std::optional<delivery_id> id) { poisoned_ = id; }
    /// The next group is committed, or the next answers are given, that much later.
    void delay_commit(steady_duration by) { commit_delay_ += by; }
    void delay_answers(steady_duration by) { answer_delay_ += by; }
    /// How much later than now an operation is answered, but for the usual times.
    steady_duration delay() const {
        const steady_duration behind = clock_ == nullptr ? steady_duration(0) : last_answer_ - clock_->now().steady;
        return std::max(behind, steady_duration(0)) + commit_delay_ + answer_delay_;
    }
    /// Everything that was not committed is lost, no handler runs any more.
    void crash() {
        crashed_ = true;
        queue_.clear();
        ready_.clear();
    }

    // ---- by hand
    // ---------------------------------------------------------------------------------------------------------------

    /// Makes everything that was asked for durable; the handlers do not run yet. How many operations there were.
    std::size_t commit() {
        std::deque<operation> group;
        group.swap(queue_);
        commit_planned_ = false;
        std::size_t changes = 0;
        for (operation& one : group) {
            ++operations_;
            changes += one.changes ? 1 : 0;
            // The fault and what has been done first: either may put the observer's handler before this one's.
            const auto fault = fault_for(one);
            outcome done = one.run(disk_, fault);
            if (one.changes && done.is_success) end_full();
            ready_.push_back({std::move(done.handler), one.about});
            if (options_.on_moment) options_.on_moment(store_moment::committed, one.about);
            plan_answer();
        }
        if (observer_ != nullptr && changes > 0) observer_->on_commit(options_.commit_time.first, changes);
        return group.size();
    }
    /// Runs the oldest handler that is ready; false when there is none.
    bool answer_one() {
        if (ready_.empty()) return false;
        auto handler = std::move(ready_.front().handler);
        ready_.pop_front();
        handler();
        return true;
    }
    /// Commits and answers until nothing is left.
    void pump() {
        while (!queue_.empty() || !ready_.empty()) {
            commit();
            while (answer_one()) {
            }
        }
    }

    std::uint64_t operations() const { return operations_; }
    std::size_t waiting() const { return queue_.size() + ready_.size(); }
    fake_disk& disk() { return disk_; }
    bool closed() const { return closed_; }

    // ---- the interface
    // ---------------------------------------------------------------------------------------------------------------

    void load_active(
        unique_function<void(std::vector<track::active_transaction>)> on_chunk,
        store_handler<std::uint64_t> done) override {
        auto chunk_handler =
            std::make_shared<unique_function<void(std::vector<track::active_transaction>)>>(std::move(on_chunk));
        auto rows = std::make_shared<std::vector<track::active_transaction>>();
        read<std::uint64_t>(
            [rows](fake_disk& disk) {
                *rows = fake_active(disk);
                return op_result<std::uint64_t>(rows->size());
            },
            [this, rows, chunk_handler, done = std::move(done)](op_result<std::uint64_t> count) mutable {
                for (std::size_t from = 0; from < rows->size(); from += options_.chunk) {
                    const auto first = rows->begin() + static_cast<std::ptrdiff_t>(from);
                    const auto size = std::min(options_.chunk, rows->size() - from);
                    (*chunk_handler)({first, first + static_cast<std::ptrdiff_t>(size)});
                }
                done(std::move(count));
            });
    }

    void add(
        std::vector<track::new_transaction> transactions, std::optional<digest> session,
        store_handler<std::vector<add_outcome>> handler) override {
        std::string about = transactions.empty() ? "" : transactions.front().id.str();
        change<std::vector<add_outcome>>(
            [rows = std::move(transactions), session](fake_disk& disk) { return disk.add(rows, session); },
            std::move(handler), std::move(about));
    }
    void record(transition wanted, store_handler<recorded_transition> handler) override {
        std::string about = wanted.id.str();
        change<recorded_transition>(
            [wanted = std::move(wanted)](fake_disk& disk) { return disk.record(wanted); }, std::move(handler),
            std::move(about));
    }
    void save_facts(std::vector<track::active_transaction> rows, store_handler<std::monostate> handler) override {
        change<std::monostate>(
            [rows = std::move(rows)](fake_disk& disk) {
                for (const track::active_transaction& row : rows) disk.save_facts(row);
                return op_result<std::monostate>(std::monostate{});
            },
            std::move(handler));
    }

    void find(transaction_id id, store_handler<std::optional<track::transaction_view>> handler) override {
        using found_view = std::optional<track::transaction_view>;
        std::string about = id.str();
        read<found_view>(
            [id = std::move(id)](fake_disk& disk) {
                const auto found = disk.transactions.find(id.str());
                return op_result<found_view>(
                    found == disk.transactions.end() ? found_view()
                                                     : found_view(disk.view_of(id.str(), found->second)));
            },
            std::move(handler), std::move(about));
    }
    void list(track::transaction_query query, store_handler<track::transaction_page> handler) override {
        read<track::transaction_page>(
            [query = std::move(query)](fake_disk& disk) { return fake_list(disk, query); }, std::move(handler));
    }
    void history(transaction_id id, store_handler<std::optional<track::transaction_history>> handler) override {
        using found_page = std::optional<track::transaction_history>;
        read<found_page>(
            [id = std::move(id)](fake_disk& disk) { return op_result<found_page>(fake_history(disk, id.str())); },
            std::move(handler));
    }
    void events_after(event_seq after, std::size_t limit, store_handler<event_page> handler) override {
        read<event_page>(
            [after, limit](fake_disk& disk) { return op_result<event_page>(fake_events_after(disk, after, limit)); },
            std::move(handler));
    }

    void events_between(track::event_query query, store_handler<event_page> handler) override {
        read<event_page>(
            [query](fake_disk& disk) { return op_result<event_page>(fake_events_between(disk, query)); },
            std::move(handler));
    }

    void deliveries(track::delivery_query query, store_handler<track::delivery_page> handler) override {
        read<track::delivery_page>(
            [query = std::move(query)](fake_disk& disk) { return fake_deliveries(disk, query); }, std::move(handler));
    }
    void next_heads(std::string lane, std::size_t limit, store_handler<std::vector<delivery_head>> handler) override {
        read<std::vector<delivery_head>>(
            [lane = std::move(lane), limit](fake_disk& disk) {
                return op_result<std::vector<delivery_head>>(disk.next_heads(lane, limit));
            },
            std::move(handler));
    }
    void load_delivery(delivery_id id, store_handler<std::optional<delivery_record>> handler) override {
        using found_record = std::optional<delivery_record>;
        read<found_record>(
            [id](fake_disk& disk) { return op_result<found_record>(disk.load_delivery(id)); }, std::move(handler));
    }
    void record_attempt(attempt_record attempt, store_handler<std::optional<delivery_head>> handler) override {
        change<std::optional<delivery_head>>(
            [this, attempt = std::move(attempt)](fake_disk& disk) -> op_result<std::optional<delivery_head>> {
                if (attempt.id == poisoned_) return fake_disk::error(store_error::busy, "record an attempt");
                return disk.record_attempt(attempt);
            },
            std::move(handler));
    }
    void retry_delivery(delivery_id id, wall_time now, store_handler<delivery_head> handler) override {
        change<delivery_head>([id, now](fake_disk& disk) { return disk.retry(id, now); }, std::move(handler));
    }
    void retry_dead(std::optional<std::string> callback, wall_time now, store_handler<std::uint64_t> handler) override {
        change<std::uint64_t>(
            [callback = std::move(callback), now](fake_disk& disk) {
                return op_result<std::uint64_t>(disk.retry_dead(callback, now));
            },
            std::move(handler));
    }
    void set_failing(std::string lane, std::optional<wall_time> since, store_handler<std::monostate> handler) override {
        change<std::monostate>(
            [lane = std::move(lane), since](fake_disk& disk) {
                disk.lane_of(lane).failing_since = since;
                return op_result<std::monostate>(std::monostate{});
            },
            std::move(handler));
    }
    void end_failing(std::string lane, lane_recovery how, store_handler<std::uint64_t> handler) override {
        const fake_disk::head_place begin{how.now + milliseconds(1), 0};
        free_heads({std::move(lane), std::move(how), begin, 0}, std::move(handler));
    }

    void put_consumer(
        std::string name, std::optional<event_seq> seq,
        store_handler<std::pair<bool, track::consumer_view>> handler) override {
        change<std::pair<bool, track::consumer_view>>(
            [name = std::move(name), seq](fake_disk& disk) { return fake_put_consumer(disk, name, seq); },
            std::move(handler));
    }
    void delete_consumer(std::string name, store_handler<track::consumer_view> handler) override {
        change<track::consumer_view>(
            [name = std::move(name)](fake_disk& disk) { return fake_delete_consumer(disk, name); }, std::move(handler));
    }
    void acknowledge(std::string name, event_seq seq, store_handler<track::consumer_view> handler) override {
        change<track::consumer_view>(
            [name = std::move(name), seq](fake_disk& disk) { return fake_acknowledge(disk, name, seq); },
            std::move(handler));
    }
    void consumers(store_handler<std::vector<track::consumer_view>> handler) override {
        read<std::vector<track::consumer_view>>(
            [](fake_disk& disk) {
                std::vector<track::consumer_view> views;
                for (const auto& [name, row] : disk.consumers) views.push_back(fake_consumer(disk, name));
                return op_result<std::vector<track::consumer_view>>(std::move(views));
            },
            std::move(handler));
    }

    void claim_session(digest key, digest body, wall_time now, store_handler<session_claim> handler) override {
        change<session_claim>(
            [key, body, now](fake_disk& disk) { return op_result<session_claim>(fake_claim(disk, key, body, now)); },
            std::move(handler));
    }
    void release_session(digest key, store_handler<std::monostate> handler) override {
        change<std::monostate>(
            [key](fake_disk& disk) {
                const auto claimed = disk.sessions.find(key);
                if (claimed != disk.sessions.end() && claimed->second.transaction.empty()) disk.sessions.erase(claimed);
                return op_result<std::monostate>(std::monostate{});
            },
            std::move(handler));
    }

    void prune(prune_request request, store_handler<prune_result> handler) override {
        change<prune_result>(
            [request](fake_disk& disk) { return op_result<prune_result>(fake_prune(disk, request)); },
            std::move(handler));
    }
    void export_rows(track::export_query query, store_handler<std::shared_ptr<byte_source>> handler) override {
        read<std::shared_ptr<byte_source>>(
            [query = std::move(query)](fake_disk& disk) {
                return op_result<std::shared_ptr<byte_source>>(
                    std::make_shared<fake_byte_source>(fake_export(disk, query)));
            },
            std::move(handler));
    }
    void backup(store_handler<backup_file> handler) override {
        read<backup_file>(
            [](fake_disk& disk) {
                return op_result<backup_file>(backup_file{"/nonexistent/backup", disk.status().db_bytes});
            },
            std::move(handler));
    }
    void status(store_handler<store_status> handler) override {
        read<store_status>([](fake_disk& disk) { return op_result<store_status>(disk.status()); }, std::move(handler));
    }
    std::uint64_t probes() const { return probes_; } ///< how often it was probed
    void probe(store_handler<std::monostate> handler) override {
        ++probes_;
        change<std::monostate>(
            [](fake_disk&) { return op_result<std::monostate>(std::monostate{}); }, std::move(handler));
    }
    void remember_base_url(std::string base_url, store_handler<std::string> handler) override {
        change<std::string>(
            [base_url = std::move(base_url)](fake_disk& disk) {
                return op_result<std::string>(std::exchange(disk.base_url, base_url));
            },
            std::move(handler));
    }

    void close(unique_function<void()> closed) override {
        change<std::monostate>(
            [](fake_disk&) { return op_result<std::monostate>(std::monostate{}); },
            [this, closed = std::move(closed)](op_result<std::monostate>) mutable {
                closed_ = true;
                closed();
            });
        closing_ = true;
    }

  private:
    /// A recovery that goes slice by slice, each behind what was asked for meanwhile.
    struct recovery_work {
        std::string lane;
        lane_recovery how;
        fake_disk::head_place after;
        std::uint64_t freed = 0;
    };
    void free_heads(recovery_work work, store_handler<std::uint64_t> handler) {
        using slice = fake_disk::recovery_slice;
        change<slice>(
            [this, work](fake_disk& disk) {
                return op_result<slice>(disk.end_failing(work.lane, work.how, work.after, options_.recovery_slice));
            },
            [this, work, handler = std::move(handler)](op_result<slice> done) mutable {
                if (!done) {
                    handler(done.error());
                    return;
                }
                work.freed += done->freed;
                if (!done->after) {
                    handler(work.freed);
                    return;
                }
                work.after = *done->after;
                free_heads(std::move(work), std::move(handler));
            });
    }

    struct answer {
        unique_function<void()> handler;
        std::string about;
    };
    struct outcome {
        unique_function<void()> handler;
        bool is_success = false;
    };
    struct operation {
        std::string about; ///< the transaction, for `on_moment`
        bool changes = false;
        bool after_close = false;
        unique_function<outcome(fake_disk&, std::optional<store_error>)> run;
    };

    template <class T, class Work>
    void change(Work work, store_handler<T> handler, std::string about = "") {
        submit<T>(true, std::move(work), std::move(handler), std::move(about));
    }
    template <class T, class Work>
    void read(Work work, store_handler<T> handler, std::string about = "") {
        submit<T>(false, std::move(work), std::move(handler), std::move(about));
    }
    template <class T, class Work>
    void submit(bool changes, Work work, store_handler<T> handler, std::string about) {
        if (crashed_) return;
        operation one;
        one.about = std::move(about);
        one.changes = changes;
        one.after_close = closing_;
        one.run = [work = std::move(work),
                   handler = std::move(handler)](fake_disk& disk, std::optional<store_error> fault) mutable {
            op_result<T> given = fault ? op_result<T>(fake_disk::error(*fault, "fake store")) : work(disk);
            const bool is_success = given.has_value();
            return outcome{
                [handler = std::move(handler), given = std::move(given)]() mutable { handler(std::move(given)); },
                is_success};
        };
        queue_.push_back(std::move(one));
        if (options_.on_moment) options_.on_moment(store_moment::handed, queue_.back().about);
        if (clock_ == nullptr || commit_planned_) return;
        commit_planned_ = true;
        clock_->after(
            between(options_.commit_time) + std::exchange(commit_delay_, steady_duration(0)), [this] { commit(); },
            options_.owner);
    }

    std::optional<store_error> fault_for(const operation& one) {
        if (one.after_close) return store_error::stopped;
        if (failed_) {
            report([this] { observer_->on_fatal(fake_disk::error(store_error::failed, "commit")); }, reported_failed_);
            return store_error::failed;
        }
        if (planned_ && planned_->first == operations_) return std::exchange(planned_, std::nullopt)->second;
        if (!one.changes) return std::nullopt;
        if (!full_) return std::nullopt;
        if (!std::exchange(seen_full_, true)) tell_state(track::store_state::full);
        return store_error::full;
    }
    /// Something was written: there is room again.
    void end_full() {
        if (std::exchange(seen_full_, false)) tell_state(track::store_state::ok);
    }
    void tell_state(track::store_state state) {
        bool reported = false;
        report([this, state] { observer_->on_state(state, fake_disk::error(store_error::full, "commit")); }, reported);
    }
    /// Tells the observer in the order of the answers.
    template <class Tell>
    void report(Tell tell, bool& reported) {
        if (observer_ == nullptr || reported) return;
        reported = true;
        ready_.push_back({unique_function<void()>(std::move(tell)), ""});
        plan_answer();
    }
    void plan_answer() {
        if (clock_ == nullptr) return;
        last_answer_ = std::max(
            last_answer_,
            clock_->now().steady + between(options_.answer_time) + std::exchange(answer_delay_, steady_duration(0)));
        clock_->at(
            last_answer_, [this] { answer_in_turn(); }, options_.owner);
    }
    void answer_in_turn() {
        const bool comes_behind =
            options_.on_moment && !ready_.empty() && options_.on_moment(store_moment::answering, ready_.front().about);
        if (comes_behind) {
            clock_->post([this] { answer_one(); }, options_.owner);
        } else {
            answer_one();
        }
    }
    steady_duration between(const std::pair<steady_duration, steady_duration>& band) {
        return steady_duration(random_.between(band.first.count(), band.second.count()));
    }

    fake_disk& disk_;
    virtual_clock* clock_;
    fake_store_options options_;
    store_observer* observer_;
    random_source random_;
    std::deque<operation> queue_;
    std::deque<answer> ready_;
    std::uint64_t operations_ = 0;
    std::optional<std::pair<std::uint64_t, store_error>> planned_;
    std::optional<delivery_id> poisoned_;
    steady_time last_answer_{};
    steady_duration commit_delay_{};
    steady_duration answer_delay_{};
    bool commit_planned_ = false;
    std::uint64_t probes_ = 0;
    bool full_ = false;
    bool seen_full_ = false;
    bool failed_ = false;
    bool reported_failed_ = false;
    bool crashed_ = false;
    bool closing_ = false;
    bool closed_ = false;
};

} // namespace prooftrack::store
