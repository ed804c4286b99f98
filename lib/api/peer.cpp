#include "api/peer.hpp"

#include <algorithm>
#include <cerrno>

#include <boost/system/system_error.hpp>

#include <grp.h>
#include <sys/socket.h>

namespace prooftrack::api {
namespace {

std::vector<gid_t> read_groups(int socket) {
    std::vector<gid_t> groups(32);
    for (int attempt = 0; attempt < 2; ++attempt) {
        auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        const bool read = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0;
        if (!read && errno != ERANGE) return {};
        groups.resize(bytes / sizeof(gid_t)); // ERANGE says how many there are
        if (read) return groups;
    }
    return {};
}

} // namespace

peer_credentials read_peer_credentials(int socket) {
    peer_credentials peer;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
    peer.pid = credentials.pid;
    peer.groups = read_groups(socket);
    return peer;
}

client_rank rank_of(const access_rules& rules, const peer_credentials& peer) {
    if (peer.uid < 0 || peer.uid == overflow_id) return client_rank::everybody;
    if (peer.uid == 0 || peer.uid == rules.own_uid) return client_rank::owner;
    return rules.admin_group && may_change(rules, peer) ? client_rank::admin : client_rank::everybody;
}

bool may_change(const access_rules& rules, const peer_credentials& peer) {
    if (!rules.admin_group) return true;
    if (peer.uid < 0 || peer.uid == overflow_id) return false;
    if (peer.uid == 0 || peer.uid == rules.own_uid) return true;
    const gid_t wanted = *rules.admin_group;
    if (wanted == overflow_id) return false;
    return peer.gid == wanted || std::find(peer.groups.begin(), peer.groups.end(), wanted) != peer.groups.end();
}

std::optional<gid_t> find_group(const std::string& name) {
    std::vector<char> buffer(1024);
    while (buffer.size() <= 1024 * 1024) {
        group entry{};
        group* found = nullptr;
        const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
        if (error == ERANGE) {
            buffer.resize(buffer.size() * 2);
            continue;
        }
        if (found != nullptr) return found->gr_gid;
        if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) return std::nullopt;
        throw boost::system::system_error(error, boost::system::system_category(), "look up group " + name);
    }
    return std::nullopt;
}

} // namespace prooftrack::api
