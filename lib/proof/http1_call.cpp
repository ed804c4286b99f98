#include "proof/http1_call.hpp"

#include <openssl/crypto.h>

namespace prooftrack::proof {

void http1_call::start(const proof_call& call, const proof_setup& setup) {
    request_ = setup.where()->format_call(call, setup.token());
}

void http1_call::take_output(std::string& out) {
    out.append(request_);
    OPENSSL_cleanse(request_.data(), request_.size());
    request_ = {};
}

std::optional<call_end> http1_call::receive(std::string_view bytes) {
    parser_.feed(bytes);
    if (parser_.fault() != reply_fault::none) {
        return call_end{.error = proof_error::unusable_reply, .why = std::string(describe(parser_.fault()))};
    }
    if (!parser_.done()) return std::nullopt;
    return reply();
}

call_end http1_call::finish(bool is_clean, const std::string& why) {
    if (is_clean && !parser_.untouched()) parser_.finish(); // framed by the end of the connection, perhaps
    if (parser_.done()) return reply();
    return {.error = proof_error::interrupted, .why = why};
}

call_end http1_call::reply() const {
    const reply_view whole{parser_.status(),     parser_.content_type(), parser_.content_encoding(),
                           parser_.request_id(), parser_.retry_after(),  parser_.date(),
                           parser_.body()};
    return {.what = call_end::kind::reply, .reply = whole};
}

} // namespace prooftrack::proof
