#include "engine/engine.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"

namespace prooftrack {
namespace {

/// So many rows go to the store in one call at a clean stop.
constexpr std::size_t rows_a_save = 1'000;
/// Above this many polls a second due polls are gathered for a millisecond: fewer, fuller turns of the loop.
constexpr double busy_rate = 500;
constexpr std::chrono::milliseconds gathering{1};

std::optional<steady_time> earlier(std::optional<steady_time> a, std::optional<steady_time> b) {
    if (!a) return b;
    return b ? std::min(*a, *b) : a;
}

} // namespace

tracker_options make_tracker_options(const configuration& config) {
    tracker_options options;
    options.rules.interval = config.poll.interval;
    options.rules.backoff = config.poll.backoff;
    options.rules.not_found_grace = config.poll.not_found_grace;
    options.rules.tail_interval = config.poll.tail_interval;
    options.rules.give_up_after = config.poll.give_up_after;
    options.rules.verify_after = config.poll.verify_after;
    options.max_rate = config.poll.max_rate;
    options.probe_interval = config.poll.probe_interval;
    return options;
}

engine::engine(configuration config, engine_doors doors, engine_hooks hooks, std::string version, std::uint64_t seed)
    : config_(std::move(config)), doors_(doors), hooks_(std::move(hooks)), version_(std::move(version)), random_(seed),
      started_at_(doors.clock.now().steady), config_standing_{doors.clock.now().wall, ""},
      poll_driver_(make_tracker_options(config_),
                   {doors.clock, random_, doors.remembered, doors.log, doors.counts,
                    [this](event_type type) { return delivery_driver_.callbacks().selecting(type); }, *this}),
      delivery_driver_(delivery_doors{doors.clock, doors.remembered, doors.sender, doors.log, *this},
                       callback_table(config_.callbacks, config_.callback_url), seed, [this] { arm(); }),
      feed_(doors.remembered, doors.clock),
      sessions_(doors.clock, doors.remembered, doors.log,
                {[this](transaction_id id, tracking_options options, std::optional<digest> session,
                        unique_function<void(std::optional<problem>)> handler) {
                     track_session(std::move(id), std::move(options), session, std::move(handler));
                 },
                 [this](const tracking_options& options) { return check_options(options); }, [this] { arm(); },
                 [this] { return poll_driver_.vouched_now(); }}),
      housekeeping_({doors.clock, doors.remembered, doors.log, doors.counts, poll_driver_, delivery_driver_, feed_},
                    [this] { arm(); }) {}

void engine::attach(proof_client& proof) {
    proof_ = &proof;
    poll_driver_.attach(proof);
    sessions_.attach(proof);
}

void engine::start(unique_function<void(op_result<std::monostate>)> ready) {
    doors_.remembered.load_consumers_and_lanes(
        [this, ready = std::move(ready)](op_result<store_status> status) mutable {
            if (!status) {
                ready(status.error());
                return;
            }
            feed_.restore(*status);
            if (!tells_callbacks() && status->consumers == 0) warn_of_no_listener();
            delivery_driver_.start(*status);
            doors_.remembered.load_active(
                [this](std::vector<active_transaction> rows) { poll_driver_.step(loaded_event{std::move(rows)}); },
                [this, ready = std::move(ready)](op_result<std::uint64_t> loaded) mutable {
                    on_loaded(std::move(ready), std::move(loaded));
                });
        });
}

void engine::on_loaded(unique_function<void(op_result<std::monostate>)> ready, op_result<std::uint64_t> loaded) {
    if (!loaded) {
        ready(loaded.error());
        return;
    }
    life_ = life::running;
    poll_driver_.step(started_event{});
    housekeeping_.start(doors_.clock.now(), config_.store);
    arm();
    ready(std::monostate{});
}

void engine::stop(milliseconds within, unique_function<void()> stopped) {
    life_ = life::stopping;
    poll_driver_.stop_polling();
    // Shared by the two that have to stop before the counters are saved: the second one goes on.
    auto left = std::make_shared<int>(2);
    auto then = std::make_shared<unique_function<void()>>(std::move(stopped));
    const auto one_less = [this, left, then] {
        if (--*left > 0) return;
        save_all([this, then] { doors_.remembered.close([then] { (*then)(); }); });
    };
    proof_->stop(within, one_less);
    delivery_driver_.stop(within, one_less);
}

void engine::save_all(unique_function<void()> saved) {
    std::vector<active_transaction> rows = poll_driver_.core().all(doors_.clock.now());
    for (std::size_t first = 0; first < rows.size(); first += rows_a_save) {
        const std::size_t last = std::min(rows.size(), first + rows_a_save);
        std::vector<active_transaction> part(std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(first)),
                                             std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(last)));
        doors_.remembered.save_facts(std::move(part),
                                     [](const op_result<std::monostate>& /*counters may fall back*/) {});
    }
    saved(); // whoever closes the store waits for all of it
}

void engine::reconfigure(configuration config) {
    config_ = std::move(config);
    config_standing_ = {doors_.clock.now().wall, ""};
    poll_driver_.step(options_changed_event{make_tracker_options(config_)});
    delivery_driver_.reconfigure(callback_table(config_.callbacks, config_.callback_url));
    housekeeping_.reconfigure(config_.store);
    if (!tells_callbacks()) {
        doors_.remembered.consumers([this](const op_result<std::vector<consumer_view>>& consumers) {
            if (consumers && consumers->empty()) warn_of_no_listener();
        });
    }
    arm();
}

void engine::on_reload_refused(std::string why) {
    if (why.empty()) why = "the log has the reason";
    config_standing_ = {doors_.clock.now().wall, std::move(why)};
}

bool engine::tells_callbacks() const { return !config_.callbacks.empty() || !config_.callback_url.allow_hosts.empty(); }

void engine::warn_of_no_listener() {
    doors_.log.write(log_event_id::config_no_listener,
                     {{"advice", "nobody is told of the end of a transaction: add a [[callback]], or read "
                                 "/v1/events as a named consumer"}});
}

void engine::on_token_changed() {
    std::vector<log_field> fields;
    for (const secret_view& one : secrets_in_use_) {
        if (one.name == "client_token") fields.emplace_back("fingerprint", join_fingerprints(one.fingerprints));
    }
    doors_.log.write(log_event_id::proof_token_changed, std::span<const log_field>(fields));
    poll_driver_.step(token_changed_event{});
    arm();
}

void engine::on_store_state(store_state state) {
    store_state_ = state;
    housekeeping_.on_store_state(state);
    delivery_driver_.on_store_state(state);
    arm();
}

void engine::on_token_wanted() {
    if (hooks_.reread_token) hooks_.reread_token();
}

void engine::on_recorded(const change_action& change, recorded_transition recorded) {
    if (recorded.seq && recorded.body) feed_.publish(*recorded.seq, *recorded.body);
    delivery_driver_.on_recorded(std::move(recorded));
    if (ends_wait(change.facts.state)) answer_waits(change.id);
    arm();
}

void engine::on_delivery(std::string_view callback, std::string_view result) {
    doors_.counts.on_delivery(callback, result);
}

void engine::on_callback(const callback_view& view) {
    doors_.counts.set_callback(view.name, view.backlog, view.dead, seconds(view.oldest_undelivered_seconds));
}

void engine::on_alarm() {
    const instant now = doors_.clock.now();
    is_arming_ = true; // once, at the end
    armed_for_.reset();
    poll_driver_.step(woken_event{}); // sees a jump by itself, before anything is judged; the deliveries do as well
    const bool has_jumped = housekeeping_.on_wake(now);
    if (has_jumped) proof_->retire_connections();
    delivery_driver_.on_wake(now);
    feed_.on_wake(now);
    sessions_.on_wake(now);
    while (auto waiting = waits_.take_expired(now.steady)) find_view(waiting->transaction, std::move(waiting->handler));
    is_arming_ = false;
    arm();
}

std::string engine::proof_standing() const {
    const proof_health& health = poll_driver_.core().health();
    std::string standing = health.standing();
    if (health.kind() == health_kind::ok) return standing.empty() ? "ok" : standing;
    const std::string_view kind = to_string(health.kind());
    return standing.empty() ? std::string(kind) : fmt::format("{}: {}", kind, standing);
}

std::string engine::summary() const {
    const tracker& core = poll_driver_.core();
    std::string line =
        fmt::format("{} pending, {:.0f} polls/s, Proof {}", core.open(), core.made_rate(), proof_standing());
    if (store_state_ == store_state::full) line += ", THE DISK IS FULL";
    if (!config_standing_.refusal.empty()) line += ", THE CONFIGURATION WAS REFUSED";
    return line;
}

void engine::arm() {
    if (is_arming_ || life_ == life::loading) return;
    const instant now = doors_.clock.now();
    std::optional<steady_time> polls = life_ == life::running ? poll_driver_.wake_due(now) : std::nullopt;
    if (polls && poll_driver_.core().wanted_rate() > busy_rate) polls = std::max(*polls, now.steady + gathering);
    std::optional<steady_time> wake = earlier(polls, delivery_driver_.next_wake());
    wake = earlier(wake, earlier(feed_.next_wake(), waits_.next_wake()));
    wake = earlier(wake, earlier(sessions_.next_wake(), housekeeping_.next_wake()));
    if (!wake || (armed_for_ && *armed_for_ <= *wake)) return; // an earlier alarm arms the later one
    armed_for_ = wake;
    doors_.wake_up.arm(*wake);
}

} // namespace prooftrack
