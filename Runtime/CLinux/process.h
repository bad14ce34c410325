// Starting a worker process, watching it, and taking from it what it does not need.
#ifndef SWIFTLET_CLINUX_PROCESS_H
#define SWIFTLET_CLINUX_PROCESS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Numbers that every architecture shares; old headers do not have them yet.
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

// glibc has these (the first from 2.34), and shows them only to some.
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int lowest);
extern int setresuid(uid_t real, uid_t effective, uid_t saved);
extern int setresgid(gid_t real, gid_t effective, gid_t saved);
extern int setgroups(size_t count, const gid_t *groups);

// Descriptors. Each function gives 0 (or a descriptor), or -1 with errno. Whatever they open closes itself on exec.

/// Two connected stream sockets.
static inline int swiftlet_socket_pair(int *first, int *second) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
    *first = ends[0];
    *second = ends[1];
    return 0;
}

/// A pipe.
static inline int swiftlet_pipe(int *read_end, int *write_end) {
    int ends[2];
    if (syscall(SYS_pipe2, ends, O_CLOEXEC) != 0) return -1;
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

/// Something a thread can sleep on with `poll`: it is readable from when it is rung until it is silenced.
static inline int swiftlet_bell(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

static inline void swiftlet_ring(int bell) {
    const uint64_t one = 1;
    // It fails only where it has been rung so often already that it stays readable.
    ssize_t ignored = write(bell, &one, sizeof one);
    (void)ignored;
}

static inline void swiftlet_silence(int bell) {
    uint64_t count;
    ssize_t ignored = read(bell, &count, sizeof count);
    (void)ignored;
}

// What the main queue of libdispatch, and so the main actor, has to do, for a main thread with a loop of its own. It exports these for the
// run loops of Foundation.
extern int _dispatch_get_main_queue_handle_4CF(void);
extern void _dispatch_main_queue_callback_4CF(void *ignored);

static inline int swiftlet_is_main_thread(void) { return getpid() == (pid_t)syscall(SYS_gettid); }

/// A bell that rings when there is something to do on the main thread. It belongs to the process.
static inline int swiftlet_main_queue_bell(void) { return _dispatch_get_main_queue_handle_4CF(); }

/// Does it. Only for the main thread.
static inline void swiftlet_work_main_queue(void) { _dispatch_main_queue_callback_4CF(NULL); }

static inline int swiftlet_duplicate_above(int descriptor, int lowest) { return fcntl(descriptor, F_DUPFD_CLOEXEC, lowest); }

static inline int swiftlet_make_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

/// Memory of this many bytes behind a descriptor, whose size nobody can change any more.
static inline int swiftlet_shared_memory(const char *name, size_t bytes) {
    const unsigned close_on_exec = 1, allow_sealing = 2, never_executable = 8;
    int descriptor = (int)syscall(SYS_memfd_create, name, close_on_exec | allow_sealing | never_executable);
    if (descriptor < 0 && errno == EINVAL) {  // A kernel before 6.3.
        descriptor = (int)syscall(SYS_memfd_create, name, close_on_exec | allow_sealing);
    }
    if (descriptor < 0) return -1;
    const int add_seals = 1033, seal = 1, shrink = 2, grow = 4;
    if (ftruncate(descriptor, (off_t)bytes) != 0 || fcntl(descriptor, add_seals, seal | shrink | grow) != 0) {
        int reason = errno;
        close(descriptor);
        errno = reason;
        return -1;
    }
    return descriptor;
}

/// 1 when the descriptor is memory whose size cannot shrink; 0 otherwise.
static inline int swiftlet_cannot_shrink(int descriptor) {
    const int get_seals = 1034, shrink = 2;
    int seals = fcntl(descriptor, get_seals);
    return seals >= 0 && (seals & shrink) != 0;
}

/// Closes every descriptor from `lowest` up.
static inline int swiftlet_close_from(unsigned lowest) {
    if (syscall(SYS_close_range, lowest, ~0U, 0) == 0) return 0;
    if (errno != ENOSYS) return -1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    unsigned end = limit.rlim_cur > 65536 ? 65536 : (unsigned)limit.rlim_cur;
    for (unsigned descriptor = lowest; descriptor < end; descriptor++) close((int)descriptor);
    return 0;
}

// Processes.

/// Starts `path`: input from nowhere, `output` and `errors` as 1 and 2, `socket` as 3, `ledger` as 4, nothing from 5 up; in a process
/// group of its own, with no signal blocked or ignored. The four descriptors must be above 4. Gives 0 or the number of the error.
static inline int swiftlet_spawn(
    pid_t *pid, const char *path, char *const argv[], char *const envp[], int output, int errors, int socket, int ledger) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0) return result;
    result = posix_spawnattr_init(&attributes);
    if (result != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return result;
    }
    sigset_t every, none;
    sigfillset(&every);
    sigemptyset(&none);
    if (result == 0) result = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (result == 0) result = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (result == 0) result = posix_spawn_file_actions_adddup2(&actions, errors, 2);
    if (result == 0) result = posix_spawn_file_actions_adddup2(&actions, socket, 3);
    if (result == 0) result = posix_spawn_file_actions_adddup2(&actions, ledger, 4);
    if (result == 0) result = posix_spawn_file_actions_addclosefrom_np(&actions, 5);
    if (result == 0) result = posix_spawnattr_setsigdefault(&attributes, &every);
    if (result == 0) result = posix_spawnattr_setsigmask(&attributes, &none);
    if (result == 0) result = posix_spawnattr_setpgroup(&attributes, 0);
    if (result == 0) {
        result = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    }
    if (result == 0) result = posix_spawn(pid, path, &actions, &attributes, argv, envp);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

static inline int swiftlet_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static inline int swiftlet_pidfd_signal(int pidfd, int number) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

/// 1 when the child behind `pidfd` has ended (then `by_signal` and `value` are set), 0 while it runs, -1 with errno. With `keep`, its
/// entry stays, so that its number is not given away yet.
static inline int swiftlet_child_ended(int pidfd, int keep, int *by_signal, int *value) {
    const int by_pidfd = 3;
    siginfo_t info;
    long result;
    do {
        memset(&info, 0, sizeof info);
        result = syscall(SYS_waitid, by_pidfd, pidfd, &info, WEXITED | WNOHANG | (keep ? WNOWAIT : 0), NULL);
    } while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (info.si_pid == 0) return 0;
    *by_signal = info.si_code != CLD_EXITED;
    *value = info.si_status;
    return 1;
}

/// Waits for a child by its number and forgets it.
static inline void swiftlet_forget_child(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
}

/// The processor time of all threads of `pid`, in nanoseconds; -1 once it is gone.
static inline int64_t swiftlet_cpu_time(pid_t pid) {
    if (pid <= 0) return -1;
    // The kernel's name of a process's clock; kind 2 counts what its threads were scheduled for.
    clockid_t clock = (clockid_t)((~(unsigned)pid << 3) | 2);
    struct timespec time;
    if (syscall(SYS_clock_gettime, clock, &time) != 0) return -1;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// A slot of memory that two processes share.

static inline uint64_t swiftlet_load(const void *slot) { return __atomic_load_n((const uint64_t *)slot, __ATOMIC_ACQUIRE); }
static inline void swiftlet_store(void *slot, uint64_t value) { __atomic_store_n((uint64_t *)slot, value, __ATOMIC_RELEASE); }

// What a worker does to itself. 0, or -1 with errno.

static inline int swiftlet_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }
static inline int swiftlet_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
static inline int swiftlet_is_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }

/// From now on, memory that was once writable never becomes executable. Linux 6.3.
static inline int swiftlet_no_new_code(void) {
    const int set_memory_deny_write_execute = 65, refuse_exec_gain = 1;
    return prctl(set_memory_deny_write_execute, refuse_exec_gain, 0, 0, 0);
}

static inline void swiftlet_ignore_signal(int number) { signal(number, SIG_IGN); }

/// Lowers a limit, soft and hard; one that is lower already stays. `which` is one of RLIMIT_*.
static inline int swiftlet_lower_limit(int which, uint64_t value) {
    struct rlimit limit;
    if (getrlimit(which, &limit) != 0) return -1;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > value) limit.rlim_max = value;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(which, &limit);
}
enum {
    SWIFTLET_LIMIT_CORE = RLIMIT_CORE, SWIFTLET_LIMIT_FILES = RLIMIT_NOFILE, SWIFTLET_LIMIT_DATA = RLIMIT_DATA,
    SWIFTLET_LIMIT_FILE_SIZE = RLIMIT_FSIZE, SWIFTLET_LIMIT_LOCKED = RLIMIT_MEMLOCK, SWIFTLET_LIMIT_THREADS = RLIMIT_NPROC,
    SWIFTLET_LIMIT_QUEUES = RLIMIT_MSGQUEUE, SWIFTLET_LIMIT_REALTIME = RLIMIT_RTPRIO
};

/// Overwrites the environment strings that this process still points to, then forgets them.
static inline int swiftlet_forget_environment(void) {
    extern char **environ;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) memset(*entry, 0, strlen(*entry));
    return clearenv();
}

/// Becomes this user and group for good, in no other group.
static inline int swiftlet_become(uid_t user, gid_t group) {
    if (setgroups(0, NULL) != 0 || setresgid(group, group, group) != 0) return -1;
    return setresuid(user, user, user);
}

/// A view of `/proc` of its own, that shows this process's threads and none of the other processes it may not trace, nor anything about
/// the machine. Needs CAP_SYS_ADMIN, and Linux 5.8.
static inline int swiftlet_hide_other_processes(void) {
    if (syscall(SYS_unshare, 0x00020000 /* CLONE_NEWNS */) != 0) return -1;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -1;
    // Without a group of that number, nobody is exempt; by default group 0 would be.
    return mount(
        "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "hidepid=2,subset=pid,gid=4294967294");
}

/// Nothing that is started from here can gain a capability. Needs CAP_SETPCAP.
static inline int swiftlet_drop_bounding_capabilities(void) {
    for (int capability = 0; capability < 64; capability++) {
        int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (held < 0) break;
        if (held == 1 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return -1;
    }
    return 0;
}

/// Gives up every capability of this thread.
static inline int swiftlet_drop_capabilities(void) {
    const int ambient = 47, clear_all = 4;
    if (prctl(ambient, clear_all, 0, 0, 0) != 0 && errno != EINVAL) return -1;
    struct { uint32_t version; int pid; } head = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } none[2] = {{0, 0, 0}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &head, none);
}

/// 1 while this thread holds any capability; 0 otherwise; -1 with errno.
static inline int swiftlet_holds_capabilities(void) {
    struct { uint32_t version; int pid; } head = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } held[2] = {{0, 0, 0}, {0, 0, 0}};
    if (syscall(SYS_capget, &head, held) != 0) return -1;
    return (held[0].effective | held[0].permitted | held[1].effective | held[1].permitted) != 0;
}

#endif
