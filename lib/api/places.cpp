#include "api/places.hpp"

#include <algorithm>

#include "base/expects.hpp"

namespace prooftrack::api {
namespace {

constexpr std::size_t most_kept = 16;
constexpr std::size_t kept_part = 16;

} // namespace

place_limits place_limits::shared(std::size_t most, bool has_admins) {
    place_limits made = equal(most);
    const std::size_t kept = std::min(most / kept_part, most_kept);
    made.admins = most - kept;
    made.everybody = has_admins ? made.admins - kept : made.admins;
    made.one_admin = (made.admins + 1) / 2;
    made.one_user = (made.everybody + 1) / 2;
    return made;
}

place_limits place_limits::equal(std::size_t most) { return {most, most, most, most, most}; }

place_count::verdict place_count::look(client_rank rank, std::int64_t uid) const {
    if (rank != client_rank::owner) {
        const auto own = by_user_.find(uid);
        const std::size_t most = rank == client_rank::admin ? limits_.one_admin : limits_.one_user;
        if (own != by_user_.end() && own->second >= most) return verdict::user_is_full;
        if (rank == client_rank::everybody && everybody_ >= limits_.everybody) return verdict::rank_is_full;
        if (everybody_ + admins_ >= limits_.admins) return verdict::rank_is_full;
    }
    return size() >= limits_.all ? verdict::all_is_full : verdict::free;
}

void place_count::take(client_rank rank, std::int64_t uid) {
    ++of(rank);
    ++by_user_[uid];
}

void place_count::give_back(client_rank rank, std::int64_t uid) {
    const auto own = by_user_.find(uid);
    expects(of(rank) > 0 && own != by_user_.end(), "places: more were given back than were taken");
    --of(rank);
    if (--own->second == 0) by_user_.erase(own);
}

std::size_t& place_count::of(client_rank rank) {
    switch (rank) {
    case client_rank::owner:
        return owners_;
    case client_rank::admin:
        return admins_;
    case client_rank::everybody:
        break;
    }
    return everybody_;
}

} // namespace prooftrack::api
