#include "store/postgres/postgres_error.hpp"

#include <algorithm>
#include <array>

#include "store/store.hpp"

namespace prooftrack::store {
namespace {

std::string field_of(const PGresult* result, int field) {
    const char* const text = PQresultErrorField(result, field);
    return text == nullptr ? std::string() : std::string(text);
}

std::string state_of(const PGresult* result) {
    std::string state = field_of(result, PG_DIAG_SQLSTATE);
    return state.empty() ? std::string(state_link_lost) : state; // libpq's own errors have none
}

std::string message_of(const PGresult* result) {
    if (field_of(result, PG_DIAG_SQLSTATE) == state_fenced)
        return "another prooftrackd has taken this one for gone, or something else has changed the table writers: "
               "nothing was written";
    std::string text = field_of(result, PG_DIAG_MESSAGE_PRIMARY);
    if (const std::string detail = field_of(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty()) text += ": " + detail;
    return text.empty() ? one_line(PQresultErrorMessage(result)) : one_line(text.c_str());
}

} // namespace

std::string one_line(const char* message) {
    std::string text = message == nullptr ? "" : message;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
    return text;
}

postgres_error::postgres_error(const PGresult* failed) : database_error(message_of(failed)), state_(state_of(failed)) {}
postgres_error::postgres_error(const PGconn* lost)
    : database_error(one_line(PQerrorMessage(lost))), state_(state_link_lost) {}

failure_reach postgres_error::reach() const {
    if (state_ == state_fenced) return failure_reach::store;
    // 08 connection, 57P the server stops or ended us, 58 its own disk or memory, 25006 it is a standby now.
    const bool is_link = is_class("PT") || is_class("08") || is_class("58") || state_.starts_with("57P") ||
                         state_ == "25006" || state_ == "53300" || state_ == "25P03";
    if (is_link) return failure_reach::link;
    // 53 no room or memory, 40 serialization, 55 a lock not got, 57014 cancelled, 25 the transaction was undone.
    constexpr std::array<std::string_view, 4> of_batch{"53", "40", "55", "25"};
    const bool is_batch =
        state_ == "57014" || std::any_of(of_batch.begin(), of_batch.end(), [this](auto two) { return is_class(two); });
    return is_batch ? failure_reach::batch : failure_reach::operation;
}

op_error postgres_error::describe(std::string operation) const {
    std::string detail = what();
    if (!is_class("PT")) detail += " (SQLSTATE " + state_ + ")";
    const auto made = [&](store_error code) {
        return op_error{make_error_code(code), std::move(operation), std::move(detail)};
    };
    if (is_full()) return made(store_error::full);
    switch (reach()) {
    case failure_reach::link:
    case failure_reach::batch:
        return made(store_error::unreachable);
    case failure_reach::store:
        return made(store_error::failed);
    case failure_reach::operation:
        break;
    }
    return {make_error_code(boost::system::errc::state_not_recoverable), std::move(operation), std::move(detail)};
}

} // namespace prooftrack::store
