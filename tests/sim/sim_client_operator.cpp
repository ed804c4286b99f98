#include "sim/sim_client.hpp"

// What an operator does: callbacks that are paused, resumed and flushed, dismissals, maintenance.

namespace prooftrack::sim {
namespace {

constexpr seconds between_controls{7};

} // namespace

std::string sim_client::any_callback() {
    const auto& all = world_.config.callbacks;
    const auto place = static_cast<std::size_t>(world_.random.between(0, static_cast<std::int64_t>(all.size())));
    return place < all.size() ? all[place].name : "callback_url";
}

void sim_client::pause_callback() {
    if (!world_.is_up()) return;
    const std::string name = any_callback();
    const std::uint64_t asked = world_.watch.deliveries().pause_asked(name);
    const auto call = world_.watch.begin("pause", name);
    world_.daemon().calls().pause_callback(name, {}, [this, call, name, asked](const api::outcome<std::string>& done) {
        world_.watch.end(call);
        if (std::holds_alternative<std::string>(done)) world_.watch.deliveries().on_paused(name, asked);
    });
}

void sim_client::resume_callback() {
    if (world_.is_up()) resume(any_callback());
}

void sim_client::resume(const std::string& name) {
    world_.watch.deliveries().on_resume(name);
    const auto call = world_.watch.begin("resume", name);
    world_.daemon().calls().resume_callback(
        name, {}, [this, call](const api::outcome<std::string>&) { world_.watch.end(call); });
}

void sim_client::resume_all() {
    if (!world_.is_up()) return;
    for (const config::callback_config& one : world_.config.callbacks) resume(one.name);
    resume("callback_url");
}

void sim_client::flush_callback() {
    if (!world_.is_up()) return;
    const std::string name = any_callback();
    const auto call = world_.watch.begin("flush", name);
    world_.daemon().calls().flush_callback(
        name, {}, [this, call](const api::outcome<std::uint64_t>&) { world_.watch.end(call); });
}

void sim_client::dismiss() {
    if (!world_.is_up()) return;
    const auto call = world_.watch.begin("dismiss", "");
    if (deliveries_.empty() || world_.random.between(0, 2) == 0) {
        world_.daemon().calls().dismiss_dead(
            std::nullopt, "told", {}, [this, call](const api::outcome<std::uint64_t>&) { world_.watch.end(call); });
        learn_deliveries();
        return;
    }
    const auto last = static_cast<std::int64_t>(deliveries_.size()) - 1;
    const delivery_id id = std::next(deliveries_.begin(), world_.random.between(0, last))->second.id;
    world_.daemon().calls().dismiss_delivery(
        id, "", {}, [this, call](const api::outcome<track::delivery_view>&) { world_.watch.end(call); });
}

void sim_client::begin_maintenance() {
    if (!world_.is_up()) return;
    put_maintenance(true);
    const milliseconds span = world_.random.between(0, 2) == 0
                                  ? world_.some_milliseconds(milliseconds(0), seconds(10))
                                  : world_.some_milliseconds(seconds(10), std::chrono::minutes(15));
    world_.clock.after(span, [this] { end_maintenance(); });
}

void sim_client::end_maintenance() {
    world_.clock.after(between_controls, [this] {
        if (world_.disk.maintenance || !world_.is_up()) end_maintenance();
    });
    if (world_.is_up()) put_maintenance(false);
}

void sim_client::put_maintenance(bool wants_on) {
    const auto call = world_.watch.begin(wants_on ? "maintenance on" : "maintenance off", "");
    world_.watch.bands().on_disturbance();
    world_.watch.holds().on_call(wants_on);
    world_.daemon().calls().set_maintenance(
        wants_on, "", {}, [this, call](const api::outcome<std::optional<track::maintenance_mark>>& done) {
            world_.watch.end(call);
            world_.watch.bands().on_disturbance();
            const auto* mark = std::get_if<std::optional<track::maintenance_mark>>(&done);
            world_.watch.holds().on_answer(mark == nullptr ? std::nullopt : std::optional(mark->has_value()));
        });
}

/// The schedule of callback_urls is no setting, and longer than a run.

} // namespace prooftrack::sim
