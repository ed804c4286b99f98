#include <string>

#include "proof/proof_client.hpp"

namespace prooftrack::proof {
namespace {

class category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "proof"; }
    std::string message(int value) const override {
        switch (static_cast<proof_error>(value)) {
        case proof_error::unreachable:
            return "Proof cannot be reached";
        case proof_error::timed_out:
            return "no whole reply in time";
        case proof_error::interrupted:
            return "interrupted before the reply";
        case proof_error::unusable_reply:
            return "the reply cannot be used";
        case proof_error::stopped:
            return "the client is stopping";
        }
        return "unknown error";
    }
};

} // namespace

const boost::system::error_category& proof_category() {
    static const category instance;
    return instance;
}

error_code make_error_code(proof_error error) { return {static_cast<int>(error), proof_category()}; }

bool may_have_reached_proof(const op_error& error) {
    return error.code != proof_error::unreachable && error.code != proof_error::stopped;
}

} // namespace prooftrack::proof
