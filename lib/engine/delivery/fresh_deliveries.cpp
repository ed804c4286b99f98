#include "engine/delivery/fresh_deliveries.hpp"

#include <utility>

namespace prooftrack::engine {
namespace {

std::size_t size_of(const store::delivery_record& record) {
    return sizeof(record) + record.body->size() + record.url.size();
}

} // namespace

void fresh_deliveries::keep(store::delivery_record record) {
    const std::size_t size = size_of(record);
    if (bytes_ + size > most_fresh_bytes) return;
    const delivery_id id = record.view.id;
    if (held_.emplace(id, std::move(record)).second) bytes_ += size;
}

std::optional<store::delivery_record> fresh_deliveries::take(delivery_id id) {
    const auto found = held_.find(id);
    if (found == held_.end()) return std::nullopt;
    auto record = std::optional(std::move(found->second));
    held_.erase(found);
    bytes_ -= size_of(*record);
    return record;
}

void fresh_deliveries::clear() {
    held_.clear();
    bytes_ = 0;
}

} // namespace prooftrack::engine
