#include "engine/engine_life.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace prooftrack::engine {

track::tracker_options make_tracker_options(const config::configuration& config, std::size_t sharing) {
    track::tracker_options options;
    options.rules.interval = config.poll.interval;
    options.rules.backoff = config.poll.backoff;
    options.rules.not_found_grace = config.poll.not_found_grace;
    options.rules.tail_interval = config.poll.tail_interval;
    options.rules.give_up_after = config.poll.give_up_after;
    options.rules.verify_after = config.poll.verify_after;
    const std::size_t share = (config.poll.max_rate + sharing - 1) / sharing; // 0 = no limit stays 0
    options.max_rate = static_cast<std::uint32_t>(share);
    options.probe_interval = config.poll.probe_interval;
    return options;
}

task<op_result<std::monostate>> engine_life::begin() {
    const auto status = co_await call(parts_.storage, &store::store::status);
    if (!status) co_return status.error();
    parts_.feed.restore(*status);
    if (!tells_callbacks() && status->consumers == 0) warn_of_no_listener();
    if (status->maintenance) parts_.hold.follow(status->maintenance, "");
    parts_.deliveries.start(*status);
    if (parts_.storage.cluster() == nullptr) { // else each shard's transactions come when it is taken up
        const auto loaded = co_await call(*this, &engine_life::load);
        if (!loaded) co_return loaded.error();
    }
    parts_.state.life = daemon_state::phase::running;
    parts_.polls.step(track::started_event{});
    parts_.upkeep.start(parts_.clock.now(), config_.store);
    wake_changed_();
    co_return std::monostate{};
}

void engine_life::load(store::store_handler<std::uint64_t> loaded) {
    auto on_chunk = alive_.guarded([this](std::vector<track::active_transaction> rows) {
        parts_.polls.step(track::loaded_event{std::move(rows)});
    });
    parts_.storage.load_active(std::move(on_chunk), std::move(loaded));
}

task<> engine_life::end(proof::proof_client& proof, milliseconds within) {
    parts_.state.life = daemon_state::phase::stopping;
    parts_.polls.stop_polling();
    auto stop = [this, &proof, within](unique_function<void()> stopped) {
        stop_both(proof, within, std::move(stopped));
    };
    co_await call<void>(stop);
    save_counters();
    co_await call(parts_.storage, &store::store::close); // which waits for all of it
}

/// Both at once; `stopped` runs with the second one's end.
void engine_life::stop_both(proof::proof_client& proof, milliseconds within, unique_function<void()> stopped) {
    auto left = std::make_shared<int>(2);
    auto then = std::make_shared<unique_function<void()>>(std::move(stopped));
    const auto one_less = [left, then] {
        if (--*left == 0) (*then)();
    };
    proof.stop(within, one_less);
    parts_.deliveries.stop(within, one_less);
}

void engine_life::save_counters() {
    parts_.polls.save(parts_.polls.core().all(parts_.clock.now()));
}

void engine_life::reconfigure(config::configuration config) {
    config_ = std::move(config);
    standing_ = {parts_.clock.now().wall, ""};
    apply_limits();
    parts_.upkeep.reconfigure(config_.store);
    if (!tells_callbacks()) start(warn_if_nobody_reads());
    wake_changed_();
}

void engine_life::share_among(std::size_t nodes) {
    if (nodes == nodes_) return;
    nodes_ = nodes;
    apply_limits();
    wake_changed_();
}

void engine_life::apply_limits() {
    parts_.polls.step(track::options_changed_event{make_tracker_options(config_, nodes_)});
    parts_.deliveries.reconfigure(
        callback_table(config_.callbacks, config_.callback_url, config_.network.plain_http_hosts, nodes_));
}

void engine_life::on_reload_refused(std::string why) {
    if (why.empty()) why = "the log has the reason";
    standing_ = {parts_.clock.now().wall, std::move(why)};
}

bool engine_life::tells_callbacks() const {
    return !config_.callbacks.empty() || !config_.callback_url.allow_hosts.empty();
}

task<> engine_life::warn_if_nobody_reads() {
    const auto consumers = co_await call(parts_.storage, &store::store::consumers);
    if (consumers && consumers->empty()) warn_of_no_listener();
}

void engine_life::warn_of_no_listener() {
    parts_.log.write(
        observe::log_event_id::config_no_listener,
        {{"advice", "nobody is told of the end of a transaction: add a [[callback]], or read "
                    "/v1/events as a named consumer"}});
}

} // namespace prooftrack::engine
