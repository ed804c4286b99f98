#include "callback/orphan_reaper.hpp"

#include <csignal>

#include "callback/spawned_process.hpp"

namespace prooftrack::callback {

orphan_reaper::orphan_reaper(const boost::asio::any_io_executor& loop) : ended_(loop) {
    if (!inherits_orphans()) return;
    ended_.add(SIGCHLD);
    await();
}

void orphan_reaper::await() {
    ended_.async_wait(lifetime_.guarded([this](const boost::system::error_code& error, int /*signal*/) {
        if (error) return;
        reap_orphans();
        await();
    }));
}

} // namespace prooftrack::callback
