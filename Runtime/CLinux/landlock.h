// Landlock: the files and ports a process may still reach, by its own choice. The numbers are the kernel's; headers of many systems
// are older than the kernel they run on, so they are written here.
#ifndef SWIFTLET_CLINUX_LANDLOCK_H
#define SWIFTLET_CLINUX_LANDLOCK_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/// The kernel's version of Landlock, from 1; -1 with errno when it has none.
static inline int swiftlet_landlock_version(void) { return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1); }

/// A new set of rules that refuses everything to do with files, binding of ports, and (unless `may_connect`) connecting: a descriptor,
/// or -1 with errno. From version 6 it also keeps signals and abstract sockets inside.
static inline int swiftlet_landlock_rules(int version, int may_connect) {
    struct { uint64_t files, network, scope; } refused = {0x1fff, 0, 0};  // Execute, write, read, list, remove and make of every kind.
    if (version >= 2) refused.files |= 1 << 13;                           // Move between directories.
    if (version >= 3) refused.files |= 1 << 14;                           // Truncate.
    if (version >= 4) refused.network = may_connect ? 1 : 3;              // Bind, connect.
    if (version >= 5) refused.files |= 1 << 15;                           // Device control.
    if (version >= 6) refused.scope = 3;                                  // Abstract sockets, signals.
    int descriptor = (int)syscall(SYS_landlock_create_ruleset, &refused, sizeof refused, 0);
    return descriptor;
}

/// Allows reading of `path` and, when it is a directory, of everything beneath it; with `writable`, writing to this one file too.
/// 0, or -1 with errno.
static inline int swiftlet_landlock_allow(int rules, const char *path, int writable) {
    const uint64_t write_file = 1 << 1, read_file = 1 << 2, read_directory = 1 << 3;
    int parent = open(path, 010000000 /* O_PATH */ | O_CLOEXEC);
    if (parent < 0) return -1;
    struct stat kind;
    int result = fstat(parent, &kind);
    if (result == 0) {
        struct __attribute__((packed)) { uint64_t access; int32_t parent; } rule = {read_file, parent};
        if (S_ISDIR(kind.st_mode)) rule.access |= read_directory;
        else if (writable) rule.access |= write_file;
        result = (int)syscall(SYS_landlock_add_rule, rules, 1, &rule, 0);
    }
    int reason = errno;
    close(parent);
    errno = reason;
    return result;
}

/// Puts the rules on this thread and on every thread it starts.
static inline int swiftlet_landlock_enforce(int rules) { return (int)syscall(SYS_landlock_restrict_self, rules, 0); }

#endif
