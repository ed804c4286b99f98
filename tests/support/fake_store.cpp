#include "support/fake_store.hpp"

#include "support/fake_controls.hpp"
#include "support/fake_disk_reading.hpp"
#include "support/fake_export.hpp"
#include "support/fake_reconcile.hpp"

// Compiled once a test program: in the header its lambdas were most of what a test's compilation did.

namespace prooftrack::store {

fake_store::fake_store(fake_disk& disk, virtual_clock* clock, fake_store_options options, store_observer* observer)
    : fake_store_queue(disk, clock, std::move(options), observer) {}

fake_store::~fake_store() = default;

void fake_store::load_active(
    unique_function<void(std::vector<track::active_transaction>)> on_chunk, store_handler<std::uint64_t> done) {
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

void fake_store::add(
    std::vector<track::new_transaction> transactions, std::optional<digest> session,
    store_handler<std::vector<add_outcome>> handler) {
    std::string about = transactions.empty() ? "" : transactions.front().id.str();
    change<std::vector<add_outcome>>(
        [rows = std::move(transactions), session](fake_disk& disk) { return disk.add(rows, session); },
        std::move(handler), std::move(about));
}

void fake_store::record(transition wanted, store_handler<recorded_transition> handler) {
    std::string about = wanted.id.str();
    change<recorded_transition>(
        [wanted = std::move(wanted)](fake_disk& disk) { return disk.record(wanted); }, std::move(handler),
        std::move(about));
}

void fake_store::set_options(options_change wanted, store_handler<row_revision> handler) {
    std::string about = wanted.id.str();
    change<row_revision>(
        [wanted = std::move(wanted)](fake_disk& disk) { return disk.set_options(wanted); }, std::move(handler),
        std::move(about));
}

void fake_store::save_facts(std::vector<track::active_transaction> rows, store_handler<std::monostate> handler) {
    change<std::monostate>(
        [rows = std::move(rows)](fake_disk& disk) {
            for (const track::active_transaction& row : rows) disk.save_facts(row);
            return op_result<std::monostate>(std::monostate{});
        },
        std::move(handler));
}

void fake_store::find(transaction_id id, store_handler<std::optional<track::transaction_view>> handler) {
    using found_view = std::optional<track::transaction_view>;
    std::string about = id.str();
    read<found_view>(
        [id = std::move(id)](fake_disk& disk) {
            const auto found = disk.transactions.find(id.str());
            return op_result<found_view>(
                found == disk.transactions.end() ? found_view() : found_view(disk.view_of(id.str(), found->second)));
        },
        std::move(handler), std::move(about));
}

void fake_store::list(track::transaction_query query, store_handler<track::transaction_page> handler) {
    read<track::transaction_page>(
        [query = std::move(query)](fake_disk& disk) { return fake_list(disk, query); }, std::move(handler));
}

void fake_store::history(transaction_id id, store_handler<std::optional<track::transaction_history>> handler) {
    using found_page = std::optional<track::transaction_history>;
    read<found_page>(
        [id = std::move(id)](fake_disk& disk) { return op_result<found_page>(fake_history(disk, id.str())); },
        std::move(handler));
}

void fake_store::events_after(event_seq after, std::size_t limit, store_handler<event_page> handler) {
    read<event_page>(
        [after, limit](fake_disk& disk) { return op_result<event_page>(fake_events_after(disk, after, limit)); },
        std::move(handler));
}

void fake_store::events_between(track::event_query query, store_handler<event_page> handler) {
    read<event_page>(
        [query](fake_disk& disk) { return op_result<event_page>(fake_events_between(disk, query)); },
        std::move(handler));
}

void fake_store::deliveries(track::delivery_query query, store_handler<track::delivery_page> handler) {
    read<track::delivery_page>(
        [query = std::move(query)](fake_disk& disk) { return fake_deliveries(disk, query); }, std::move(handler));
}

void fake_store::next_heads(std::string lane, std::size_t limit, store_handler<std::vector<delivery_head>> handler) {
    read<std::vector<delivery_head>>(
        [lane = std::move(lane), limit](fake_disk& disk) {
            return op_result<std::vector<delivery_head>>(disk.next_heads(lane, limit));
        },
        std::move(handler));
}

void fake_store::load_delivery(delivery_id id, store_handler<std::optional<delivery_record>> handler) {
    using found_record = std::optional<delivery_record>;
    read<found_record>(
        [id](fake_disk& disk) { return op_result<found_record>(disk.load_delivery(id)); }, std::move(handler));
}

void fake_store::record_attempt(attempt_record attempt, store_handler<std::optional<delivery_head>> handler) {
    change<std::optional<delivery_head>>(
        [this, attempt = std::move(attempt)](fake_disk& disk) -> op_result<std::optional<delivery_head>> {
            if (attempt.id == poisoned_) return fake_disk::error(store_error::busy, "record an attempt");
            return disk.record_attempt(attempt);
        },
        std::move(handler));
}

void fake_store::retry_delivery(delivery_id id, wall_time now, store_handler<delivery_head> handler) {
    change<delivery_head>([id, now](fake_disk& disk) { return disk.retry(id, now); }, std::move(handler));
}

void fake_store::retry_dead(std::optional<std::string> callback, wall_time now, store_handler<std::uint64_t> handler) {
    change<std::uint64_t>(
        [callback = std::move(callback), now](fake_disk& disk) { return disk.retry_dead(callback, now); },
        std::move(handler));
}

void fake_store::set_maintenance(
    std::optional<track::maintenance_mark> mark, store_handler<std::optional<track::maintenance_mark>> handler) {
    change<std::optional<track::maintenance_mark>>(
        [mark = std::move(mark)](fake_disk& disk) { return disk.set_maintenance(mark); }, std::move(handler));
}

void fake_store::set_failing(std::string lane, std::optional<wall_time> since, store_handler<std::monostate> handler) {
    change<std::monostate>(
        [lane = std::move(lane), since](fake_disk& disk) {
            disk.lane_of(lane).failing_since = since;
            return op_result<std::monostate>(std::monostate{});
        },
        std::move(handler));
}

void fake_store::end_failing(std::string lane, lane_recovery how, store_handler<std::uint64_t> handler) {
    const fake_disk::head_place begin{how.now + milliseconds(1), 0};
    free_heads({std::move(lane), std::move(how), begin, 0}, std::move(handler));
}

void fake_store::set_paused(
    std::string callback, std::optional<wall_time> since, store_handler<std::optional<wall_time>> handler) {
    change<std::optional<wall_time>>(
        [callback = std::move(callback), since](fake_disk& disk) {
            return op_result<std::optional<wall_time>>(fake_set_paused(disk, callback, since));
        },
        std::move(handler));
}

void fake_store::flush_callback(std::string callback, wall_time now, store_handler<std::uint64_t> handler) {
    change<std::uint64_t>(
        [callback = std::move(callback), now](fake_disk& disk) { return fake_flush(disk, callback, now); },
        std::move(handler));
}

void fake_store::dismiss_delivery(delivery_id id, std::string note, store_handler<track::delivery_view> handler) {
    change<track::delivery_view>(
        [id, note = std::move(note)](fake_disk& disk) { return fake_dismiss(disk, id, note); }, std::move(handler));
}

void fake_store::dismiss_dead(
    std::optional<std::string> callback, std::string note, store_handler<std::uint64_t> handler) {
    change<std::uint64_t>(
        [callback = std::move(callback), note = std::move(note)](fake_disk& disk) {
            return op_result<std::uint64_t>(fake_dismiss_dead(disk, callback, note));
        },
        std::move(handler));
}

void fake_store::put_consumer(
    std::string name, std::optional<event_seq> seq, store_handler<std::pair<bool, track::consumer_view>> handler) {
    change<std::pair<bool, track::consumer_view>>(
        [name = std::move(name), seq](fake_disk& disk) { return fake_put_consumer(disk, name, seq); },
        std::move(handler));
}

void fake_store::delete_consumer(std::string name, store_handler<track::consumer_view> handler) {
    change<track::consumer_view>(
        [name = std::move(name)](fake_disk& disk) { return fake_delete_consumer(disk, name); }, std::move(handler));
}

void fake_store::acknowledge(std::string name, event_seq seq, store_handler<track::consumer_view> handler) {
    change<track::consumer_view>(
        [name = std::move(name), seq](fake_disk& disk) { return fake_acknowledge(disk, name, seq); },
        std::move(handler));
}

void fake_store::consumers(store_handler<std::vector<track::consumer_view>> handler) {
    read<std::vector<track::consumer_view>>(
        [](fake_disk& disk) {
            std::vector<track::consumer_view> views;
            for (const auto& [name, row] : disk.consumers) views.push_back(fake_consumer(disk, name));
            return op_result<std::vector<track::consumer_view>>(std::move(views));
        },
        std::move(handler));
}

void fake_store::claim_session(digest key, digest body, wall_time now, store_handler<session_claim> handler) {
    change<session_claim>(
        [key, body, now](fake_disk& disk) { return op_result<session_claim>(fake_claim(disk, key, body, now)); },
        std::move(handler));
}

void fake_store::release_session(digest key, store_handler<std::monostate> handler) {
    change<std::monostate>(
        [key](fake_disk& disk) {
            const auto claimed = disk.sessions.find(key);
            if (claimed != disk.sessions.end() && claimed->second.transaction.empty()) disk.sessions.erase(claimed);
            return op_result<std::monostate>(std::monostate{});
        },
        std::move(handler));
}

void fake_store::prune(prune_request request, store_handler<prune_result> handler) {
    change<prune_result>(
        [request](fake_disk& disk) { return op_result<prune_result>(fake_prune(disk, request)); }, std::move(handler));
}

void fake_store::export_rows(track::export_query query, store_handler<std::shared_ptr<byte_source>> handler) {
    stream([query = std::move(query)](fake_disk& disk) { return fake_export(disk, query); }, std::move(handler));
}

void fake_store::reconcile(track::reconcile_job job, store_handler<std::shared_ptr<byte_source>> handler) {
    stream([job = std::move(job)](fake_disk& disk) { return fake_reconcile(disk, job); }, std::move(handler));
}

void fake_store::backup(store_handler<backup_file> handler) {
    read<backup_file>(
        [](fake_disk& disk) {
            return op_result<backup_file>(backup_file{"/nonexistent/backup", disk.status().db_bytes});
        },
        std::move(handler));
}

void fake_store::status(store_handler<store_status> handler) {
    read<store_status>([](fake_disk& disk) { return op_result<store_status>(disk.status()); }, std::move(handler));
}

void fake_store::probe(store_handler<std::monostate> handler) {
    ++probes_;
    change<std::monostate>([](fake_disk&) { return op_result<std::monostate>(std::monostate{}); }, std::move(handler));
}

void fake_store::remember_base_url(std::string base_url, store_handler<std::string> handler) {
    change<std::string>(
        [base_url = std::move(base_url)](fake_disk& disk) {
            return op_result<std::string>(std::exchange(disk.base_url, base_url));
        },
        std::move(handler));
}

void fake_store::close(unique_function<void()> closed) {
    change<std::monostate>(
        [](fake_disk&) { return op_result<std::monostate>(std::monostate{}); },
        [this, closed = std::move(closed)](op_result<std::monostate>) mutable {
            closed_ = true;
            closed();
        });
    closing_ = true;
}

void fake_store::free_heads(recovery_work work, store_handler<std::uint64_t> handler) {
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

template <class Write>
void fake_store::stream(Write write, store_handler<std::shared_ptr<byte_source>> handler) {
    using made_source = std::shared_ptr<byte_source>;
    read<made_source>(
        [write = std::move(write)](fake_disk& disk) {
            return op_result<made_source>(std::make_shared<fake_byte_source>(write(disk)));
        },
        std::move(handler));
}

} // namespace prooftrack::store
