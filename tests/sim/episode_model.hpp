#pragma once

// What may be true of one id, from outside: every state that the acknowledged calls and the events allow. Calls that
// overlap may have taken effect in any order, and one that a crash cut off may have taken effect or not, so this is a
// set of states; a happening that fits none of them breaks a promise.

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "track/event.hpp"
#include "track/types.hpp"

namespace prooftrack::sim {

enum class reported_state : std::uint8_t { none, open, final, abandoned, untracked };
std::string_view to_string(reported_state state);

/// The options of a POST after defaults: equal = "the same options".
struct asked_options {
    int metadata = 0; ///< which of the metadata variants
    int url = 0;      ///< which callback_url, 0 = none
    milliseconds overdue_after{};
    auto operator<=>(const asked_options&) const = default;
};

enum class call_effect : std::uint8_t {
    none_yet,
    created,
    existing,
    conflict,
    untracked,
    already_ended,
    unknown,
    changed,
    passed_over, ///< by an untracking of many
};
std::string_view to_string(call_effect effect);

inline constexpr std::size_t most_open_calls = 6;

struct possible_state {
    reported_state state = reported_state::none;
    track::status_kind word = track::status_kind::none; ///< of `final`
    asked_options options;
    bool was_overdue = false;
    std::uint64_t opened_by = 0; ///< step of the POST that began the episode
    wall_time opened_at{};       ///< true time of it
    std::array<call_effect, most_open_calls> effects{};
    auto operator<=>(const possible_state&) const = default;
};

/// What an event says of its transaction.
struct reported_event {
    track::event_type type = track::event_type::completed;
    track::status_kind word = track::status_kind::none;
    track::status_kind previous = track::status_kind::none;
    int metadata = 0;
};

class episode_model {
  public:
    using condition = std::function<bool(const possible_state&)>;

    /// A POST (with options) or a DELETE begins; its place, or nullopt when too many overlap.
    std::optional<std::size_t> begin_post(const asked_options& options, std::uint64_t step, wall_time true_now);
    std::optional<std::size_t> begin_untrack();
    /// A PATCH begins, of what is given.
    std::optional<std::size_t> begin_change(std::optional<int> metadata, std::optional<int> url);
    /// An untracking of many begins, of those with this metadata, or of all that are open.
    std::optional<std::size_t> begin_untrack_of(std::optional<int> metadata);
    /// Its reply. False when no possible state has this effect.
    bool end(std::size_t call, call_effect effect);
    bool end_one_of(std::size_t call, std::initializer_list<call_effect> effects);
    void end_somehow(std::size_t call);  ///< it had an effect, which one is not known
    void end_unknown(std::size_t call);  ///< likewise, or it had none
    void give_up_call(std::size_t call); ///< refused as a whole: it had no effect
    /// The daemon is gone: what was under way has had its effect or not.
    void lose_calls();
    /// All that a crash left unseen has been read: what had no effect until now never will.
    void settle_lost_calls();

    enum class verdict : std::uint8_t { fine, impossible, uncaused };
    /// An event became visible. `is_caused`: what has to hold of the state that it came to.
    verdict tell(const reported_event& event, const condition& is_caused);
    /// Somebody looked. False when no possible state looks like that.
    bool look(reported_state state, track::status_kind word, std::optional<int> metadata);

    bool is_certainly(reported_state state) const;
    bool may_be(reported_state state) const;
    const std::vector<possible_state>& states() const { return states_; }
    std::size_t open_calls() const;
    std::string text() const; ///< for messages

  private:
    enum class call_kind : std::uint8_t { post, untrack, change, untrack_of_many };
    struct open_call {
        bool is_used = false;
        call_kind what = call_kind::untrack;
        bool is_lost = false;
        asked_options options;
        std::optional<int> metadata; ///< of a PATCH, or of the filter
        std::optional<int> url;      ///< of a PATCH
        std::uint64_t step = 0;
        wall_time at{};
    };

    std::optional<std::size_t> begin(const open_call& call);
    void close_under_effects();
    void free_call(std::size_t call);
    static call_effect apply(possible_state& state, const open_call& call);
    bool keep_if(const condition& holds);

    std::vector<possible_state> states_{possible_state{}};
    std::array<open_call, most_open_calls> calls_{};
};

} // namespace prooftrack::sim
