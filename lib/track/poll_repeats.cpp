#include "track/poll_repeats.hpp"

namespace prooftrack::track {
namespace {

constexpr std::uint8_t most_refusals = 16;
constexpr std::uint8_t refusals_for_one_alone = 4;
constexpr std::uint8_t goaways_for_a_new_one = 4;
constexpr std::uint32_t first_requests = 10;

} // namespace

bool may_be_repeated(const poll_tries& tries, no_reply kind, const connection_facts& connection) {
    if (kind == no_reply::given_up || kind == no_reply::unprocessed) return false;
    const bool may_be_victim = kind != no_reply::reset && connection.is_shared;
    const bool may_be_stale = kind != no_reply::cut && connection.has_lived;
    if (tries.repeats == 0) return may_be_stale || may_be_victim;
    return tries.repeats < most_repeats && may_be_victim;
}

bool count_refusal(poll_tries& tries, bool with_connection) {
    if (with_connection) ++tries.goaways;
    tries.refusals = static_cast<std::uint8_t>(tries.refusals + (with_connection ? 1 : refusals_for_one_alone));
    return tries.refusals <= most_refusals;
}

bool needs_new_connection(const poll_tries& tries) { return tries.goaways >= goaways_for_a_new_one; }

bool is_new_connection(std::uint32_t requests_sent) { return requests_sent < first_requests; }

void repeats_together::add(const poll_tries& tries) {
    if (tries.repeats == most_repeats) {
        has_suspect_ = true;
    } else if (tries.repeats > 0) {
        ++repeats_;
    }
}

void repeats_together::remove(const poll_tries& tries) {
    if (tries.repeats == most_repeats) {
        has_suspect_ = false;
    } else if (tries.repeats > 0) {
        --repeats_;
    }
}

} // namespace prooftrack::track
