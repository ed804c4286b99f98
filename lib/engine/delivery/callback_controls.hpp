#pragma once

// What a user does to all deliveries of one callback: pause, resume, flush. A name is the callback's, or "callback_url"
// for all lanes of transactions' own URLs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "engine/delivery/delivery_context.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// A pause is durable before it is answered, and holds from the answer on: what is in flight then ends as ever. Whether
/// there is a callback of the name is its caller's matter.
class callback_controls {
  public:
    /// Both must outlive it.
    callback_controls(delivery_context& context, delivery_host& host) : context_(context), host_(host) {}

    /// Takes over the pauses of the last run, and tells of them. Before any lane is fed.
    void start(const store::store_status& status, instant now);
    /// Pauses that another node has set or ended. Called by the handler of the store's `status` itself: then what this
    /// node had asked for before is answered, thus in both, and what is under way is answered behind it. So nothing of
    /// its own is undone.
    void follow(const store::store_status& status, instant now);

    /// Either may be asked for again: the second time changes nothing.
    void pause(std::string callback, store::store_handler<std::monostate> handler);
    void resume(std::string callback, store::store_handler<std::monostate> handler);
    /// What is pending is due now; a failing callback is tried at once. How many; store_error::paused.
    void flush(std::string callback, store::store_handler<std::uint64_t> handler);

    /// The log tells again of pauses that have lasted long.
    void remind(const store::store_status& status);

  private:
    void begin_pause(const std::string& callback, wall_time since, std::optional<std::uint64_t> backlog, instant now);
    void end_pause(const std::string& callback, instant now);
    void on_paused(const std::string& callback, const op_result<std::optional<wall_time>>& since);
    void on_resumed(const std::string& callback, const op_result<std::optional<wall_time>>& done);
    void on_flushed(const std::string& callback, const op_result<std::uint64_t>& count);
    /// Calls `change(lane)` for each lane of the callback and feeds it.
    template <class Change>
    void change_lanes(std::string_view callback, instant now, Change change);

    delivery_context& context_;
    delivery_host& host_;
};

} // namespace prooftrack::engine
