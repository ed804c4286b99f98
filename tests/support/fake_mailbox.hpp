#pragma once

// What a fake_disk that several daemons share does for the one whose operation runs: its shards alone are given out to
// it, and the owners of the others are told by mail, by the rules of store/database.hpp.

#include <cstdint>
#include <string>
#include <vector>

#include "base/shards.hpp"
#include "base/time.hpp"
#include "store/mail.hpp"

namespace prooftrack {

struct fake_mailbox {
    struct letter {
        store::mail_kind kind = store::mail_kind::row;
        std::uint64_t subject = 0; ///< row or delivery
        std::string lane{};
        wall_time at{}; ///< of a wish
    };

    const shard_set* held = nullptr; ///< by the daemon whose operation runs; nullptr = it is alone
    bool sends_no_mail = false;      ///< to show that the simulation finds what comes of it
    std::vector<letter> mail;        ///< numbered from 1 on, in the order of the commits

    bool holds(std::uint64_t transaction_number) const {
        return held == nullptr || held->test(shard_of_row(static_cast<std::int64_t>(transaction_number)));
    }
    bool holds_all() const { return held == nullptr || held->all(); }
    void tell_owner(std::uint64_t transaction_number) {
        if (!holds(transaction_number) && !sends_no_mail) mail.push_back({store::mail_kind::row, transaction_number});
    }
    void tell_owner_of_lane(std::uint64_t transaction_number, const std::string& lane) {
        if (!holds(transaction_number) && !sends_no_mail) mail.push_back({store::mail_kind::lane, 0, lane});
    }
    /// The same of a lane whose transactions were not looked at.
    void tell_owners_of_lane(const std::string& lane) {
        if (!holds_all()) mail.push_back({store::mail_kind::lane, 0, lane});
    }
    void tell_all(store::mail_kind kind) {
        if (held != nullptr) mail.push_back({kind});
    }
};

} // namespace prooftrack
