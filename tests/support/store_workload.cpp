#include "support/store_workload.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace prooftrack {
namespace {

const std::vector<std::string> callbacks{"backend", "ledger"};

std::string field_of(const std::string& body, const std::string& name) {
    const std::string key = "\"" + name + "\":\"";
    const std::size_t at = body.find(key);
    if (at == std::string::npos) return {};
    const std::size_t from = at + key.size();
    return body.substr(from, body.find('"', from) - from);
}

} // namespace

store_workload::known_transaction* store_workload::pick_idle(std::string& id) {
    for (int tries = 0; tries < 8 && !ids_.empty(); ++tries) {
        id = ids_[random_.next() % ids_.size()];
        known_transaction& known = transactions_.at(id);
        if (known.is_acknowledged && !known.is_busy && !known.is_uncertain) return &known;
    }
    return nullptr;
}

void store_workload::add(store_world& world) {
    std::vector<track::new_transaction> all;
    const std::uint64_t number = 1 + random_.next() % 12;
    for (std::uint64_t i = 0; i < number; ++i) {
        const std::string id = fmt::format("{:08x}-0000-4000-8000-{:012x}", random_.next() & 0xFFFFFFFFU, ids_.size());
        track::new_transaction wanted = make_new(id, now_);
        wanted.metadata = "{\"pad\":\"" + std::string(random_.next() % 2000, 'x') + "\"}";
        if (random_.next() % 3 == 0) {
            wanted.callback_url = "https://shop.example/hook";
            wanted.callback_lane = "https://shop.example:443";
        }
        ids_.push_back(id);
        transactions_[id].is_busy = true;
        all.push_back(std::move(wanted));
    }
    std::vector<std::string> names;
    for (const track::new_transaction& each : all) names.push_back(each.id.str());
    world.subject().add(
        std::move(all), std::nullopt, [this, names](op_result<std::vector<store::add_outcome>> outcomes) {
            for (std::size_t i = 0; i < names.size(); ++i) {
                known_transaction& known = transactions_.at(names[i]);
                known.is_busy = false;
                if (!outcomes) {
                    has_failed_ = has_failed_ || outcomes.error().code == store::store_error::failed;
                    known.is_uncertain = true;
                    continue;
                }
                known.is_acknowledged = true;
                known.facts = outcomes.value()[i].facts;
                known.revision = outcomes.value()[i].revision;
                ++acknowledged_adds_;
            }
        });
}

void store_workload::note_recorded(
    const std::string& id, const track::tracking_facts& facts, bool settles,
    const op_result<store::recorded_transition>& recorded) {
    known_transaction& known = transactions_.at(id);
    known.is_busy = false;
    if (!recorded) {
        has_failed_ = has_failed_ || recorded.error().code == store::store_error::failed;
        known.is_uncertain = true;
        return;
    }
    known.facts = facts;
    known.revision = recorded->revision;
    if (settles) ++known.settlements;
    if (recorded->seq) events_[value_of(*recorded->seq)] = *recorded->body;
    for (const store::delivery_head& head : recorded->heads) heads_[value_of(head.id)] = head.attempts;
}

void store_workload::settle(store_world& world) {
    std::string id;
    known_transaction* const known = pick_idle(id);
    if (known == nullptr || known->facts.state == track::tracking_state::untracked) return;
    known->is_busy = true;
    const char* const words[] = {"completed", "failed", "cancelled"};
    store::transition change = make_settlement(id, now_, callbacks, words[random_.next() % 3]);
    change.from_state = known->facts.state;
    change.event->id = track::make_event_id(at_ms(now_), random_);
    change.revision = known->revision;
    const track::tracking_facts facts = change.facts;
    world.subject().record(std::move(change), [this, id, facts](op_result<store::recorded_transition> recorded) {
        note_recorded(id, facts, true, recorded);
    });
}

void store_workload::change(store_world& world) {
    std::string id;
    known_transaction* const known = pick_idle(id);
    if (known == nullptr || known->facts.state != track::tracking_state::tracking) return;
    known->is_busy = true;
    store::transition change =
        make_change(id, track::tracking_state::tracking, random_.next() % 2 == 0 ? "pending" : "processing", now_);
    change.reply = "{\"n\":" + std::to_string(random_.next()) + "}";
    change.reply_is_good = true;
    change.revision = known->revision;
    const track::tracking_facts facts = change.facts;
    world.subject().record(std::move(change), [this, id, facts](op_result<store::recorded_transition> recorded) {
        note_recorded(id, facts, false, recorded);
    });
}

void store_workload::untrack(store_world& world) {
    std::string id;
    known_transaction* const known = pick_idle(id);
    if (known == nullptr || known->facts.state != track::tracking_state::tracking) return;
    known->is_busy = true;
    store::transition change = make_change(id, track::tracking_state::untracked, known->facts.status, now_);
    change.revision = known->revision;
    const track::tracking_facts facts = change.facts;
    world.subject().record(std::move(change), [this, id, facts](op_result<store::recorded_transition> recorded) {
        note_recorded(id, facts, false, recorded);
    });
}

void store_workload::attempt(store_world& world) {
    if (heads_.empty()) return;
    const auto head = heads_.begin();
    const std::uint64_t id = head->first;
    const std::uint32_t attempts = head->second + 1;
    heads_.erase(head);
    store::attempt_record done{delivery_id{id}, at_ms(now_), attempts, track::delivery_state::delivered, 200, "",
                               std::nullopt};
    const bool fails = random_.next() % 4 == 0;
    if (fails) {
        done.state = track::delivery_state::pending;
        done.status = 500;
        done.error = "500";
        done.next_attempt_at = at_ms(now_ + 5000);
    }
    world.subject().record_attempt(
        done, [this, id, attempts, fails](op_result<std::optional<store::delivery_head>> next) {
            if (!next) {
                has_failed_ = has_failed_ || next.error().code == store::store_error::failed;
                return;
            }
            ++acknowledged_attempts_;
            if (fails) {
                heads_[id] = attempts;
            } else {
                delivered_.insert(id);
            }
            if (*next) heads_[value_of((*next)->id)] = (*next)->attempts;
        });
}

void store_workload::save(store_world& world) {
    std::string id;
    known_transaction* const known = pick_idle(id);
    if (known == nullptr || known->facts.state == track::tracking_state::untracked) return;
    known->is_busy = true;
    track::tracking_facts facts = known->facts;
    facts.polls += 7;
    facts.last_polled_at = at_ms(now_);
    world.subject().save_facts(
        {{make_id(id), facts, known->revision}}, [this, id, facts](op_result<std::monostate> saved) {
            known_transaction& after = transactions_.at(id);
            after.is_busy = false;
            if (saved) {
                after.facts = facts;
                after.revision = row_revision{value_of(after.revision) + 1};
            } else {
                has_failed_ = has_failed_ || saved.error().code == store::store_error::failed;
                after.is_uncertain = true;
            }
        });
}

bool store_workload::run_wave(store_world& world) {
    now_ += 1000;
    const std::uint64_t operations = 1 + random_.next() % 12;
    for (std::uint64_t i = 0; i < operations; ++i) {
        switch (random_.next() % 8) {
        case 0:
        case 1:
            add(world);
            break;
        case 2:
        case 3:
            settle(world);
            break;
        case 4:
            change(world);
            break;
        case 5:
            untrack(world);
            break;
        case 6:
            save(world);
            break;
        default:
            attempt(world);
            break;
        }
    }
    world.run();
    return !has_failed_;
}

std::vector<std::string> store_workload::check(store_world& world) {
    has_failed_ = false; // that was the last store
    std::vector<std::string> wrong;
    const auto require = [&wrong](bool holds, std::string what) {
        if (!holds) wrong.push_back(std::move(what));
    };
    std::map<std::string, std::uint64_t> settlements;
    std::set<std::string> event_ids;
    std::uint64_t expected = 1;
    for (store::event_page page = world.events(); !page.events.empty(); page = world.events(expected - 1)) {
        for (const track::stored_event& each : page.events) {
            require(
                value_of(each.seq) == expected,
                fmt::format("seq {} where {} was expected", value_of(each.seq), expected));
            expected = value_of(each.seq) + 1;
            require(event_ids.insert(field_of(each.body, "id")).second, "an event id came twice: " + each.body);
            ++settlements[field_of(each.body, "merchant_transaction_id")];
            const auto acknowledged = events_.find(value_of(each.seq));
            require(
                acknowledged == events_.end() || acknowledged->second == each.body,
                fmt::format("event {} has other bytes", value_of(each.seq)));
        }
    }
    require(value_of(world.status().last_seq) + 1 == expected, "last_seq is not the last event");
    for (const auto& [seq, body] : events_) require(seq < expected, fmt::format("acknowledged event {} is lost", seq));
    std::map<std::pair<track::tracking_state, track::status_kind>, std::uint64_t> counted;
    for (const auto& [id, known] : transactions_) {
        if (!world.knows(make_id(id))) {
            require(!known.is_acknowledged, "acknowledged transaction is lost: " + id);
            continue;
        }
        const track::transaction_view view = world.find(make_id(id));
        ++counted[{view.facts.state, track::classify_status(view.facts.status)}];
        if (known.is_acknowledged && !known.is_uncertain) {
            require(view.facts == known.facts, "facts are not as acknowledged: " + id);
            require(settlements[id] == known.settlements, "events are not as acknowledged: " + id);
        }
        // The event exists if, and only if, the change does.
        const auto history = world.history(make_id(id));
        const auto settled_lines =
            std::count_if(history->changes.begin(), history->changes.end(), [](const track::history_entry& line) {
                return line.to_state == track::tracking_state::settled;
            });
        require(
            static_cast<std::uint64_t>(settled_lines) == settlements[id],
            fmt::format("{} settlements and {} events: {}", settled_lines, settlements[id], id));
        require(
            (view.facts.state == track::tracking_state::settled) == (settlements[id] > 0),
            "state and events differ: " + id);
        const std::uint64_t owed = settlements[id] * (callbacks.size() + (view.callback_url ? 1 : 0));
        require(
            history->deliveries.size() == owed,
            fmt::format("{} deliveries where {} are owed: {}", history->deliveries.size(), owed, id));
        std::map<std::string, bool> has_head;
        for (const track::delivery_view& each : history->deliveries) {
            if (delivered_.contains(value_of(each.id))) {
                require(
                    each.state == track::delivery_state::delivered,
                    fmt::format("delivery {} was delivered before", value_of(each.id)));
            }
            if (each.state != track::delivery_state::pending) continue;
            const bool is_first = has_head.emplace(each.callback, true).second;
            require(
                is_first == each.next_attempt_at.has_value(),
                fmt::format("delivery {} is a head or not", value_of(each.id)));
        }
    }
    require(world.status().transactions == counted, "the counts are not what is there");
    return wrong;
}

} // namespace prooftrack
