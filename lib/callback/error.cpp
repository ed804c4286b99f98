#include "callback/error.hpp"

#include <string>

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
