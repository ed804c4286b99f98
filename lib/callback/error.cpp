#include "callback/error.hpp"

#include <string>

#include <fmt/format.h>

#include "callback/secret_file.hpp"

namespace prooftrack::callback {
namespace {

class callback_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "prooftrack.callback"; }
    std::string message(int value) const override {
        switch (static_cast<callback_error>(value)) {
        case callback_error::secret_prefix:
            return "a secret begins with whsec_ (make one with `prooftrackctl secret new`)";
        case callback_error::secret_base64:
            return "what follows whsec_ is not base64 (make a secret with `prooftrackctl secret new`)";
        case callback_error::secret_too_short:
            return "the secret is shorter than 24 bytes (make one with `prooftrackctl secret new`)";
        case callback_error::secret_too_long:
            return "the secret is longer than 64 bytes (make one with `prooftrackctl secret new`)";
        case callback_error::no_secret:
            return "there is no secret in it (make one with `prooftrackctl secret new`)";
        case callback_error::blank_line:
            return "it is blank: delete it";
        case callback_error::secret_characters:
            return "expected one whsec_… a line, nothing else (make one with `prooftrackctl secret new`)";
        case callback_error::secret_lines:
            return fmt::format("at most {} secrets of {} bytes", max_secret_lines, max_secret_line_bytes);
        case callback_error::byte_order_mark:
            return "it begins with a UTF-8 byte order mark, which some editors write: save it without";
        case callback_error::header_line:
            return "expected `Name: value`, with nothing before the name or between it and the colon; there are no "
                   "comments";
        case callback_error::header_reserved:
            return "the daemon writes this header itself (webhook-*, Host, Content-*, Transfer-Encoding, Connection "
                   "and what else belongs to the connection): take it out";
        case callback_error::header_value:
            return "the value holds control characters, or others than ASCII";
        case callback_error::header_twice:
            return "a header of that name stands above already";
        case callback_error::header_lines:
            return fmt::format("at most {} headers, in lines of {} bytes", max_headers, max_header_line_bytes);
        case callback_error::not_configured:
            return "callback not configured";
        case callback_error::stopping:
            return "the daemon is stopping";
        case callback_error::not_signed:
            return "there is no secret to sign it with, and nothing goes over TCP unsigned (make one with "
                   "`prooftrackctl secret new`)";
        }
        return "unknown callback error";
    }
};

} // namespace

const boost::system::error_category& callback_category() {
    static const callback_category_type category;
    return category;
}

error_code make_error_code(callback_error error) { return {static_cast<int>(error), callback_category()}; }

} // namespace prooftrack::callback
