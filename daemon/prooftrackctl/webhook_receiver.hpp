#pragma once

// What a receiver of our webhooks does: verifies, answers, reports each event once. No sockets.

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/secret.hpp"
#include "base/time.hpp"

namespace prooftrack::ctl {

/// One request as it came; header names in lower case.
struct received_request {
    std::string method;
    std::map<std::string, std::string> headers;
    std::string body;
};

struct receipt {
    int status = 401;    ///< what to answer
    std::string reason;  ///< for people, "" when it was verified
    bool is_new = false; ///< verified, and its webhook-id was not seen before
    std::string id;      ///< webhook-id
};

/// Remembers the newest ids, so that a repeated delivery is answered but not reported again.
class webhook_receiver {
  public:
    static constexpr std::size_t ids_kept = 10'000;

    /// `keys`: decoded secrets, any of which may have signed. `answer`: the status of a verified event.
    webhook_receiver(std::vector<secret> keys, int answer) : keys_(std::move(keys)), answer_(answer) {}

    receipt take(const received_request& request, wall_time now);

  private:
    std::vector<secret> keys_;
    int answer_;
    std::unordered_set<std::string> seen_;
    std::deque<std::string> order_;
};

} // namespace prooftrack::ctl
