#pragma once

// An event_log that keeps its lines for the test to look at.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "observe/log.hpp"

namespace prooftrack {

class recorded_log final : public observe::event_log {
  public:
    struct line {
        observe::log_event_id event{};
        std::map<std::string, std::string, std::less<>> fields;

        /// "" when the line has no such key.
        std::string at(std::string_view key) const {
            const auto found = fields.find(key);
            return found == fields.end() ? std::string() : found->second;
        }
    };

    using observe::event_log::write;
    void write(observe::log_event_id event, std::span<const observe::log_field> fields) override {
        if (!keeps_lines && !on_line) return;
        line written{event, {}};
        for (const observe::log_field& field : fields) written.fields.emplace(field.key, field.value);
        if (on_line) on_line(written);
        if (keeps_lines) lines_.push_back(std::move(written));
    }

    const std::vector<line>& lines() const { return lines_; }
    std::vector<line> of(observe::log_event_id event) const {
        std::vector<line> found;
        for (const line& one : lines_) {
            if (one.event == event) found.push_back(one);
        }
        return found;
    }
    std::size_t count(observe::log_event_id event) const { return of(event).size(); }
    void clear() { lines_.clear(); }

    std::function<void(const line&)> on_line; ///< called for each line as it is written
    bool keeps_lines = true;                  ///< false: for runs that nobody reads

  private:
    std::vector<line> lines_;
};

} // namespace prooftrack
