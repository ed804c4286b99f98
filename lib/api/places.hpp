#pragma once

// How many connections each user may have. Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "api/peer.hpp"

namespace prooftrack::api {

/// The limits of one listener. Nobody but the owners (root and the daemon's own user) can take all of it.
struct place_limits {
    std::size_t all = 256;
    std::size_t admins = 256; ///< admins and everybody together
    std::size_t everybody = 256;
    std::size_t one_admin = 256; ///< one user id of that rank
    std::size_t one_user = 256;

    /// A sixteenth (at most 16) of `most` is kept for the owners, as much again for admins and owners where there are
    /// admins; of the rest one user gets half.
    static place_limits shared(std::size_t most, bool has_admins);
    /// First come, first served.
    static place_limits equal(std::size_t most);
};

/// Counts the connections that are in, by rank and user.
class place_count {
  public:
    enum class verdict : std::uint8_t {
        free,
        user_is_full, ///< this user has as many as one may have
        rank_is_full, ///< those of this rank (and below) have all that is not kept for others
        all_is_full,
    };

    explicit place_count(place_limits limits) : limits_(limits) {}

    void set_limits(place_limits limits) { limits_ = limits; }
    std::size_t size() const { return owners_ + admins_ + everybody_; }
    const place_limits& limits() const { return limits_; }

    /// Whether one more of that user may come in.
    verdict look(client_rank rank, std::int64_t uid) const;
    void take(client_rank rank, std::int64_t uid);
    /// Requires a `take` with the same values.
    void give_back(client_rank rank, std::int64_t uid);

  private:
    std::size_t& of(client_rank rank);

    place_limits limits_;
    std::size_t owners_ = 0;
    std::size_t admins_ = 0;
    std::size_t everybody_ = 0;
    std::map<std::int64_t, std::size_t> by_user_;
};

} // namespace prooftrack::api
