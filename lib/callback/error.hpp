#pragma once

// Why a secret or an attempt is refused before anything is sent. Of a URL base/target_rules says it.

#include "base/result.hpp"

namespace prooftrack::callback {

enum class callback_error {
    secret_prefix = 1, ///< does not begin with whsec_
    secret_base64,     ///< what follows is not base64
    secret_too_short,  ///< under 24 bytes decoded
    secret_too_long,   ///< over 64 bytes decoded
    no_secret,         ///< a file without a single secret
    blank_line,        ///< a line without a secret in such a file
    not_configured,    ///< no target of that name
    stopping,          ///< the sender is stopping
    not_signed,        ///< over TCP and without a secret to sign with
};

const boost::system::error_category& callback_category();
error_code make_error_code(callback_error error);

} // namespace prooftrack::callback

template <>
struct boost::system::is_error_code_enum<prooftrack::callback::callback_error> : std::true_type {};
