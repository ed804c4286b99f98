#pragma once

// What lists show of a delivery besides the stored row.

#include "engine/delivery/delivery_context.hpp"

namespace prooftrack::engine {

/// Of a pending one: why it is not attempted when its callback is not configured, no time when it waits for a failing
/// one, and when it really is due when a wrong clock stored a time that is not waited for.
void annotate_delivery(const delivery_context& context, track::delivery_view& view);

} // namespace prooftrack::engine
