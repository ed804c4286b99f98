#include "store/postgres/postgres_cluster.hpp"

#include <functional>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/random.hpp"
#include "store/copy_database.hpp"
#include "store/news_ops.hpp"

namespace prooftrack::store {
namespace {

/// So that a later boot is none of the numbers that the store's own random source gives.
constexpr std::uint64_t boots_apart = 0x9e3779b97f4a7c15ULL;

} // namespace

void postgres_cluster::join(cluster_observer& observer) {
    auto new_boot = [random = random_source(mix_seed(with_.seed ^ boots_apart))]() mutable {
        return make_log_id(random.next());
    };
    const std::lock_guard lock(mutex_);
    lease_ = std::make_unique<cluster_thread>(
        with_.target, with_.password, with_.identity, with_.version, std::move(new_boot), make_hooks(observer));
}

cluster_hooks postgres_cluster::make_hooks(cluster_observer& observer) {
    // A hook that calls `method` on the loop, with copies of what it gets.
    const auto posting = [&queue = with_.queue, to = &observer](auto method) {
        return [&queue, to, method](const auto&... given) {
            boost::asio::post(queue.loop(), [alive = queue.alive(), call = std::bind_front(method, to, given...)] {
                if (alive) call();
            });
        };
    };
    cluster_hooks hooks;
    hooks.lease = posting(&cluster_observer::on_lease);
    hooks.gained = posting(&cluster_observer::on_gained);
    hooks.view = posting(&cluster_observer::on_view);
    hooks.news = posting(&cluster_observer::on_news);
    hooks.fenced = posting(&cluster_observer::on_fenced);
    return hooks;
}

void postgres_cluster::take_up(const shard_set& shards, chunk_handler on_chunk, store_handler<std::uint64_t> done) {
    // A batch of its own: what was posted to the loop cannot be taken back when a write beside it fails.
    submit<std::uint64_t>(
        "take shards up", operation_kind::read, most_batch_weight,
        [shards, loop = with_.queue.loop(), gate = gate_,
         chunks = std::make_shared<chunk_handler>(std::move(on_chunk))](database& db) {
            db.held |= shards;
            return load_watched(db, loop, chunks, gate, shards);
        },
        std::move(done));
}

void postgres_cluster::let_go(const shard_set& shards, store_handler<std::monostate> handler) {
    submit<std::monostate>(
        "let shards go", operation_kind::local, 1,
        [shards](database& db) {
            db.held &= ~shards;
            return op_result<std::monostate>(std::monostate());
        },
        std::move(handler));
}

void postgres_cluster::hand_over(const shard_set& shards) {
    submit<std::monostate>(
        "hand shards over", operation_kind::local, 1,
        [](database&) { return op_result<std::monostate>(std::monostate()); },
        [this, shards, alive = with_.queue.alive()](const op_result<std::monostate>&) {
            if (alive && lease_) lease_->hand_over(shards);
        });
}

void postgres_cluster::leave() {
    if (lease_) lease_->leave();
}

void postgres_cluster::want_poll(transaction_id id, store_handler<std::monostate> handler) {
    row_wishes wishes{{{id}}, {}};
    submit<std::monostate>(
        "ask for a poll", operation_kind::write, 1,
        [id = std::move(id)](database& db) { return note_wanted_poll(db, id); }, std::move(handler), std::move(wishes));
}

void postgres_cluster::tell_throttled(milliseconds pause) {
    // What is left when it is written: the call may have waited for its turn.
    const steady_time end = std::chrono::steady_clock::now() + pause;
    submit<std::monostate>(
        "tell of a pause", operation_kind::write, 1,
        [end](database& db) {
            const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
            if (left > milliseconds(0)) db.mail.note(mail_kind::throttled, left.count());
            return op_result<std::monostate>(std::monostate());
        },
        [](const op_result<std::monostate>& /*who is not told finds it by itself*/) {}, row_wishes());
}

void postgres_cluster::read_news(news_cursor after, store_handler<cluster_news> handler) {
    submit<cluster_news>(
        "read the news", operation_kind::read, 1,
        [this, after](database& db) {
            if (!has_missed_mail(db, after)) return read_cluster_news(db, after);
            give_place_up();
            auto end = read_cluster_news(db, {});
            if (end) end->controls_changed = end->replays_changed = true;
            return end;
        },
        std::move(handler));
}

/// What was missed cannot be read any more: the node joins again, and loads everything.
void postgres_cluster::give_place_up() {
    const std::lock_guard lock(mutex_);
    if (!lease_) return;
    with_.identity.lose(with_.identity.boot());
    lease_->look_at_identity();
}

void postgres_cluster::notify_others() {
    const std::lock_guard lock(mutex_);
    if (lease_) lease_->notify_others();
}

bool postgres_cluster::on_writer_fenced(const std::string& boot) {
    with_.identity.lose(boot);
    const std::lock_guard lock(mutex_);
    if (lease_) lease_->look_at_identity();
    return lease_ != nullptr;
}

void postgres_cluster::stop() {
    const std::lock_guard lock(mutex_);
    if (lease_) lease_->stop();
}

} // namespace prooftrack::store
