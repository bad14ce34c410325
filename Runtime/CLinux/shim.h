// Calls of Linux that Swift's Glibc module does not show.
#ifndef SWIFTLET_CLINUX_H
#define SWIFTLET_CLINUX_H

#include <sys/prctl.h>
#include <sys/resource.h>

/// No core files, and no reading of this process's memory by others of the same user. 0, or -1 with errno.
static inline int swiftlet_keep_memory_private(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return -1;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

#endif
