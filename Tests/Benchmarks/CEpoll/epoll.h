// epoll, which Swift's Glibc module does not show.
#ifndef SWIFTLET_BENCH_EPOLL_H
#define SWIFTLET_BENCH_EPOLL_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

/// One thing that happened: which socket, by its number, and what (EPOLLIN and so on). Not packed, so that Swift can read it in place.
struct bench_event {
    uint32_t what;
    uint32_t who;
};

enum { BENCH_BATCH = 256 };

static inline int bench_watch(int epoll, int operation, int descriptor, uint32_t what, uint32_t who) {
    struct epoll_event event = {.events = what, .data = {.u32 = who}};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

/// Waits up to `nanoseconds` (forever when negative) and fills at most BENCH_BATCH events: their number, or -1 with errno.
static inline int bench_wait(int epoll, struct bench_event *into, int64_t nanoseconds) {
    struct epoll_event events[BENCH_BATCH];
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    int count = epoll_pwait2(epoll, events, BENCH_BATCH, nanoseconds < 0 ? 0 : &time, 0);
    for (int i = 0; i < count; i++) into[i] = (struct bench_event){events[i].events, events[i].data.u32};
    return count;
}

/// Sleeps take a microsecond too long at most, instead of fifty.
static inline void bench_sharpen_timers(void) { prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0); }

#endif
