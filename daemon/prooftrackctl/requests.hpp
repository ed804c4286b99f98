#pragma once

// Commands -> requests of the API. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "prooftrackctl/api_client.hpp"
#include "prooftrackctl/commands.hpp"

namespace prooftrack::ctl {

/// Most that one `wait=` asks for: short enough that a dead connection is noticed.
inline constexpr milliseconds longest_wait_request{60'000};
/// Rows asked for at once: bounds the memory for replies with large bodies of Proof.
inline constexpr std::uint64_t page_size = 500;

api_request track_request_of(const track_command& what);
api_request get_request(std::string_view id);
/// `GET …?wait=`; its patience covers the wait.
api_request wait_request(std::string_view id, milliseconds wait);
api_request history_request(std::string_view id);
api_request list_request_of(const list_command& what, std::uint64_t limit, std::string_view cursor);
api_request untrack_request(std::string_view id);
api_request set_request_of(const set_command& what);
/// `state` is one of the command's, "" = any.
api_request untrack_matching_request(const untrack_command& what, std::string_view state, bool dry_run);
api_request poll_request(std::string_view id);
/// The body made of the fields, or `body` as it is when the command names a file.
api_request session_request_of(const session_command& what, std::string body);
api_request kyc_request(std::string_view user);
/// `what` gives the times.
api_request events_request(std::optional<std::uint64_t> after, std::uint64_t limit, const events_command& what = {});
api_request event_stream_request(std::uint64_t after);
api_request deliveries_request(const deliveries_command& what, std::uint64_t limit, std::string_view cursor);
api_request retry_delivery_request(std::string_view delivery);
api_request retry_dead_request(std::string_view callback);
/// `what` has its times as the API reads them.
api_request replay_request(const replay_command& what);
api_request replays_request();
api_request cancel_replay_request(std::uint64_t id);
api_request callback_test_request(std::string_view name);
api_request callback_control_request(const callback_control_command& what);
api_request dismiss_request(const dismiss_command& what);
api_request consumers_request(const consumers_command& what);
api_request status_request();
api_request backup_request();
api_request export_request(const export_command& what);
api_request log_level_request(std::string_view level);
api_request ready_request();
api_request metrics_request();
api_request maintenance_request(bool is_on, std::string_view note);

/// A time of the command line as the API reads it: RFC 3339, or a duration before `now`; "" stays "".
std::string resolved_time(const std::string& text, wall_time now);
/// The same for all times of a command, so that every page of a list is asked with the same ones.
list_command with_times(list_command what, wall_time now);
deliveries_command with_times(deliveries_command what, wall_time now);
export_command with_times(export_command what, wall_time now);
replay_command with_times(replay_command what, wall_time now);
events_command with_times(events_command what, wall_time now);
untrack_command with_times(untrack_command what, wall_time now);

/// The tracking options as JSON members, each behind a comma: `,"metadata":{…}`; "" without any.
std::string tracking_members(const tracking_arguments& options);

} // namespace prooftrack::ctl
