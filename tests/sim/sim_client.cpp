#include "sim/sim_client.hpp"

namespace prooftrack::sim {
namespace {

transaction_id to_id(const std::string& id) { return *transaction_id::parse(id); }

constexpr seconds between_tries{7};

} // namespace

wanted_options sim_client::draw_options() {
    random_source& random = world_.random;
    wanted_options options;
    options.metadata = static_cast<int>(random.between(1, 3));
    options.url = random.between(0, 2) == 0 ? static_cast<int>(random.between(1, 2)) : 0;
    if (random.between(0, 4) == 0) options.overdue_after = std::chrono::minutes(random.between(1, 20));
    return options;
}

api::tracking_options sim_client::to_tracking(const wanted_options& options) const {
    api::tracking_options made;
    made.metadata = fmt::format(R"({{ "n":{} }})", options.metadata);
    made.metadata_canonical = fmt::format(R"({{"n":{}}})", options.metadata);
    if (options.url != 0) made.callback_url = fmt::format("https://tx.shop.example/{}", options.url);
    made.overdue_after = options.overdue_after;
    return made;
}

asked_options sim_client::to_asked(const wanted_options& options) const {
    return {options.metadata, options.url, options.overdue_after.value_or(world_.config.poll.overdue_after)};
}

// ---- tracking

void sim_client::post_until_acknowledged(const std::string& id, const wanted_options& options) {
    if (acknowledged_.contains(id)) return;
    world_.clock.after(between_tries, [this, id, options] { post_until_acknowledged(id, options); });
    post(id, options);
}

void sim_client::post(const std::string& id, const wanted_options& options) {
    if (!world_.is_up() || !world_.watch.has_room(id)) return;
    const auto call = world_.watch.begin_post(id, to_asked(options));
    world_.daemon().calls().track(
        {to_id(id), to_tracking(options)}, {},
        [this, call, id, options](api::outcome<api::tracked> done) { on_tracked(call, id, options, done); });
}

void sim_client::on_tracked(
    const promises::call& call, const std::string& id, const wanted_options& options,
    const api::outcome<api::tracked>& done) {
    promises& watch = world_.watch;
    if (const auto* good = std::get_if<api::tracked>(&done)) {
        watch.end(call, id, good->created ? call_effect::created : call_effect::existing);
        acknowledged_.insert(id);
        if (good->created) acknowledge(id, options);
        if (!world_.disk.transactions.contains(id)) watch.broken().add("{} was acknowledged and is not durable", id);
    } else if (std::get<api::problem>(done).code == api::problem_code::already_tracked) {
        watch.end(call, id, call_effect::conflict);
        acknowledged_.insert(id);
    } else {
        watch.refuse(call, id);
    }
}

void sim_client::acknowledge(const std::string& id, const wanted_options& options) {
    acknowledged_.insert(id);
    options_[id] = options;
    world_.proof.cadence.begin_anew(id);
}

void sim_client::import(const std::vector<std::string>& ids) {
    if (!world_.is_up()) return;
    const wanted_options options = draw_options();
    std::vector<std::pair<std::string, promises::call>> calls;
    std::vector<api::import_line> lines;
    for (const std::string& id : ids) {
        if (!world_.watch.has_room(id)) continue;
        calls.emplace_back(id, world_.watch.begin_post(id, to_asked(options)));
        lines.push_back({static_cast<std::uint32_t>(lines.size() + 1), {to_id(id), to_tracking(options)}});
    }
    if (lines.empty()) return;
    world_.daemon().calls().import(
        std::move(lines), {},
        [this, calls, options](api::outcome<api::import_summary> done) { on_imported(calls, options, done); });
}

void sim_client::on_imported(
    const std::vector<std::pair<std::string, promises::call>>& lines, const wanted_options& options,
    const api::outcome<api::import_summary>& done) {
    promises& watch = world_.watch;
    const auto* all = std::get_if<api::import_summary>(&done);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto& [id, call] = lines[i];
        const auto is_this = [&](const api::import_rejection& one) { return one.line == i + 1; };
        if (all == nullptr) {
            watch.end_unknown(call, id);
        } else if (std::any_of(all->rejected.begin(), all->rejected.end(), is_this)) {
            watch.end(call, id, call_effect::conflict);
        } else if (all->existing == 0) {
            watch.end(call, id, call_effect::created);
            acknowledge(id, options);
        } else if (all->created == 0) {
            watch.end(call, id, call_effect::existing);
        } else {
            watch.end_somehow(call, id);
            world_.proof.cadence.begin_anew(id);
        }
    }
}

void sim_client::session(bool has_key) {
    constexpr int most_sessions = 10;
    if (!world_.is_up() || last_session_ >= most_sessions) return;
    random_source& random = world_.random;
    const bool is_repeat = has_key && !session_tags_.empty() && random.between(0, 1) == 0;
    if (!is_repeat) session_tags_.push_back(fmt::format("{}{}", has_key ? "key-" : "none-", ++last_session_));
    const auto tags = static_cast<std::int64_t>(session_tags_.size());
    const std::string tag = session_tags_[static_cast<std::size_t>(is_repeat ? random.between(0, tags - 1) : tags - 1)];
    if (is_repeat && !tag.starts_with("key-")) return; // without a key a repeat is another session
    api::session_request request;
    request.body = fmt::format(R"({{"partner_user_id":"u","tag":"{}"}})", tag);
    request.whole_body = request.body;
    wanted_options options;                          // the same for each repeat of a key
    options.overdue_after = std::chrono::minutes(5); // a default would be that of the reply's time
    request.options = to_tracking(options);
    if (has_key) request.idempotency_key = tag;
    const auto call = world_.watch.begin("session", tag);
    world_.watch.on_session_call(tag, to_asked(options));
    world_.daemon().calls().create_session(
        std::move(request), {}, [this, call, tag](api::outcome<api::proxied_reply> reply) {
            world_.watch.on_session_reply(call, tag, reply);
            for (const std::string& id : world_.watch.session_ids(tag)) world_.proof.cadence.begin_anew(id);
        });
}

void sim_client::poll(const std::string& id) {
    if (!world_.is_up()) return;
    world_.proof.cadence.allow_sooner(id);
    const auto call = world_.watch.begin("poll", id);
    world_.daemon().calls().poll_now(
        to_id(id), {}, [this, call](const api::outcome<std::monostate>&) { world_.watch.end(call); });
}

void sim_client::hint(const std::string& id) {
    if (!world_.is_up()) return;
    world_.proof.cadence.allow_sooner(id);
    const auto call = world_.watch.begin("hint", id);
    world_.daemon().calls().hint(
        to_id(id), [this, call](const api::outcome<std::monostate>&) { world_.watch.end(call); });
}

void sim_client::untrack(const std::string& id) {
    if (!world_.is_up() || !world_.watch.has_room(id)) return;
    const auto call = world_.watch.begin_untrack(id);
    world_.daemon().calls().untrack(to_id(id), {}, [this, call, id](const api::outcome<track::transaction_view>& done) {
        promises& watch = world_.watch;
        const auto* refused = std::get_if<api::problem>(&done);
        if (refused == nullptr) {
            watch.end(call, id, call_effect::untracked);
        } else if (refused->code == api::problem_code::already_ended) {
            watch.end(call, id, call_effect::already_ended);
        } else if (refused->code == api::problem_code::unknown_transaction) {
            watch.end(call, id, call_effect::unknown);
        } else {
            watch.end_unknown(call, id); // the reading after it may be what failed
        }
    });
}

void sim_client::set_options(const std::string& id) {
    if (!world_.is_up() || !world_.watch.has_room(id)) return;
    world_.proof.cadence.allow_sooner(id); // a change that is on its way is dropped, and Proof asked again
    const wanted_options drawn = draw_options();
    const std::int64_t what = world_.random.between(0, 2);
    const api::tracking_options whole = to_tracking(drawn);
    api::options_patch patch;
    if (what != 1) patch.metadata = api::options_patch::metadata_text{whole.metadata, whole.metadata_canonical};
    patch.sets_callback_url = what != 0;
    if (what != 0) patch.callback_url = whole.callback_url;
    const auto metadata = what != 1 ? std::optional(drawn.metadata) : std::nullopt;
    const auto url = what != 0 ? std::optional(drawn.url) : std::nullopt;
    const auto call = world_.watch.begin_change(id, metadata, url);
    world_.daemon().calls().set_options(
        to_id(id), patch, {}, [this, call, id, drawn, patch](const api::outcome<track::transaction_view>& done) {
            promises& watch = world_.watch;
            if (const auto* view = std::get_if<track::transaction_view>(&done)) {
                watch.end(call, id, call_effect::changed);
                if (patch.metadata) options_[id].metadata = drawn.metadata;
                if (patch.sets_callback_url) options_[id].url = drawn.url;
                const bool is_as_asked = (!patch.metadata || view->metadata == patch.metadata->bytes) &&
                                         (!patch.sets_callback_url || view->callback_url == patch.callback_url);
                if (!is_as_asked) watch.broken().add("{} was changed, and is shown with other options", id);
                return;
            }
            const api::problem_code code = std::get<api::problem>(done).code;
            if (code == api::problem_code::already_ended) {
                watch.end(call, id, call_effect::already_ended);
            } else if (code == api::problem_code::unknown_transaction) {
                watch.end(call, id, call_effect::unknown);
            } else {
                watch.end_unknown(call, id);
            }
        });
}

void sim_client::untrack_matching() {
    if (!world_.is_up() || !world_.watch.has_room_everywhere()) return;
    api::untrack_request request;
    std::optional<int> metadata;
    if (world_.random.between(0, 3) != 0) metadata = static_cast<int>(world_.random.between(1, 3));
    if (metadata) request.filter.metadata.push_back({"n", std::to_string(*metadata)});
    request.is_dry_run = world_.random.between(0, 3) == 0;
    if (request.is_dry_run) {
        const auto call = world_.watch.begin("count", "");
        world_.daemon().calls().untrack_matching(
            std::move(request), {}, [this, call](const api::outcome<api::untrack_summary>& done) {
                world_.watch.end(call);
                const auto* counted = std::get_if<api::untrack_summary>(&done);
                if (counted != nullptr && counted->untracked != 0)
                    world_.watch.broken().add("a dry run untracked {}", counted->untracked);
            });
        return;
    }
    const auto call = world_.watch.begin_untrack_of(metadata);
    world_.daemon().calls().untrack_matching(
        std::move(request), {}, [this, call](const api::outcome<api::untrack_summary>& done) {
            const auto* ended = std::get_if<api::untrack_summary>(&done);
            world_.watch.end_untrack_of(call, ended != nullptr);
            if (ended != nullptr && ended->matched != ended->untracked)
                world_.watch.broken().add("{} matched and {} were untracked", ended->matched, ended->untracked);
        });
}

// ---- looking

void sim_client::get(const std::string& id) {
    if (!world_.is_up()) return;
    const auto call = world_.watch.begin("GET", id);
    world_.daemon().calls().get(
        to_id(id), milliseconds(0), [this, call, id](const api::outcome<track::transaction_view>& done) {
            world_.watch.end(call);
            if (const auto* view = std::get_if<track::transaction_view>(&done)) {
                world_.watch.look(id, *view);
            } else if (std::get<api::problem>(done).code == api::problem_code::unknown_transaction) {
                world_.watch.look(id, std::nullopt);
            }
        });
}

void sim_client::wait(const std::string& id) {
    if (!world_.is_up()) return;
    const milliseconds longest = world_.some_milliseconds(milliseconds(1), std::chrono::minutes(5));
    const steady_time until = world_.clock.now().steady + longest;
    const auto call = world_.watch.begin("GET with wait", id);
    const std::uint64_t since = world_.watch.step();
    const api::wait_id number = world_.daemon().calls().get(
        to_id(id), longest, [this, call, id, until, since](const api::outcome<track::transaction_view>& done) {
            world_.watch.end(call);
            const auto* view = std::get_if<track::transaction_view>(&done);
            if (view == nullptr) return;
            world_.watch.look(id, *view);
            if (world_.clock.now().steady < until && !ends_wait(view->facts.state) &&
                !world_.watch.may_have_ended_since(id, since))
                world_.watch.broken().add("a wait for {} ended early, as {}", id, to_string(view->facts.state));
        });
    if (world_.random.between(0, 4) != 0) return;
    world_.daemon().calls().cancel_wait(number); // the client has gone
    world_.watch.end(call);
}

void sim_client::list() {
    if (!world_.is_up()) return;
    const auto call = world_.watch.begin("list", "");
    track::transaction_query request;
    request.limit = 1000;
    world_.daemon().calls().list(std::move(request), [this, call](const api::outcome<track::transaction_page>& done) {
        world_.watch.end(call);
        if (const auto* all = std::get_if<track::transaction_page>(&done)) {
            for (const track::transaction_view& view : all->transactions) world_.watch.look(view.id.str(), view);
        }
    });
}

void sim_client::read_events() {
    if (!world_.is_up()) return;
    const std::uint64_t last = world_.watch.cursor();
    const auto after = static_cast<std::uint64_t>(world_.random.between(0, static_cast<std::int64_t>(last)));
    const milliseconds wait(world_.random.between(0, 1) == 0 ? 0 : 20'000);
    const auto call = world_.watch.begin("events", "");
    world_.daemon().calls().events(
        event_seq{after}, 50, wait, [this, call, after, last](const api::outcome<api::event_list>& done) {
            world_.watch.end(call);
            if (const auto* page = std::get_if<api::event_list>(&done)) {
                world_.watch.on_page(after, *page);
                if (page->events.empty() && after < last)
                    world_.watch.broken().add("no event is read after {}, and {} was shown", after, last);
            } else if (std::get<api::problem>(done).code == api::problem_code::cursor_gone) {
                world_.watch.broken().add("the events after {} are gone", after);
            }
        });
}

// ---- deliveries

void sim_client::learn_deliveries() {
    if (!world_.is_up()) return;
    track::delivery_query request;
    request.limit = 200;
    const auto call = world_.watch.begin("deliveries", "");
    world_.daemon().calls().deliveries(
        std::move(request), [this, call](const api::outcome<track::delivery_page>& done) {
            world_.watch.end(call);
            const auto* all = std::get_if<track::delivery_page>(&done);
            if (all == nullptr) return;
            for (const track::delivery_view& one : all->deliveries)
                deliveries_[value_of(one.id)] = {one.id, one.event_id, one.callback, one.transaction.str()};
        });
}

void sim_client::retry_delivery(const std::string& id) {
    if (!world_.is_up()) return;
    std::vector<const known_delivery*> fitting;
    for (const auto& [number, one] : deliveries_) {
        if (id.empty() || one.transaction == id) fitting.push_back(&one);
    }
    if (fitting.empty()) {
        learn_deliveries();
        return;
    }
    const auto last = static_cast<std::int64_t>(fitting.size()) - 1;
    const known_delivery& one = *fitting[static_cast<std::size_t>(world_.random.between(0, last))];
    world_.watch.deliveries().on_retry(one.event, one.callback);
    const auto call = world_.watch.begin("retry", one.event);
    world_.daemon().calls().retry_delivery(
        one.id, {}, [this, call](const api::outcome<std::monostate>&) { world_.watch.end(call); });
    if (world_.random.between(0, 3) == 0) learn_deliveries();
}

void sim_client::retry_dead() {
    if (!world_.is_up()) return;
    world_.watch.deliveries().on_retry_of_dead();
    const auto call = world_.watch.begin("retry dead", "");
    world_.daemon().calls().retry_dead(
        std::nullopt, {}, [this, call](const api::outcome<std::uint64_t>&) { world_.watch.end(call); });
}

void sim_client::test_callback() {
    if (!world_.is_up()) return;
    const auto& all = world_.config.callbacks;
    const std::string name = all.empty() ? "nobody" : all.front().name;
    const auto call = world_.watch.begin("test", name);
    world_.daemon().calls().test_callback(
        name, {}, [this, call](const api::outcome<api::callback_test_result>&) { world_.watch.end(call); });
}

void sim_client::retry_pending_urls() {
    if (!world_.is_up()) return;
    track::delivery_query request;
    request.state = track::delivery_state::pending;
    request.callback = "callback_url";
    request.limit = 100'000;
    world_.daemon().calls().deliveries(std::move(request), [this](const api::outcome<track::delivery_page>& done) {
        const auto* all = std::get_if<track::delivery_page>(&done);
        if (all == nullptr) return;
        for (const track::delivery_view& one : all->deliveries) {
            world_.watch.deliveries().on_retry(one.event_id, one.callback);
            world_.clock.post([this, id = one.id] {
                if (world_.is_up())
                    world_.daemon().calls().retry_delivery(id, {}, [](const api::outcome<std::monostate>&) {});
            });
        }
    });
}

void sim_client::list_deliveries_at_end(std::set<std::pair<std::string, std::string>>& dead) {
    track::delivery_query request;
    request.limit = 100'000;
    const auto call = world_.watch.begin("deliveries", "");
    world_.daemon().calls().deliveries(
        std::move(request), [this, call, &dead](const api::outcome<track::delivery_page>& done) {
            world_.watch.end(call);
            const auto* all = std::get_if<track::delivery_page>(&done);
            if (all == nullptr) return;
            for (const track::delivery_view& one : all->deliveries) {
                const bool is_given_up =
                    one.state == track::delivery_state::dead || one.state == track::delivery_state::dismissed;
                if (is_given_up) dead.insert({one.event_id, one.callback});
                if (one.state == track::delivery_state::pending)
                    world_.watch.broken().add("{} is still pending for {}", one.event_id, one.callback);
            }
        });
}

// ---- named consumers

void sim_client::consumer() {
    if (!world_.is_up()) return;
    const std::string name = world_.random.between(0, 1) == 0 ? "books" : "audit";
    if (std::exchange(lives_, world_.crashes + world_.restarts) != lives_) consumers_.clear();
    switch (world_.random.between(0, 3)) {
    case 0:
        put_consumer(name);
        break;
    case 1:
        delete_consumer(name);
        break;
    default:
        acknowledge_consumer(name);
        break;
    }
}

void sim_client::put_consumer(const std::string& name) {
    const auto call = world_.watch.begin("PUT consumer", name);
    ++consumers_[name].under_way;
    const auto seq =
        static_cast<std::uint64_t>(world_.random.between(0, static_cast<std::int64_t>(world_.watch.cursor())));
    world_.daemon().calls().put_consumer(
        name, event_seq{seq}, {},
        [this, call, name, seq](const api::outcome<std::pair<bool, track::consumer_view>>& done) {
            const auto* good = std::get_if<std::pair<bool, track::consumer_view>>(&done);
            if (good != nullptr && value_of(good->second.seq) != seq)
                world_.watch.broken().add("consumer {} was put elsewhere than at {}", name, seq);
            end_consumer(name, call, good ? std::optional(good->second) : std::nullopt);
        });
}

void sim_client::acknowledge_consumer(const std::string& name) {
    known_consumer& known = consumers_[name];
    const auto call = world_.watch.begin("ack", name);
    const bool is_sure = known.is_known && known.under_way == 0;
    ++known.under_way;
    const auto before = known.seq;
    const auto seq =
        static_cast<std::uint64_t>(world_.random.between(0, static_cast<std::int64_t>(world_.watch.cursor())));
    world_.daemon().calls().acknowledge(
        name, event_seq{seq}, [this, call, name, seq, is_sure, before](const api::outcome<track::consumer_view>& done) {
            const auto* good = std::get_if<track::consumer_view>(&done);
            const bool is_alone = is_sure && consumers_[name].under_way == 1;
            if (good != nullptr && value_of(good->seq) < seq)
                world_.watch.broken().add(
                    "consumer {} acknowledged {} and stands at {}", name, seq, value_of(good->seq));
            if (is_alone && good != nullptr && before != std::nullopt && value_of(good->seq) != std::max(seq, *before))
                world_.watch.broken().add(
                    "consumer {} was at {}, acknowledged {} and stands at {}", name, *before, seq, value_of(good->seq));
            if (is_alone && good != nullptr && before == std::nullopt)
                world_.watch.broken().add("consumer {} was deleted, and an ack was answered 200", name);
            end_consumer(name, call, good != nullptr ? std::optional(*good) : std::nullopt);
        });
}

void sim_client::delete_consumer(const std::string& name) {
    const auto call = world_.watch.begin("DELETE consumer", name);
    ++consumers_[name].under_way;
    world_.daemon().calls().delete_consumer(
        name, {}, [this, call, name](const api::outcome<track::consumer_view>& done) {
            end_consumer(name, call, std::nullopt);
            if (std::holds_alternative<track::consumer_view>(done) && consumers_[name].under_way == 0)
                consumers_[name].is_known = true;
        });
}

/// What is known of it afterwards; after an overlap or an error nothing is.
void sim_client::end_consumer(
    const std::string& name, const promises::call& call, const std::optional<track::consumer_view>& view) {
    world_.watch.end(call);
    known_consumer& known = consumers_[name];
    known.is_known = --known.under_way <= 0 && view.has_value();
    known.under_way = std::max(known.under_way, 0);
    known.seq = view ? std::optional(value_of(view->seq)) : std::nullopt;
}

} // namespace prooftrack::sim
