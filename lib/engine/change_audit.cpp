#include "engine/change_audit.hpp"

#include <span>
#include <vector>

namespace prooftrack::engine {

void change_audit::write(const audit_entry& entry, std::string_view result) {
    std::vector<observe::log_field> fields{{"action", entry.action}};
    if (!entry.key.empty()) std::visit([&](const auto& value) { fields.emplace_back(entry.key, value); }, entry.value);
    fields.emplace_back("result", result);
    fields.emplace_back("uid", entry.who.uid);
    fields.emplace_back("pid", entry.who.pid);
    log_.write(observe::log_event_id::api_change, std::span<const observe::log_field>(fields));
}

} // namespace prooftrack::engine
