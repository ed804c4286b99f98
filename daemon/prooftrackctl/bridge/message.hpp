#pragma once

// An event of the daemon's log as a broker gets it: the bytes of the webhook and what stands beside them. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "prooftrackctl/json_view.hpp"

namespace prooftrack::ctl {

struct bridge_event {
    std::uint64_t seq = 0;      ///< its place in the log
    std::string id;             ///< `evt_…`, the message's id
    std::string type;           ///< `transaction.completed`
    std::string timestamp;      ///< RFC 3339, as in the body
    wall_time at{};             ///< the same
    std::uint64_t sequence = 0; ///< what the webhook carries as `webhook-sequence`
    std::string transaction;    ///< the merchant_transaction_id
    std::string state;
    std::string status; ///< Proof's word, "" before the first reply
    std::string body;   ///< what a webhook's body would be, byte for byte: the event without `seq`
};

/// One of the `events` of the API; nullopt when a member is missing.
std::optional<bridge_event> read_bridge_event(const json_view& event);

/// Most bytes of an AMQP routing key.
inline constexpr std::size_t max_routing_key = 255;

/// What is wrong with a template of routing keys, for people; "" = nothing. `{type}`, `{state}`, `{status}` and
/// `{merchant_transaction_id}` are replaced; all other text stands for itself.
std::string fault_of_routing_key(std::string_view pattern);

/// The routing key of an event, at most `max_routing_key` bytes. In Proof's words whatever is not a letter, digit, `_`
/// or `-` becomes `_`, so that none of them adds a word to the key. Requires a template without a fault.
std::string routing_key_of(std::string_view pattern, const bridge_event& event);

} // namespace prooftrack::ctl
