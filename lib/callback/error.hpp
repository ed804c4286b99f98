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
    secret_characters, ///< a line of it with spaces inside, control or non-ASCII characters
    secret_lines,      ///< too many lines in it, or one that is too long
    byte_order_mark,   ///< a file that begins with one
    header_line,       ///< a line of a file of headers that is not `Name: value`
    header_reserved,   ///< a header that is not to be set: webhook-*, Host, Content-* and those of the connection
    header_value,      ///< a value with control or non-ASCII characters
    header_twice,      ///< a header that stands in the file twice
    header_lines,      ///< too many headers in it, or a line that is too long
    not_configured,    ///< no target of that name
    stopping,          ///< the sender is stopping
    not_signed,        ///< over TCP and without a secret to sign with
};

const boost::system::error_category& callback_category();
error_code make_error_code(callback_error error);

} // namespace prooftrack::callback

template <>
struct boost::system::is_error_code_enum<prooftrack::callback::callback_error> : std::true_type {};
