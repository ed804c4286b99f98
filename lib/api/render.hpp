#pragma once

// What the API shows, as JSON. Members stand in the order of openapi.json; metadata and Proof's replies are embedded
// byte for byte. Pure.

#include <string>
#include <vector>

#include "api/backend.hpp"

namespace prooftrack::api {

std::string render_transaction(const track::transaction_view& view);
std::string render_delivery(const track::delivery_view& view);
std::string render_transactions(const track::transaction_page& list);
std::string render_history(const track::transaction_history& history);
std::string render_deliveries(const track::delivery_page& list);
std::string render_events(const event_list& list);
std::string render_replay(const track::replay_view& replay);
std::string render_replays(const std::vector<track::replay_view>& replays);
std::string render_consumer(const track::consumer_view& consumer, wall_time now);
std::string render_consumers(const std::vector<track::consumer_view>& consumers, wall_time now);
std::string render_import(const import_summary& summary);
std::string render_untracked(const untrack_summary& summary);
std::string render_callback_test(const callback_test_result& test);
std::string render_reasons(const std::vector<std::string>& reasons); ///< a JSON array of strings

} // namespace prooftrack::api
