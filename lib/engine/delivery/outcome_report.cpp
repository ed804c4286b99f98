#include "engine/delivery/outcome_report.hpp"

#include <string_view>
#include <utility>

#include "engine/delivery/delivery_log.hpp"

namespace prooftrack::engine {
namespace {

/// Most later deliveries of a transaction that are counted for the log line of a refused one.
constexpr std::size_t most_counted_behind = 100;

std::string_view result_name(track::delivery_state state) {
    switch (state) {
    case track::delivery_state::delivered:
        return "delivered";
    case track::delivery_state::dead:
        return "dead";
    case track::delivery_state::pending:
    case track::delivery_state::dismissed: // no attempt ends like that
        return "failed";
    }
    return "failed";
}

std::uint64_t count_behind(const track::delivery_page& page, delivery_id id) {
    std::uint64_t behind = 0;
    for (const track::delivery_view& view : page.deliveries) behind += view.id > id ? 1U : 0U;
    return behind;
}

/// The log outlives the store's answer.
void log_failed_with_count(const delivery_dependencies& deps, const delivery_attempt& one) {
    track::delivery_query query;
    query.state = track::delivery_state::pending;
    query.callback = one.record->view.callback;
    query.transaction = one.record->view.transaction.str();
    query.limit = most_counted_behind;
    deps.storage.deliveries(std::move(query), [log = &deps.log, one](const op_result<track::delivery_page>& page) {
        log_failed(*log, one, page ? count_behind(*page, one.head.id) : 0);
    });
}

} // namespace

void report_outcome(const delivery_dependencies& deps, const delivery_attempt& one, bool running) {
    deps.metrics.on_delivery(one.record->view.callback, result_name(one.ending.state));
    switch (one.ending.state) {
    case track::delivery_state::delivered:
        log_delivered(deps.log, one);
        break;
    case track::delivery_state::dead:
        log_dead(deps.log, one);
        break;
    case track::delivery_state::dismissed:
    case track::delivery_state::pending:
        if (running) {
            log_failed_with_count(deps, one);
        } else {
            log_failed(deps.log, one, 0);
        }
        break;
    }
}

} // namespace prooftrack::engine
