// Calls of Linux that Swift's Glibc module does not show.
#ifndef SWIFTLET_CLINUX_H
#define SWIFTLET_CLINUX_H

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "process.h"
#include "landlock.h"
#include "filter.h"

/// No core files, and no reading of this process's memory by others of the same user. 0, or -1 with errno.
static inline int swiftlet_keep_memory_private(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return -1;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/// How many cores this process may run on; 0 when the kernel does not say.
static inline int swiftlet_allowed_cores(void) {
    unsigned long mask[128] = {0};
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int count = 0;
    for (long i = 0; i < bytes / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
    return count;
}

#endif
