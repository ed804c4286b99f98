#include "sim/cluster_client.hpp"

namespace prooftrack::sim {
namespace {

transaction_id to_id(const std::string& id) { return *transaction_id::parse(id); }

constexpr milliseconds between_tries{1'500};

} // namespace

cluster_client::options cluster_client::draw_options() {
    random_source& random = world_.random;
    return {static_cast<int>(random.between(1, 3)), random.between(0, 2) == 0 ? 1 : 0};
}

api::tracking_options cluster_client::to_tracking(const options& wanted) {
    api::tracking_options made;
    made.metadata = fmt::format(R"({{"n":{}}})", wanted.metadata);
    made.metadata_canonical = made.metadata;
    if (wanted.url != 0) made.callback_url = fmt::format("https://tx.shop.example/{}", wanted.url);
    return made;
}

std::string cluster_client::any_id() {
    return ids_[static_cast<std::size_t>(world_.random.between(0, static_cast<std::int64_t>(ids_.size()) - 1))];
}

std::string cluster_client::any_callback() {
    const auto& all = world_.config.callbacks;
    const auto place = static_cast<std::size_t>(world_.random.between(0, static_cast<std::int64_t>(all.size())));
    return place < all.size() ? all[place].name : "callback_url";
}

// ---- tracking

void cluster_client::post_until_acknowledged(const std::string& id) {
    if (!options_.contains(id)) {
        ids_.push_back(id);
        options_[id] = draw_options();
        world_.proof.transactions.emplace(id, world_.proof.draw_truth(world_.clock.now().steady));
    }
    if (acknowledged_[id]) return;
    world_.clock.after(between_tries, [this, id] { post_until_acknowledged(id); });
    if (node* at = world_.any_node())
        world_.on_node(*at, [this, id](node& chosen) { post(chosen, id, options_.at(id)); });
}

void cluster_client::post(node& at, const std::string& id, const options& wanted) {
    if (!world_.watch.has_room(id)) return;
    ++calls_;
    const asked_options asked{wanted.metadata, wanted.url, world_.config.poll.overdue_after};
    const auto call = world_.watch.begin_post(at.self, id, asked);
    at.life->daemon().calls().track(
        {to_id(id), to_tracking(wanted)}, {}, [this, call, id](const api::outcome<api::tracked>& done) {
            cluster_oracle& watch = world_.watch;
            if (const auto* good = std::get_if<api::tracked>(&done)) {
                watch.end(call, good->created ? call_effect::created : call_effect::existing);
                acknowledged_[id] = true;
                if (!world_.disk.transactions.contains(id)) watch.blame(id, "was acknowledged and is not durable");
            } else if (std::get<api::problem>(done).code == api::problem_code::already_tracked) {
                watch.end(call, call_effect::conflict);
                acknowledged_[id] = true;
            } else {
                watch.refuse(call);
            }
        });
}

void cluster_client::on_changed(
    const cluster_oracle::call& call, call_effect good, const api::outcome<track::transaction_view>& done) {
    cluster_oracle& watch = world_.watch;
    const auto* refused = std::get_if<api::problem>(&done);
    if (refused == nullptr) {
        watch.end(call, good);
    } else if (refused->code == api::problem_code::already_ended) {
        watch.end(call, call_effect::already_ended);
    } else if (refused->code == api::problem_code::unknown_transaction) {
        watch.end(call, call_effect::unknown);
    } else {
        watch.end_unknown(call); // the reading after it may be what failed
    }
}

void cluster_client::untrack(node& at, const std::string& id) {
    if (!world_.watch.has_room(id)) return;
    const auto call = world_.watch.begin_untrack(at.self, id);
    at.life->daemon().calls().untrack(to_id(id), {}, [this, call](const api::outcome<track::transaction_view>& done) {
        on_changed(call, call_effect::untracked, done);
    });
}

void cluster_client::change(node& at, const std::string& id) {
    if (!world_.watch.has_room(id)) return;
    const options drawn = draw_options();
    const api::tracking_options whole = to_tracking(drawn);
    const std::int64_t what = world_.random.between(0, 2);
    api::options_patch patch;
    if (what != 1) patch.metadata = api::options_patch::metadata_text{whole.metadata, whole.metadata_canonical};
    patch.sets_callback_url = what != 0;
    if (what != 0) patch.callback_url = whole.callback_url;
    const auto metadata = what != 1 ? std::optional(drawn.metadata) : std::nullopt;
    const auto url = what != 0 ? std::optional(drawn.url) : std::nullopt;
    const auto call = world_.watch.begin_change(at.self, id, metadata, url);
    at.life->daemon().calls().set_options(
        to_id(id), patch, {}, [this, call](const api::outcome<track::transaction_view>& done) {
            on_changed(call, call_effect::changed, done);
        });
}

// ---- looking

void cluster_client::get(node& at, const std::string& id) { wait(at, id); }

void cluster_client::wait(node& at, const std::string& id) {
    const milliseconds longest =
        world_.random.between(0, 1) == 0 ? milliseconds(0) : world_.some_milliseconds(milliseconds(1), seconds(40));
    const auto call = world_.watch.begin(at.self, "GET", id);
    at.life->daemon().calls().get(to_id(id), longest, [this, call](const api::outcome<track::transaction_view>& done) {
        if (const auto* view = std::get_if<track::transaction_view>(&done)) {
            world_.watch.look(call, *view);
        } else if (std::get<api::problem>(done).code == api::problem_code::unknown_transaction) {
            world_.watch.look(call, std::nullopt);
        } else {
            world_.watch.end(call);
        }
    });
}

void cluster_client::poll(node& at, const std::string& id) {
    const auto call = world_.watch.begin(at.self, "poll", id);
    at.life->daemon().calls().poll_now(
        to_id(id), {}, [this, call](const api::outcome<std::monostate>&) { world_.watch.end(call); });
}

void cluster_client::hint(node& at, const std::string& id) {
    const auto call = world_.watch.begin(at.self, "hint", id);
    at.life->daemon().calls().hint(
        to_id(id), [this, call](const api::outcome<std::monostate>&) { world_.watch.end(call); });
}

void cluster_client::read_events(node& at) {
    const auto after =
        static_cast<std::uint64_t>(world_.random.between(0, static_cast<std::int64_t>(world_.disk.last_seq)));
    const milliseconds longest(world_.random.between(0, 1) == 0 ? 0 : 20'000);
    const auto call = world_.watch.begin(at.self, "events", "");
    at.life->daemon().calls().events(
        event_seq{after}, 50, longest,
        [this, call, after, is_old = !at.faults.is_cut && world_.watch.is_known_everywhere(after + 1),
         name = at.self.name](const api::outcome<api::event_list>& done) {
            world_.watch.end(call);
            if (const auto* page = std::get_if<api::event_list>(&done)) {
                world_.watch.on_page(after, *page, name);
                if (page->events.empty() && is_old)
                    world_.watch.broken().add("{} reads nothing behind event {}", name, after);
            } else if (std::get<api::problem>(done).code == api::problem_code::cursor_gone) {
                world_.watch.broken().add("the events after {} are gone on {}", after, name);
            }
        });
}

// ---- deliveries

void cluster_client::learn_deliveries(node& at) {
    track::delivery_query request;
    request.limit = 200;
    const auto call = world_.watch.begin(at.self, "deliveries", "");
    at.life->daemon().calls().deliveries(
        std::move(request), [this, call](const api::outcome<track::delivery_page>& done) {
            world_.watch.end(call);
            if (const auto* all = std::get_if<track::delivery_page>(&done)) deliveries_ = all->deliveries;
        });
}

void cluster_client::retry(node& at) {
    if (deliveries_.empty() || world_.random.between(0, 2) == 0) {
        learn_deliveries(at);
        return;
    }
    const auto last = static_cast<std::int64_t>(deliveries_.size()) - 1;
    const track::delivery_view& one = deliveries_[static_cast<std::size_t>(world_.random.between(0, last))];
    world_.watch.deliveries().on_retry(one.event_id, one.callback);
    const auto call = world_.watch.begin(at.self, "retry " + one.event_id, one.transaction.str());
    at.life->daemon().calls().retry_delivery(
        one.id, {}, [this, call](const api::outcome<std::monostate>&) { world_.watch.end(call); });
}

void cluster_client::retry_dead(node& at) {
    world_.watch.deliveries().on_retry_of_dead();
    const auto call = world_.watch.begin(at.self, "retry dead", "");
    at.life->daemon().calls().retry_dead(
        std::nullopt, {}, [this, call](const api::outcome<std::uint64_t>&) { world_.watch.end(call); });
}

void cluster_client::pause(node& at, const std::string& callback) {
    world_.watch.on_pause_asked(callback);
    const auto call = world_.watch.begin(at.self, "pause", "");
    at.life->daemon().calls().pause_callback(
        callback, {}, [this, call, callback](const api::outcome<std::string>& done) {
            world_.watch.end(call);
            // Another call may have been answered first: what is stored counts.
            if (std::holds_alternative<std::string>(done) && world_.disk.pauses.contains(callback))
                world_.watch.on_paused(callback);
        });
}

void cluster_client::resume(node& at, const std::string& callback) {
    world_.watch.on_resume(callback);
    const auto call = world_.watch.begin(at.self, "resume", "");
    at.life->daemon().calls().resume_callback(callback, {}, [this, call, callback](const api::outcome<std::string>&) {
        world_.watch.on_resume(callback);
        world_.watch.end(call);
    });
}

void cluster_client::flush(node& at, const std::string& callback) {
    const auto call = world_.watch.begin(at.self, "flush", "");
    at.life->daemon().calls().flush_callback(
        callback, {}, [this, call](const api::outcome<std::uint64_t>&) { world_.watch.end(call); });
}

void cluster_client::dismiss(node& at) {
    const auto call = world_.watch.begin(at.self, "dismiss", "");
    at.life->daemon().calls().dismiss_dead(
        std::nullopt, "told", {}, [this, call](const api::outcome<std::uint64_t>&) { world_.watch.end(call); });
}

void cluster_client::replay(node& at) {
    api::replay_request request;
    request.query.callback = "backend";
    request.query.types = {"transaction.*"};
    request.query.only_missing = world_.random.between(0, 1) == 0;
    const auto call = world_.watch.begin(at.self, "replay", "");
    at.life->daemon().calls().begin_replay(
        std::move(request), {}, [this, call](const api::outcome<track::replay_view>&) { world_.watch.end(call); });
}

void cluster_client::cancel_replay(node& at) {
    if (world_.disk.replays.empty()) return;
    const replay_id last = world_.disk.replays.rbegin()->first;
    const auto call = world_.watch.begin(at.self, "cancel replay", "");
    at.life->daemon().calls().cancel_replay(
        last, {}, [this, call](const api::outcome<track::replay_view>&) { world_.watch.end(call); });
}

void cluster_client::maintain(node& at, bool wants_on) {
    world_.watch.on_maintenance(false);
    const auto call = world_.watch.begin(at.self, wants_on ? "maintenance on" : "maintenance off", "");
    at.life->daemon().calls().set_maintenance(
        wants_on, "", {}, [this, call, wants_on](const api::outcome<std::optional<track::maintenance_mark>>& done) {
            world_.watch.end(call);
            const bool is_on = wants_on && std::holds_alternative<std::optional<track::maintenance_mark>>(done) &&
                               world_.disk.maintenance;
            world_.watch.on_maintenance(is_on);
        });
    if (!wants_on) return;
    world_.clock.after(world_.some_milliseconds(seconds(1), seconds(20)), [this] { end_maintenance(); });
}

void cluster_client::end_maintenance() {
    if (node* const chosen = world_.any_node()) world_.on_node(*chosen, [this](node& at) { maintain(at, false); });
    world_.clock.after(seconds(5), [this] {
        if (world_.disk.maintenance) end_maintenance();
    });
}

// ---- any of them

void cluster_client::call_something() {
    node* const chosen = world_.any_node();
    if (chosen == nullptr || ids_.empty()) return;
    const auto dice = world_.random.between(0, 99);
    world_.on_node(*chosen, [this, dice, id = any_id(), callback = any_callback()](node& at) {
        ++calls_;
        if (dice < 25) return get(at, id);
        if (dice < 35) return read_events(at);
        if (dice < 45) return poll(at, id);
        if (dice < 50) return hint(at, id);
        if (dice < 57) return untrack(at, id);
        if (dice < 67) return post(at, id, options_.contains(id) ? options_.at(id) : draw_options());
        if (dice < 72) return post(at, id, draw_options());
        if (dice < 82) return change(at, id);
        if (dice < 87) return retry(at);
        if (dice < 89) return retry_dead(at);
        if (dice < 92) return pause(at, callback);
        if (dice < 95) return resume(at, callback);
        if (dice < 96) return flush(at, callback);
        if (dice < 97) return dismiss(at);
        if (dice < 98) return replay(at);
        if (dice < 99) return cancel_replay(at);
        maintain(at, true);
    });
}

void cluster_client::resume_all() {
    node* const chosen = world_.any_node();
    if (chosen == nullptr) return;
    world_.on_node(*chosen, [this](node& at) {
        for (const config::callback_config& one : world_.config.callbacks) resume(at, one.name);
        resume(at, "callback_url");
    });
}

void cluster_client::retry_all() {
    node* const chosen = world_.any_node();
    if (chosen == nullptr) return;
    world_.on_node(*chosen, [this](node& at) { retry_dead(at); });
    // The schedule of callback_urls is longer than a run.
    for (const auto& [id, row] : world_.disk.rows) {
        if (row.view.state != track::delivery_state::pending) continue;
        world_.watch.deliveries().on_retry(row.view.event_id, row.view.callback);
        world_.on_node(*chosen, [this, delivery = delivery_id{id}](node& at) {
            const auto call = world_.watch.begin(at.self, "retry", "");
            at.life->daemon().calls().retry_delivery(
                delivery, {}, [this, call](const api::outcome<std::monostate>&) { world_.watch.end(call); });
        });
    }
}

// ---- at the end

void cluster_client::compare_nodes() {
    for (auto& one : world_.nodes) {
        if (!one->is_up()) {
            world_.watch.broken().add("{} is not up at the end", one->self.name);
            continue;
        }
        check_log(*one);
        for (const std::string& id : ids_) check_look(*one, id);
    }
}

void cluster_client::check_log(node& at) {
    const auto call = world_.watch.begin(at.self, "events", "");
    at.life->daemon().calls().events(
        event_seq{0}, 100'000, milliseconds(0),
        [this, call, name = at.self.name](const api::outcome<api::event_list>& done) {
            world_.watch.end(call);
            const auto* page = std::get_if<api::event_list>(&done);
            if (page == nullptr) {
                world_.watch.broken().add("{} does not give the log", name);
                return;
            }
            world_.watch.on_page(0, *page, name);
            if (page->events.size() != world_.disk.events.size())
                world_.watch.broken().add(
                    "{} gives {} of {} events", name, page->events.size(), world_.disk.events.size());
        });
}

void cluster_client::check_look(node& at, const std::string& id) {
    const auto call = world_.watch.begin(at.self, "GET", id);
    at.life->daemon().calls().get(
        to_id(id), milliseconds(0),
        [this, call, id, name = at.self.name](const api::outcome<track::transaction_view>& done) {
            const auto* view = std::get_if<track::transaction_view>(&done);
            const auto row = world_.disk.transactions.find(id);
            world_.watch.end(call);
            if ((view != nullptr) != (row != world_.disk.transactions.end())) {
                world_.watch.blame(id, fmt::format("is {} on {}", view != nullptr ? "shown" : "not shown", name));
            } else if (
                view != nullptr &&
                (view->facts.state != row->second.facts.state || view->facts.status != row->second.facts.status ||
                 view->metadata != row->second.metadata)) {
                world_.watch.blame(
                    id, fmt::format(
                            "is {} {} on {} and {} {} in the database", to_string(view->facts.state),
                            view->facts.status, name, to_string(row->second.facts.state), row->second.facts.status));
            }
        });
}

} // namespace prooftrack::sim
