#pragma once

// Who is at the other end of a Unix socket, and what they may do.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace prooftrack::api {

/// As the kernel knew the client when it connected.
struct peer_credentials {
    std::int64_t uid = -1; ///< -1 = unknown (TCP)
    std::int64_t gid = -1;
    std::int64_t pid = -1;     ///< for the log alone
    std::vector<gid_t> groups; ///< supplementary
};

/// What an id reads as that has no meaning here (another user namespace): it is nobody in particular, so it is never
/// let in.
inline constexpr std::int64_t overflow_id = 65534;

/// SO_PEERCRED and SO_PEERGROUPS; an unknown peer when the kernel does not say.
peer_credentials read_peer_credentials(int socket);

struct access_rules {
    std::optional<gid_t> admin_group; ///< nullopt: everyone who can connect may do everything
    std::int64_t own_uid = 0;
};

/// Whether the client may use what only admins may: everybody may without an admin_group, root and the daemon's own
/// user always.
bool may_change(const access_rules& rules, const peer_credentials& peer);

/// The order of priority when places or memory are short.
enum class client_rank : std::uint8_t {
    owner,     ///< root and the daemon's own user
    admin,     ///< members of the admin_group
    everybody, ///< without an admin_group: every client that is no owner
};

client_rank rank_of(const access_rules& rules, const peer_credentials& peer);

/// The group's id; nullopt for an unknown name, throws boost::system::system_error when the user database cannot be
/// read.
std::optional<gid_t> find_group(const std::string& name);

} // namespace prooftrack::api
