#include "net/standard_descriptors.hpp"

#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace prooftrack::net {
namespace {

bool is_null_device(int descriptor) {
    struct stat here {};
    struct stat null {};
    return ::fstat(descriptor, &here) == 0 && ::stat("/dev/null", &null) == 0 && here.st_rdev == null.st_rdev;
}

/// In a child: closes what `closed` names, fills, and exits with the number of descriptors that are not as they should
/// be.
int faults_after_closing(const std::string& closed) {
    const pid_t child = ::fork();
    if (child == 0) {
        for (const char digit : closed) ::close(digit - '0');
        fill_standard_descriptors();
        int faults = 0;
        for (int each = 0; each <= 2; ++each) {
            const bool was_closed = closed.find(static_cast<char>('0' + each)) != std::string::npos;
            struct stat info {};
            faults += was_closed ? !is_null_device(each) : ::fstat(each, &info) != 0;
        }
        ::_exit(faults);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

TEST(StandardDescriptors, ClosedOnesBecomeTheNullDeviceAndOpenOnesStay) {
    for (const char* closed : {"", "0", "1", "2", "02", "12", "012"})
        EXPECT_EQ(faults_after_closing(closed), 0) << closed;
}

} // namespace
} // namespace prooftrack::net
