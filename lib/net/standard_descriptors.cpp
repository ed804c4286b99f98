#include "net/standard_descriptors.hpp"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace prooftrack::net {

void fill_standard_descriptors() {
    for (int wanted = STDIN_FILENO; wanted <= STDERR_FILENO; ++wanted) {
        if (::fcntl(wanted, F_GETFD) != -1 || errno != EBADF) continue;
        // The lowest free number is the wanted one: those below it are open.
        if (::open("/dev/null", O_RDWR) != wanted) ::_exit(71); // EX_OSERR: nowhere to say it
    }
}

} // namespace prooftrack::net
