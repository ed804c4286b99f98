#include "engine/engine.hpp"

#include <algorithm>
#include <utility>

namespace prooftrack::engine {
namespace {

/// Above this many polls a second due polls are gathered for a millisecond: fewer, fuller turns of the loop.
constexpr double busy_rate = 500;
constexpr std::chrono::milliseconds gathering{1};
/// What is left of a stop for the end of all parts, at least.
constexpr milliseconds shortest_end{100};

std::optional<steady_time> earlier(std::optional<steady_time> a, std::optional<steady_time> b) {
    if (!a) return b;
    return b ? std::min(*a, *b) : a;
}

} // namespace

engine::engine(
    config::configuration config, engine_dependencies deps, engine_hooks hooks, std::string version, std::uint64_t seed)
    : deps_(deps), hooks_(std::move(hooks)), random_(seed), audit_(deps.log),
      poll_driver_(
          make_tracker_options(config),
          {deps.clock, random_, deps.storage, deps.log, deps.counts,
           [this](track::event_type type) { return delivery_driver_.callbacks().selecting(type); }, *this}),
      delivery_driver_(
          delivery_dependencies{deps.clock, deps.storage, deps.sender, deps.log, *this},
          callback_table(config.callbacks, config.callback_url, config.network.plain_http_hosts), seed,
          [this] { arm(); }),
      feed_(deps.storage, deps.clock, numbers_, [this] { arm(); }),
      housekeeping_(
          {deps.clock, deps.storage, deps.log, deps.counts, poll_driver_, delivery_driver_, feed_}, [this] { arm(); }),
      hold_(deps.clock, deps.log, poll_driver_, delivery_driver_),
      replay_runner_(
          {deps.clock, deps.storage, deps.log, deps.counts, delivery_driver_,
           [this](std::uint8_t shard) { return poll_driver_.holds(shard); }},
          [this] { arm(); }),
      life_(
          {deps.clock, deps.storage, deps.log, poll_driver_, delivery_driver_, feed_, housekeeping_, state_, hold_},
          std::move(config), [this] { arm(); }),
      shards_(
          {deps.storage, poll_driver_, delivery_driver_, feed_, replay_runner_, hold_,
           [this](std::size_t nodes) { life_.share_among(nodes); }}),
      cluster_({deps.clock, deps.log, deps.counts, deps.storage.cluster(), shards_, life_.config(), [this] { arm(); }}),
      views_(deps.storage, poll_driver_, [this](std::uint8_t shard) { return cluster_.owner_of(shard); }),
      intake_({deps.clock, life_.config(), delivery_driver_.callbacks(), state_}),
      lookup_({deps.clock, deps.storage, views_, delivery_driver_, numbers_}, [this] { arm(); }),
      changes_(deps.storage, poll_driver_, views_, audit_),
      options_({deps.storage, poll_driver_, views_, intake_, audit_}), bulk_(deps.storage, poll_driver_, audit_),
      tracking_({deps.storage, deps.log, poll_driver_, views_, changes_, intake_, audit_}),
      session_service_(deps.clock, deps.storage, deps.log, hooks_of_sessions()), sessions_(session_service_, audit_),
      deliveries_(deps.storage, delivery_driver_, audit_),
      controls_(deps.clock, deps.storage, delivery_driver_, audit_),
      replays_({deps.clock, deps.storage, delivery_driver_, replay_runner_, audit_}),
      consumers_(deps.clock, deps.storage, audit_),
      status_(
          {deps.clock, deps.storage, deps.counts, poll_driver_.core(), delivery_driver_, housekeeping_, state_,
           life_.standing(), &cluster_},
          std::move(version)),
      operators_(deps.storage, audit_, hooks_.set_log_level),
      maintenance_(deps.clock, deps.storage, state_, hold_, audit_),
      calls_(
          {tracking_, lookup_, changes_, options_, bulk_, sessions_, feed_, deliveries_, controls_, replays_,
           consumers_, status_, operators_, maintenance_}) {
    feed_.on_foreign([this](const std::string& frozen) { lookup_.on_foreign_event(frozen); });
    if (cluster_.is_clustered()) {
        poll_driver_.hold_nothing();
        delivery_driver_.hold_nothing();
    }
}

session_hooks engine::hooks_of_sessions() {
    return {
        [this](transaction_id id, api::tracking_options options, std::optional<store::digest> session) {
            return tracking_.track_session(std::move(id), std::move(options), session);
        },
        [this](const api::tracking_options& options) { return intake_.check(options); }, [this] { arm(); },
        [this] { return poll_driver_.vouched_now(); }};
}

void engine::attach(proof::proof_client& proof) {
    proof_ = &proof;
    poll_driver_.attach(proof);
    session_service_.attach(proof);
}

void engine::start(unique_function<void(op_result<std::monostate>)> ready) {
    prooftrack::start(life_.begin(), [this, ready = std::move(ready)](op_result<std::monostate> begun) mutable {
        if (!begun) return ready(std::move(begun));
        replay_runner_.start();
        cluster_.start([ready = std::move(ready)]() mutable { ready(std::monostate{}); });
    });
}

void engine::stop(milliseconds within, unique_function<void()> stopped) {
    replay_runner_.stop();
    const steady_time deadline = deps_.clock.now().steady + within;
    const milliseconds least = std::min(within, shortest_end);
    cluster_.stop(within, [this, deadline, least, stopped = std::move(stopped)]() mutable {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - deps_.clock.now().steady);
        prooftrack::start(life_.end(*proof_, std::max(left, least)), std::move(stopped));
    });
}

void engine::on_token_changed() {
    std::vector<observe::log_field> fields;
    for (const secret_view& one : status_.secrets()) {
        if (one.name == "client_token") fields.emplace_back("fingerprint", join_fingerprints(one.fingerprints));
    }
    deps_.log.write(observe::log_event_id::proof_token_changed, std::span<const observe::log_field>(fields));
    poll_driver_.step(track::token_changed_event{});
    arm();
}

void engine::on_store_state(track::store_state state) {
    state_.disk = state;
    housekeeping_.on_store_state(state);
    delivery_driver_.on_store_state(state);
    arm();
}

void engine::on_token_wanted() {
    if (hooks_.reread_token) hooks_.reread_token();
}

void engine::on_recorded(const track::change_action& change, store::recorded_transition recorded) {
    if (recorded.seq && recorded.body) feed_.publish(*recorded.seq, *recorded.body);
    delivery_driver_.on_recorded(std::move(recorded));
    if (ends_wait(change.facts.state)) lookup_.on_ended(change.id);
    arm();
}

void engine::on_delivery(std::string_view callback, std::string_view result) {
    deps_.counts.on_delivery(callback, result);
}

void engine::on_callback(const callback_view& view) {
    deps_.counts.set_callback(view.name, view.backlog, view.dead, seconds(view.oldest_undelivered_seconds));
    deps_.counts.set_paused(view.name, view.paused_since.has_value());
}

void engine::on_alarm() {
    const instant now = deps_.clock.now();
    is_arming_ = true; // once, at the end
    armed_for_.reset();
    poll_driver_.on_wake(); // sees a jump by itself, before anything is judged; the deliveries do as well
    const bool has_jumped = housekeeping_.on_wake(now);
    if (has_jumped) proof_->retire_connections();
    delivery_driver_.on_wake(now);
    replay_runner_.on_wake(now);
    feed_.on_wake(now);
    session_service_.on_wake(now);
    lookup_.on_wake(now);
    cluster_.on_wake(now);
    is_arming_ = false;
    arm();
}

void engine::arm() {
    if (is_arming_ || state_.life == daemon_state::phase::loading) return;
    const instant now = deps_.clock.now();
    const bool is_running = state_.life == daemon_state::phase::running;
    std::optional<steady_time> polls = is_running ? poll_driver_.wake_due(now) : std::nullopt;
    if (polls && poll_driver_.core().wanted_rate() > busy_rate) polls = std::max(*polls, now.steady + gathering);
    std::optional<steady_time> wake = earlier(polls, delivery_driver_.next_wake());
    wake = earlier(wake, earlier(feed_.next_wake(), lookup_.next_wake()));
    wake = earlier(wake, earlier(replay_runner_.next_wake(), cluster_.next_wake()));
    wake = earlier(wake, earlier(session_service_.next_wake(), housekeeping_.next_wake()));
    if (!wake || (armed_for_ && *armed_for_ <= *wake)) return; // an earlier alarm arms the later one
    armed_for_ = wake;
    deps_.wake_up.arm(*wake);
}

} // namespace prooftrack::engine
