#pragma once

// What a store does that several daemons (nodes) share, beyond the interface of every store. PostgreSQL's is one.
//
// Each shard has at most one owner, which polls its transactions and makes their deliveries. Everybody may read and
// change every transaction: a change is bound to the row's revision, and the owner hears of it by the news. Commits
// take turns, so that the numbers of rows, events and deliveries have no gaps and each node sees them in one order.
//
// A node is trusted for a while after the start of its last heartbeat. Then the others take its shards, and from that
// moment on nothing that it still tries to write is taken (it is fenced), until it has joined anew.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/shards.hpp"
#include "base/time.hpp"
#include "store/store.hpp"

namespace prooftrack::store {

/// The others take the shards of a node whose last heartbeat is so old by the database's clock.
inline constexpr milliseconds lease_length{4'000};
/// The node itself trusts its lease for so long after the start of its last good heartbeat, by the time since its
/// machine's boot: a machine that was suspended wakes without a lease.
inline constexpr milliseconds lease_trust{3'000};

enum class node_state : std::uint8_t {
    living,
    leaving, ///< it is stopping: it hands its shards over and takes none
    gone,    ///< it stopped, or its lease ran out; kept for an hour
};
std::string_view to_string(node_state state);

struct cluster_node {
    std::string id;
    node_state state = node_state::living;
    std::string version;
    std::size_t shards = 0; ///< that it owns
    seconds seen_ago{0};    ///< since its last heartbeat, by the database's clock
};

/// How shards came to an owner.
enum class shard_gain : std::uint8_t {
    unowned,     ///< nobody had them: the first start, or the first one after all were stopped
    handed_over, ///< their owner let them go and had saved what it knew
    taken_over,  ///< their owner's lease ran out
};
std::string_view to_string(shard_gain how);

/// Who took what, and when.
struct shard_move {
    wall_time at{};
    std::string node;
    std::string former; ///< owner, "" = nobody
    std::size_t shards = 0;
    shard_gain how = shard_gain::unowned;
};

struct cluster_view {
    std::string node;                               ///< this one
    std::vector<cluster_node> nodes;                ///< in the order of their ids
    std::array<std::int16_t, shard_count> owners{}; ///< index into `nodes`; -1 = nobody
    shard_set owned;                                ///< by this node
    shard_set wanted;                               ///< that belong to this node now that these nodes are living
    std::size_t sharing = 1;                        ///< living nodes, at least 1: the limits are divided by it
    std::vector<shard_move> moves;                  ///< the latest 50, the newest first

    /// The owner of a shard, "" = nobody.
    std::string_view owner_of(std::uint8_t shard) const {
        const std::int16_t index = owners.at(shard);
        return index < 0 ? std::string_view() : std::string_view(nodes.at(static_cast<std::size_t>(index)).id);
    }
};

/// Called on the loop.
class cluster_observer {
  public:
    virtual ~cluster_observer() = default;
    /// What this node holds is its own until then, as clock_source::since_boot counts. Later nothing may be polled or
    /// delivered.
    virtual void on_lease(steady_duration until) = 0;
    /// These shards are this node's. `silent`: for how long their former owner has not been heard of.
    virtual void on_gained(const shard_set& shards, shard_gain how, milliseconds silent) = 0;
    /// At each heartbeat, and at once when it has changed who is there or who owns what; behind `on_gained`.
    virtual void on_view(const cluster_view& view) = 0;
    /// Others may have committed something: `read_news`.
    virtual void on_news() = 0;
    /// The others took this node for gone: it owns nothing. It joins again by itself; `on_gained` follows then.
    virtual void on_fenced(const std::string& why) = 0;
};

/// How far the news were read. Begins with what `read_news` gives for a default one: its end, and what is in force.
struct news_cursor {
    std::int64_t row = -1; ///< transactions up to this row are known
    std::int64_t mail = -1;
};

/// What other nodes committed since. Lists may name what this node did itself.
struct cluster_news {
    news_cursor next;
    bool more = false; ///< read on at once
    event_seq first_seq{};
    event_seq last_seq{};
    /// Of held shards, new or changed, as they are now; also such that are not watched (any more).
    std::vector<track::active_transaction> rows;
    std::vector<transaction_id> wanted_polls; ///< of held shards: a user or a hint asks for a poll now
    std::vector<std::string> lanes;           ///< what is due on these lanes is to be read again
    std::vector<delivery_id> retried;         ///< of held shards: their schedules were started anew by hand
    bool controls_changed = false;            ///< pauses or maintenance: read the status
    bool replays_changed = false;             ///< one began, or was cancelled
    /// Proof has answered another node 429: so much is left of the longest pause. Also in the first answer of all, then
    /// of any node.
    std::optional<milliseconds> throttled;
};

/// Calls come from the loop and return at once; handlers run on the loop in the order of the calls, also of those of
/// `store`.
class cluster_store {
  public:
    virtual ~cluster_store() = default;

    /// Joins, and reports to `observer` from now on; it must outlive the store. Called once.
    virtual void join(cluster_observer& observer) = 0;

    /// From now on these shards are held as well: their deliveries are given out, and changes of them by other nodes
    /// are news. Then their watched transactions in chunks, as of store::load_active.
    virtual void take_up(
        const shard_set& shards, unique_function<void(std::vector<track::active_transaction>)> on_chunk,
        store_handler<std::uint64_t> done) = 0;
    /// These are not held any more: no delivery of them is given out. They are still owned.
    virtual void let_go(const shard_set& shards, store_handler<std::monostate> handler) = 0;
    /// Everything of them is committed, and they are free for another node; `let_go` came before. Those that are not
    /// owned are left as they are.
    virtual void hand_over(const shard_set& shards) = 0;
    /// This node is stopping: all of its shards belong to others from now on, as the next view says.
    virtual void leave() = 0;

    /// The owner polls it soon, or whoever takes its shard up next. not_found when there is none, or when it is not
    /// watched.
    virtual void want_poll(transaction_id id, store_handler<std::monostate> handler) = 0;
    /// Proof has answered this node 429, and it polls nothing for so long: the others are told. One that is not told,
    /// because this cannot be written, finds it by itself.
    virtual void tell_throttled(milliseconds pause) = 0;
    virtual void read_news(news_cursor after, store_handler<cluster_news> handler) = 0;
};

} // namespace prooftrack::store
