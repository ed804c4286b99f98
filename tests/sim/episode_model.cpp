#include "sim/episode_model.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace prooftrack::sim {
namespace {

bool is_end(track::event_type type) {
    return type == track::event_type::completed || type == track::event_type::failed ||
           type == track::event_type::cancelled;
}

/// Whether an event may follow on this state.
bool fits(const possible_state& state, const reported_event& event) {
    if (state.options.metadata != event.metadata) return false;
    switch (event.type) {
    case track::event_type::completed:
    case track::event_type::failed:
    case track::event_type::cancelled: // an abandoned one is settled by a poll by hand
        return state.state == reported_state::open || state.state == reported_state::abandoned;
    case track::event_type::reversed:
        return state.state == reported_state::final && is_terminal(event.word) && state.word != event.word &&
               state.word == event.previous;
    case track::event_type::overdue:
        return state.state == reported_state::open && !state.was_overdue;
    case track::event_type::not_found:
    case track::event_type::rejected:
    case track::event_type::abandoned:
    case track::event_type::updated:
        return state.state == reported_state::open;
    case track::event_type::test:
        return false;
    }
    return false;
}

void enter(possible_state& state, const reported_event& event) {
    if (is_end(event.type) || event.type == track::event_type::reversed) {
        state.state = reported_state::final;
        state.word = event.word;
    } else if (event.type == track::event_type::overdue) {
        state.was_overdue = true;
    } else if (event.type == track::event_type::abandoned) {
        state.state = reported_state::abandoned;
    }
}

} // namespace

std::string_view to_string(reported_state state) {
    constexpr std::array<std::string_view, 5> names{"unknown", "open", "final", "abandoned", "untracked"};
    return names.at(static_cast<std::size_t>(state));
}

std::string_view to_string(call_effect effect) {
    constexpr std::array<std::string_view, 9> names{
        "no effect", "201", "200", "409 already_tracked", "200 untracked", "409", "404", "200 changed", "passed over"};
    return names.at(static_cast<std::size_t>(effect));
}

std::optional<std::size_t> episode_model::begin(const open_call& call) {
    for (std::size_t place = 0; place < calls_.size(); ++place) {
        if (calls_[place].is_used) continue;
        calls_[place] = call;
        calls_[place].is_used = true;
        return place;
    }
    return std::nullopt;
}

std::optional<std::size_t> episode_model::begin_post(
    const asked_options& options, std::uint64_t step, wall_time true_now) {
    open_call call;
    call.what = call_kind::post;
    call.options = options;
    call.step = step;
    call.at = true_now;
    return begin(call);
}

std::optional<std::size_t> episode_model::begin_untrack() { return begin(open_call{}); }

std::optional<std::size_t> episode_model::begin_change(std::optional<int> metadata, std::optional<int> url) {
    open_call call;
    call.what = call_kind::change;
    call.metadata = metadata;
    call.url = url;
    return begin(call);
}

std::optional<std::size_t> episode_model::begin_untrack_of(std::optional<int> metadata) {
    open_call call;
    call.what = call_kind::untrack_of_many;
    call.metadata = metadata;
    return begin(call);
}

call_effect episode_model::apply(possible_state& state, const open_call& call) {
    if (call.what == call_kind::change) {
        if (state.state == reported_state::none) return call_effect::unknown;
        if (state.state == reported_state::untracked) return call_effect::already_ended;
        state.options.metadata = call.metadata.value_or(state.options.metadata);
        state.options.url = call.url.value_or(state.options.url);
        return call_effect::changed;
    }
    if (call.what == call_kind::untrack_of_many) {
        const bool matches = !call.metadata || state.options.metadata == *call.metadata;
        if (state.state != reported_state::open || !matches) return call_effect::passed_over;
        state.state = reported_state::untracked;
        return call_effect::untracked;
    }
    if (call.what == call_kind::untrack) {
        if (state.state == reported_state::none) return call_effect::unknown;
        if (state.state != reported_state::open) return call_effect::already_ended;
        state.state = reported_state::untracked;
        return call_effect::untracked;
    }
    if (state.state == reported_state::final) return call_effect::existing;
    if (state.state == reported_state::open)
        return state.options == call.options ? call_effect::existing : call_effect::conflict;
    const auto effects = state.effects;
    state = possible_state{};
    state.effects = effects;
    state.state = reported_state::open;
    state.options = call.options;
    state.opened_by = call.step;
    state.opened_at = call.at;
    return call_effect::created;
}

void episode_model::close_under_effects() {
    std::set<possible_state> all(states_.begin(), states_.end());
    std::vector<possible_state> fresh = states_;
    while (!fresh.empty()) {
        const possible_state from = fresh.back();
        fresh.pop_back();
        for (std::size_t call = 0; call < calls_.size(); ++call) {
            if (!calls_[call].is_used || from.effects[call] != call_effect::none_yet) continue;
            possible_state to = from;
            to.effects[call] = apply(to, calls_[call]);
            if (all.insert(to).second) fresh.push_back(to);
        }
    }
    states_.assign(all.begin(), all.end());
}

bool episode_model::keep_if(const condition& holds) {
    std::vector<possible_state> kept;
    std::copy_if(states_.begin(), states_.end(), std::back_inserter(kept), holds);
    if (kept.empty()) return false;
    states_ = std::move(kept);
    return true;
}

void episode_model::free_call(std::size_t call) {
    calls_[call] = {};
    std::set<possible_state> merged;
    for (possible_state& state : states_) {
        state.effects[call] = call_effect::none_yet;
        merged.insert(state);
    }
    states_.assign(merged.begin(), merged.end());
}

bool episode_model::end(std::size_t call, call_effect effect) {
    close_under_effects();
    const bool is_possible = keep_if([&](const possible_state& state) { return state.effects[call] == effect; });
    if (!is_possible && (effect == call_effect::created || effect == call_effect::untracked)) {
        for (possible_state& state : states_) { // what was acknowledged counts from here on
            if (effect == call_effect::untracked) {
                state.state = reported_state::untracked;
                continue;
            }
            state.state = reported_state::untracked;
            apply(state, calls_[call]);
        }
    }
    free_call(call);
    return is_possible;
}

bool episode_model::end_one_of(std::size_t call, std::initializer_list<call_effect> effects) {
    close_under_effects();
    const bool is_possible = keep_if([&](const possible_state& state) {
        return std::find(effects.begin(), effects.end(), state.effects[call]) != effects.end();
    });
    free_call(call);
    return is_possible;
}

void episode_model::end_somehow(std::size_t call) {
    close_under_effects();
    keep_if([&](const possible_state& state) { return state.effects[call] != call_effect::none_yet; });
    free_call(call);
}

void episode_model::end_unknown(std::size_t call) {
    close_under_effects();
    free_call(call);
}

void episode_model::give_up_call(std::size_t call) {
    keep_if([&](const possible_state& state) { return state.effects[call] == call_effect::none_yet; });
    free_call(call);
}

void episode_model::lose_calls() {
    for (open_call& call : calls_) call.is_lost = call.is_used;
}

void episode_model::settle_lost_calls() {
    if (std::none_of(calls_.begin(), calls_.end(), [](const open_call& call) { return call.is_lost; })) return;
    close_under_effects();
    for (std::size_t call = 0; call < calls_.size(); ++call) {
        if (calls_[call].is_lost) free_call(call);
    }
}

episode_model::verdict episode_model::tell(const reported_event& event, const condition& is_caused) {
    close_under_effects();
    const bool is_possible = keep_if([&](const possible_state& state) { return fits(state, event); });
    const bool has_cause = !is_possible || keep_if(is_caused);
    for (possible_state& state : states_) enter(state, event);
    if (!is_possible) return verdict::impossible;
    return has_cause ? verdict::fine : verdict::uncaused;
}

bool episode_model::look(reported_state state, track::status_kind word, std::optional<int> metadata) {
    close_under_effects();
    return keep_if([&](const possible_state& one) {
        return one.state == state && (state != reported_state::final || one.word == word) &&
               (!metadata || one.options.metadata == *metadata);
    });
}

bool episode_model::is_certainly(reported_state state) const {
    return open_calls() == 0 &&
           std::all_of(states_.begin(), states_.end(), [&](const auto& one) { return one.state == state; });
}
bool episode_model::may_be(reported_state state) const {
    return std::any_of(states_.begin(), states_.end(), [&](const auto& one) { return one.state == state; });
}

std::size_t episode_model::open_calls() const {
    return static_cast<std::size_t>(
        std::count_if(calls_.begin(), calls_.end(), [](const open_call& call) { return call.is_used; }));
}

std::string episode_model::text() const {
    std::string text;
    for (const possible_state& state : states_) {
        if (!text.empty()) text += " or ";
        text += to_string(state.state);
        if (state.state == reported_state::final) text += fmt::format("({})", to_string(state.word));
        if (text.size() > 200) return text + " …";
    }
    return text;
}

} // namespace prooftrack::sim
