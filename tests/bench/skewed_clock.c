/* Preloaded into a program: its wall clock is wrong by SKEWED_CLOCK_S seconds; every other clock is right, and timers,
   which are the kernel's. libfaketime also shifts timers of CLOCK_MONOTONIC that are set to a point of time, which no
   option turns off: with a clock that is ahead, Asio's timer for what is due at once is refused with EINVAL. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long skew;

__attribute__((constructor)) static void read_skew(void) {
    const char *text = getenv("SKEWED_CLOCK_S");
    skew = text ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    const int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI))
        now->tv_sec += skew;
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    const int result = (int)syscall(SYS_gettimeofday, now, zone);
    if (result == 0) now->tv_sec += skew;
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
