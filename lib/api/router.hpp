#pragma once

// Every route of openapi.json: a request in, a response out, through the backend. Knows no sockets.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "api/backend.hpp"
#include "api/event_hub.hpp"
#include "api/message.hpp"
#include "api/target.hpp"
#include "base/lifetime.hpp"

namespace prooftrack::api {

inline constexpr std::size_t max_body_bytes = 1024 * 1024;
inline constexpr std::size_t max_useless_body_bytes = 1024;       ///< where no body is wanted
inline constexpr std::size_t max_import_bytes = 32 * 1024 * 1024; ///< also of a merchant's list

/// What a route takes as its body.
enum class body_kind : std::uint8_t {
    none,          ///< nothing (an empty object is let pass)
    json,          ///< application/json
    optional_json, ///< application/json, or nothing
    import,        ///< application/json or application/x-ndjson
    merchant_list, ///< application/x-ndjson or text/csv
};

/// One line of the table of routes, which a test holds against openapi.json.
struct route_info {
    std::string_view method;
    std::string_view path; ///< a template: "/v1/transactions/{id}"
    body_kind body = body_kind::none;
    bool admin = false; ///< only for admins, when there is an admin_group
};
std::span<const route_info> api_routes();

/// A request whose route, access and form are checked.
struct api_call {
    request_head head;
    std::string body;
    query_values query;
    std::vector<std::string> captures; ///< the path's parts in braces, percent-decoded
    unique_function<void(api_response)> respond;
};

class router final : public request_handler {
  public:
    /// All must outlive it. Slices of a big import are posted to `loop`.
    router(boost::asio::any_io_executor loop, backend& behind, event_hub& hub);
    router(const router&) = delete;
    router& operator=(const router&) = delete;

    std::optional<api_response> refuse(const request_head& head) override;
    std::size_t body_limit(const request_head& head) override;
    std::string_view advice_on_length(const request_head& head) override;
    request_ticket handle(api_request request, unique_function<void(api_response)> respond) override;
    void cancel(request_ticket ticket) override;

    /// Which member answers a route; the table is in router.cpp.
    using action = request_ticket (router::*)(api_call);

  private:
    friend struct route_table;

    request_ticket track(api_call call);
    request_ticket import(api_call call);
    request_ticket get_transaction(api_call call);
    request_ticket list_transactions(api_call call);
    request_ticket history(api_call call);
    request_ticket untrack(api_call call);
    request_ticket set_options(api_call call);
    request_ticket untrack_matching(api_call call);
    request_ticket poll(api_call call);
    request_ticket hint(api_call call);
    request_ticket create_session(api_call call);
    request_ticket kyc_status(api_call call);

    request_ticket events(api_call call);
    request_ticket search_events(api_call call);
    request_ticket stream_events(api_call call);
    request_ticket deliveries(api_call call);
    request_ticket retry_delivery(api_call call);
    request_ticket retry_dead(api_call call);
    request_ticket begin_replay(api_call call);
    request_ticket list_replays(api_call call);
    request_ticket cancel_replay(api_call call);
    request_ticket put_consumer(api_call call);
    request_ticket delete_consumer(api_call call);
    request_ticket list_consumers(api_call call);
    request_ticket acknowledge(api_call call);
    request_ticket test_callback(api_call call);

    request_ticket pause_callback(api_call call);
    request_ticket resume_callback(api_call call);
    request_ticket flush_callback(api_call call);
    request_ticket dismiss_delivery(api_call call);
    request_ticket dismiss_dead(api_call call);

    request_ticket status(api_call call);
    request_ticket healthy(api_call call);
    request_ticket ready(api_call call);
    request_ticket metrics(api_call call);
    request_ticket backup(api_call call);
    request_ticket export_list(track::export_list list, api_call call);
    request_ticket export_transactions(api_call call);
    request_ticket export_events(api_call call);
    request_ticket export_deliveries(api_call call);
    request_ticket reconcile(api_call call);
    request_ticket set_log_level(api_call call);
    request_ticket set_maintenance(api_call call);
    request_ticket openapi(api_call call);

    boost::asio::any_io_executor loop_;
    backend& behind_;
    event_hub& hub_;
    lifetime lifetime_;
};

} // namespace prooftrack::api
