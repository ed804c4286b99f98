#include "engine/delivery/callback_controls.hpp"

#include <map>
#include <utility>

#include "engine/delivery/delivery_log.hpp"

namespace prooftrack::engine {
namespace {

std::uint64_t backlog_of(const store::store_status& status, std::string_view callback) {
    std::uint64_t backlog = 0;
    for (const auto& [name, lane] : status.lanes) {
        if (lane.callback == callback) backlog += lane.pending;
    }
    return backlog;
}

op_result<std::monostate> without_value(const op_result<std::optional<wall_time>>& done) {
    if (!done) return done.error();
    return std::monostate{};
}

} // namespace

void callback_controls::start(const store::store_status& status, instant now) {
    for (const auto& [callback, since] : status.pauses) {
        context_.pauses.begin(callback, since, now.steady);
        log_paused(context_.deps.log, callback, since, backlog_of(status, callback));
    }
    for (const auto& [name, slot] : context_.lanes.slots()) {
        if (context_.pauses.contains(callback_of_lane(name))) slot->lane.pause();
    }
}

void callback_controls::follow(const store::store_status& status, instant now) {
    const std::map<std::string, wall_time> known = context_.pauses.all();
    for (const auto& [callback, since] : known) {
        const auto there = status.pauses.find(callback);
        if (there == status.pauses.end()) {
            end_pause(callback, now);
        } else if (there->second != since) {
            context_.pauses.end(callback); // ended and set again: its lanes stay paused in between
        }
    }
    for (const auto& [callback, since] : status.pauses) begin_pause(callback, since, backlog_of(status, callback), now);
}

void callback_controls::pause(std::string callback, store::store_handler<std::monostate> handler) {
    const wall_time now = context_.deps.clock.now().wall;
    std::string name = callback;
    context_.deps.storage.set_paused(
        std::move(callback), now,
        [this, name = std::move(name),
         handler = std::move(handler)](const op_result<std::optional<wall_time>>& since) mutable {
            on_paused(name, since);
            handler(without_value(since));
        });
}

void callback_controls::on_paused(const std::string& callback, const op_result<std::optional<wall_time>>& since) {
    const instant now = host_.enter();
    if (!since) {
        host_.on_store_error(since.error(), now);
    } else {
        begin_pause(callback, since->value_or(now.wall), std::nullopt, now);
    }
    host_.leave();
}

void callback_controls::begin_pause(
    const std::string& callback, wall_time since, std::optional<std::uint64_t> backlog, instant now) {
    if (!context_.pauses.begin(callback, since, now.steady)) return;
    context_.fresh.clear(); // those that wait for this callback would stay for ever
    change_lanes(callback, now, [](track::delivery_lane& lane) { lane.pause(); });
    log_paused(context_.deps.log, callback, since, backlog);
}

void callback_controls::resume(std::string callback, store::store_handler<std::monostate> handler) {
    std::string name = callback;
    context_.deps.storage.set_paused(
        std::move(callback), std::nullopt,
        [this, name = std::move(name),
         handler = std::move(handler)](const op_result<std::optional<wall_time>>& done) mutable {
            on_resumed(name, done);
            handler(without_value(done));
        });
}

void callback_controls::on_resumed(const std::string& callback, const op_result<std::optional<wall_time>>& done) {
    const instant now = host_.enter();
    if (!done) {
        host_.on_store_error(done.error(), now);
    } else {
        end_pause(callback, now);
    }
    host_.leave();
}

void callback_controls::end_pause(const std::string& callback, instant now) {
    const auto since = context_.pauses.end(callback);
    if (!since) return;
    change_lanes(callback, now, [](track::delivery_lane& lane) { lane.resume(); });
    log_resumed(context_.deps.log, callback, *since);
}

void callback_controls::flush(std::string callback, store::store_handler<std::uint64_t> handler) {
    const wall_time now = context_.deps.clock.now().wall;
    std::string name = callback;
    context_.deps.storage.flush_callback(
        std::move(callback), now,
        [this, name = std::move(name), handler = std::move(handler)](op_result<std::uint64_t> count) mutable {
            on_flushed(name, count);
            handler(std::move(count));
        });
}

void callback_controls::on_flushed(const std::string& callback, const op_result<std::uint64_t>& count) {
    const instant now = host_.enter();
    if (!count) host_.on_store_error(count.error(), now);
    change_lanes(callback, now, [now, is_done = count.has_value()](track::delivery_lane& lane) {
        lane.invalidate(); // the store has new times, after an error of a part of them
        if (is_done) lane.health().try_now(now.steady);
    });
    host_.leave();
}

void callback_controls::remind(const store::store_status& status) {
    for (const std::string& callback : context_.pauses.take_reminders(context_.deps.clock.now().steady)) {
        const auto since = context_.pauses.all().at(callback);
        log_paused(context_.deps.log, callback, since, backlog_of(status, callback));
    }
}

template <class Change>
void callback_controls::change_lanes(std::string_view callback, instant now, Change change) {
    for (const track::lane_number number : context_.lanes.numbers()) {
        delivery_slot* const slot = context_.lanes.find(number);
        if (slot == nullptr || callback_of_lane(slot->name) != callback) continue;
        change(slot->lane);
        host_.feed(*slot, now);
    }
}

} // namespace prooftrack::engine
