#pragma once

// The sandbox's own JSON: what `--script` and `/sandbox/*` understand. Pure; strict: an unknown member is refused by
// name.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>
#include <boost/system/result.hpp>

#include "faults.hpp"
#include "world.hpp"

namespace prooftrack::sandbox {

/// What is wrong with a document, for the one who wrote it.
struct document_error {
    std::string message;
};
[[noreturn]] void throw_exception_from_error(const document_error& error, const boost::source_location&);

template <class T>
using document_result = boost::system::result<T, document_error>;

/// `{"transactions": {ID: {"status"?, "script"?, "body"?}}, "sessions": {"script"}, "users": {ID: STATUS}, "faults":
/// [FAULT]}`
struct script_document {
    std::vector<std::pair<std::string, transaction_change>> transactions;
    std::optional<std::vector<script_step>> session_script;
    std::vector<std::pair<std::string, std::string>> users;
    std::vector<fault> faults;
};

document_result<script_document> parse_script_document(std::string_view text);
/// `{"status"}`, `{"script": [{"after": "2s", "status": "processing"}, …]}`, both, and `"body"`: bytes to answer with.
document_result<transaction_change> parse_transaction_change(std::string_view text);
/// One fault, or an array of them.
document_result<std::vector<fault>> parse_faults(std::string_view text);
/// `{"status": "verified"}`
document_result<std::string> parse_user_status(std::string_view text);

/// A fault as `GET /sandbox/faults` shows it.
std::string format_fault(const fault& what);

} // namespace prooftrack::sandbox
