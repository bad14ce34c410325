// One call of Linux that Swift's Glibc module does not show, because it stands behind _GNU_SOURCE.
#ifndef SWIFTLET_FILES_H
#define SWIFTLET_FILES_H

#include <stdint.h>
#include <sys/types.h>

extern int sync_file_range(int descriptor, off_t offset, off_t count, unsigned int flags);

/// Tells the kernel to begin writing these bytes to the disk, and does not wait for it. Only a hint: what it answers does not matter.
static inline void swiftlet_start_writeback(int descriptor, int64_t offset, int64_t count) {
    (void)sync_file_range(descriptor, offset, count, 2 /* SYNC_FILE_RANGE_WRITE */);
}

#endif
