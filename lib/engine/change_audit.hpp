#pragma once

// The audit line of each change that a client requested: what, to what, by whom, and its outcome.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "api/backend.hpp"
#include "observe/log.hpp"

namespace prooftrack::engine {

/// A change that a client requested, as the log names it.
struct audit_entry {
    std::string_view action;                        ///< a literal
    std::string_view key;                           ///< a literal, "" = without one
    std::variant<std::string, std::uint64_t> value; ///< of `key`
    api::client_identity who;
};

class change_audit {
  public:
    explicit change_audit(observe::event_log& log) : log_(log) {}

    void write(const audit_entry& entry, std::string_view result);

    /// `handler`, before which the outcome is logged: nothing is logged before it is known. This must outlive it.
    template <class Value>
    api::backend_handler<Value> audited(audit_entry entry, api::backend_handler<Value> handler) {
        return [this, entry = std::move(entry), handler = std::move(handler)](api::outcome<Value> done) mutable {
            const auto* refused = std::get_if<api::problem>(&done);
            write(entry, refused == nullptr ? "done" : api::word_of(refused->code));
            handler(std::move(done));
        };
    }

  private:
    observe::event_log& log_;
};

} // namespace prooftrack::engine
