#pragma once

// A broker as the bridge needs it: one connection on which messages are published in order and confirmed.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/bridge/broker_url.hpp"
#include "prooftrackctl/bridge/message.hpp"
#include "prooftrackctl/stop_signal.hpp"

namespace prooftrack::ctl {

/// Why a broker cannot be used, for people, without secrets.
struct broker_error {
    std::string text;
    bool is_lasting = false; ///< another try changes nothing before somebody changes the broker or the options
};

/// What the broker said about published messages. Tags count the messages since `open`, from 1.
struct broker_verdict {
    bool is_confirmed = false; ///< it has them; else it refused them
    std::uint64_t tag = 0;     ///< 0 = the one with this id
    bool with_those_before = false;
    std::string id;
    std::string reason; ///< of a refusal, for people
};

/// Every call ends within `broker_patience`, or earlier where it says so. After an error the connection is gone: `open`
/// makes another one.
class broker {
  public:
    broker() = default;
    broker(const broker&) = delete;
    broker& operator=(const broker&) = delete;
    virtual ~broker() = default;

    /// Connects, logs in, looks whether what is published to is there. Ends early on a signal.
    virtual std::optional<broker_error> open() = 0;

    /// Hands a message over. That it was taken says a verdict.
    virtual std::optional<broker_error> publish(const bridge_event& event) = 0;

    /// Waits for verdicts until `until` or a signal, and keeps the connection alive. There may be none.
    virtual std::optional<broker_error> wait(std::vector<broker_verdict>& verdicts, steady_time until) = 0;

    /// Takes leave when there is somebody to take leave of.
    virtual void close() = 0;

    /// Why messages that were taken are not confirmed yet, for people; "" = nothing is known.
    virtual std::string held_up_by() const { return ""; }

    /// What should be known about this broker's promises, for people; "" = nothing. Known after `open`.
    virtual std::string warning() const { return ""; }
};

/// Longest wait for one answer of a broker.
inline constexpr milliseconds broker_patience{10'000};

/// How to get to a broker.
struct broker_access {
    broker_url url;
    std::string ca_file;          ///< a PEM bundle; "" = the system's authorities
    std::string credentials_file; ///< `USER:PASSWORD`; "" = none. Reread at each connection.
};

/// The credentials in the file, or why there are none.
std::optional<broker_error> read_broker_credentials(
    const std::string& file, const stop_signal& stop, broker_credentials& into);

struct amqp_target {
    std::string exchange;
    std::string routing_key = "{type}"; ///< as `routing_key_of` reads it
};
/// RabbitMQ and what else speaks AMQP 0-9-1 with publisher confirms. `stop` must outlive it.
std::unique_ptr<broker> make_amqp_broker(broker_access access, amqp_target target, const stop_signal& stop);

struct redis_target {
    std::string stream;
    std::optional<std::uint64_t> max_length; ///< about that many entries are kept
    std::uint64_t replicas = 0;              ///< that many must have it as well
};
/// A stream of Redis. `stop` must outlive it.
std::unique_ptr<broker> make_redis_broker(broker_access access, redis_target target, const stop_signal& stop);

} // namespace prooftrack::ctl
