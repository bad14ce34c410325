// The system calls a worker may no longer make. Everything is allowed but what is listed: the list holds what starts or touches other
// processes, opens a way in from outside, writes files, or reaches parts of the kernel that no function needs.
#ifndef SWIFTLET_CLINUX_FILTER_H
#define SWIFTLET_CLINUX_FILTER_H

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SWIFTLET_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define SWIFTLET_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the system call filter knows x86_64 and little-endian aarch64"
#endif

struct swiftlet_filter {
    struct sock_filter code[1024];
    unsigned short count;
    int overflow;
};

static inline void swiftlet_emit(struct swiftlet_filter *filter, uint16_t code, uint8_t yes, uint8_t no, uint32_t value) {
    if (filter->count >= sizeof filter->code / sizeof filter->code[0]) {
        filter->overflow = 1;
        return;
    }
    struct sock_filter step = {code, yes, no, value};
    filter->code[filter->count++] = step;
}

// One instruction each. A jump counts the instructions it passes over.
#define SWIFTLET_LOAD(filter, field) swiftlet_emit(filter, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)(field))
#define SWIFTLET_IF_EQUAL(filter, value, yes, no) \
    swiftlet_emit(filter, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(yes), (uint8_t)(no), (uint32_t)(value))
#define SWIFTLET_IF_ANY_BIT(filter, value, yes, no) \
    swiftlet_emit(filter, BPF_JMP | BPF_JSET | BPF_K, (uint8_t)(yes), (uint8_t)(no), (uint32_t)(value))
#define SWIFTLET_ANSWER(filter, value) swiftlet_emit(filter, BPF_RET | BPF_K, 0, 0, (uint32_t)(value))
#define SWIFTLET_ALLOW(filter) SWIFTLET_ANSWER(filter, SECCOMP_RET_ALLOW)
#define SWIFTLET_REFUSE(filter, error) SWIFTLET_ANSWER(filter, SECCOMP_RET_ERRNO | (error))
#define SWIFTLET_NUMBER offsetof(struct seccomp_data, nr)
// The lower half of an argument: all of it for a C int. The upper half is ignored by the kernel for these calls, and so it is here.
#define SWIFTLET_ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index))

// Each of these is entered and left with the call's number loaded.

/// The call is refused.
static inline void swiftlet_refuse(struct swiftlet_filter *filter, uint32_t number, int error) {
    SWIFTLET_IF_EQUAL(filter, number, 0, 1);
    SWIFTLET_REFUSE(filter, error);
}

/// The call is refused when (`matching`) or unless (otherwise) the argument is one of these values.
static inline void swiftlet_judge_argument(
    struct swiftlet_filter *filter, uint32_t number, int argument, const uint32_t *values, int count, int matching, int error) {
    SWIFTLET_IF_EQUAL(filter, number, 0, count + 3);
    SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(argument));
    for (int i = 0; i < count; i++) SWIFTLET_IF_EQUAL(filter, values[i], count - i, 0);
    SWIFTLET_ANSWER(filter, matching ? SECCOMP_RET_ALLOW : (SECCOMP_RET_ERRNO | error));
    SWIFTLET_ANSWER(filter, matching ? (SECCOMP_RET_ERRNO | error) : SECCOMP_RET_ALLOW);
}

/// The call is refused when (`matching`) or unless (otherwise) the argument has one of these bits.
static inline void swiftlet_judge_bits(
    struct swiftlet_filter *filter, uint32_t number, int argument, uint32_t bits, int matching, int error) {
    SWIFTLET_IF_EQUAL(filter, number, 0, 4);
    SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(argument));
    SWIFTLET_IF_ANY_BIT(filter, bits, 1, 0);
    SWIFTLET_ANSWER(filter, matching ? SECCOMP_RET_ALLOW : (SECCOMP_RET_ERRNO | error));
    SWIFTLET_ANSWER(filter, matching ? (SECCOMP_RET_ERRNO | error) : SECCOMP_RET_ALLOW);
}

#define SWIFTLET_COUNT(list) ((int)(sizeof(list) / sizeof(list)[0]))

/// Sockets: with the network, TCP and UDP, and the routing socket that the name lookup asks for this machine's addresses; without,
/// none. Never a Unix socket: a container engine or a message bus may listen at the other end of one.
static inline void swiftlet_filter_sockets(struct swiftlet_filter *filter, int network) {
    if (network) {
        SWIFTLET_IF_EQUAL(filter, __NR_socket, 0, 16);
        SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(0));
        SWIFTLET_IF_EQUAL(filter, AF_INET, 4, 0);
        SWIFTLET_IF_EQUAL(filter, AF_INET6, 3, 0);
        SWIFTLET_IF_EQUAL(filter, AF_NETLINK, 0, 10);
        SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(2));
        SWIFTLET_IF_EQUAL(filter, 0 /* NETLINK_ROUTE */, 9, 8);
        SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(1));
        swiftlet_emit(filter, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf);
        SWIFTLET_IF_EQUAL(filter, SOCK_STREAM, 1, 0);
        SWIFTLET_IF_EQUAL(filter, SOCK_DGRAM, 0, 4);
        SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(2));
        SWIFTLET_IF_EQUAL(filter, 0, 3, 0);
        SWIFTLET_IF_EQUAL(filter, 6 /* TCP */, 2, 0);
        SWIFTLET_IF_EQUAL(filter, 17 /* UDP */, 1, 0);
        SWIFTLET_REFUSE(filter, EPERM);
        SWIFTLET_ALLOW(filter);
    } else {
        swiftlet_refuse(filter, __NR_socket, EPERM);
    }
    // A datagram pair could still be pointed at any Unix socket.
    SWIFTLET_IF_EQUAL(filter, __NR_socketpair, 0, 5);
    SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(1));
    swiftlet_emit(filter, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf);
    SWIFTLET_IF_EQUAL(filter, SOCK_STREAM, 1, 0);
    SWIFTLET_REFUSE(filter, EPERM);
    SWIFTLET_ALLOW(filter);
    // The name lookup binds its routing socket, with an address of 12 bytes; the kernel takes no internet address that short.
    if (network) {
        const uint32_t routing_address[] = {12};
        swiftlet_judge_argument(filter, __NR_bind, 2, routing_address, 1, 0, EPERM);
    } else {
        swiftlet_refuse(filter, __NR_bind, EPERM);
    }
}

/// Signals, priorities and limits: of this process only.
static inline void swiftlet_filter_others(struct swiftlet_filter *filter) {
    const uint32_t own = (uint32_t)getpid();
    const uint32_t self[] = {0, own};
    const uint32_t signals[] = {
        __NR_kill, __NR_tkill, __NR_tgkill, __NR_rt_sigqueueinfo,
#ifdef __NR_rt_tgsigqueueinfo
        __NR_rt_tgsigqueueinfo,
#endif
    };
    for (int i = 0; i < SWIFTLET_COUNT(signals); i++) swiftlet_judge_argument(filter, signals[i], 0, &own, 1, 0, EPERM);
    const uint32_t by_process[] = {
        __NR_prlimit64, __NR_sched_setaffinity, __NR_sched_setscheduler, __NR_sched_setparam,
#ifdef __NR_sched_setattr
        __NR_sched_setattr,
#endif
        __NR_migrate_pages, __NR_move_pages,
    };
    for (int i = 0; i < SWIFTLET_COUNT(by_process); i++) swiftlet_judge_argument(filter, by_process[i], 0, self, 2, 0, EPERM);
    // Kind 0 is one process; the others are a group and a whole user. For input and output, kind 1 is one process.
    const struct { uint32_t number, kind; } priorities[] = {{__NR_setpriority, 0}, {__NR_ioprio_set, 1}};
    for (int i = 0; i < SWIFTLET_COUNT(priorities); i++) {
        SWIFTLET_IF_EQUAL(filter, priorities[i].number, 0, 7);
        SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(0));
        SWIFTLET_IF_EQUAL(filter, priorities[i].kind, 0, 3);
        SWIFTLET_LOAD(filter, SWIFTLET_ARGUMENT(1));
        SWIFTLET_IF_EQUAL(filter, 0, 2, 0);
        SWIFTLET_IF_EQUAL(filter, own, 1, 0);
        SWIFTLET_REFUSE(filter, EPERM);
        SWIFTLET_ALLOW(filter);
    }
    // A descriptor can be told to signal its "owner".
    const uint32_t owner_commands[] = {F_SETOWN, 15 /* F_SETOWN_EX */};
    swiftlet_judge_argument(filter, __NR_fcntl, 1, owner_commands, 2, 1, EPERM);
    const uint32_t owner_controls[] = {0x8901 /* FIOSETOWN */, 0x8902 /* SIOCSPGRP */, 0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */};
    swiftlet_judge_argument(filter, __NR_ioctl, 1, owner_controls, SWIFTLET_COUNT(owner_controls), 1, EPERM);
}

/// Files: nothing is made, changed or opened for writing, with or without Landlock.
static inline void swiftlet_filter_files(struct swiftlet_filter *filter) {
    const uint32_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
    swiftlet_judge_bits(filter, __NR_openat, 2, writing, 1, EPERM);
#ifdef __NR_open
    swiftlet_judge_bits(filter, __NR_open, 1, writing, 1, EPERM);
#endif
    const uint32_t refused[] = {
#ifdef __NR_creat
        __NR_creat, __NR_chmod, __NR_chown, __NR_lchown, __NR_link, __NR_symlink, __NR_unlink, __NR_rename, __NR_mkdir, __NR_rmdir,
        __NR_mknod, __NR_utime, __NR_utimes, __NR_futimesat,
#endif
#ifdef __NR_renameat
        __NR_renameat,
#endif
        __NR_fchmod, __NR_fchmodat, __NR_fchown, __NR_fchownat, __NR_linkat, __NR_symlinkat, __NR_unlinkat, __NR_renameat2,
        __NR_mkdirat, __NR_mknodat, __NR_truncate, __NR_utimensat, __NR_setxattr, __NR_lsetxattr, __NR_fsetxattr,
        __NR_removexattr, __NR_lremovexattr, __NR_fremovexattr, 452 /* fchmodat2 */, 463 /* setxattrat */, 466 /* removexattrat */,
    };
    for (int i = 0; i < SWIFTLET_COUNT(refused); i++) swiftlet_refuse(filter, refused[i], EPERM);
    swiftlet_refuse(filter, 437 /* openat2: its flags lie in memory, where a filter does not see them */, ENOSYS);
}

/// Puts the filter on every thread of this process. 0, or -1 with errno.
static inline int swiftlet_install_filter(int network) {
    struct swiftlet_filter built = {.count = 0, .overflow = 0};
    struct swiftlet_filter *filter = &built;

    SWIFTLET_LOAD(filter, offsetof(struct seccomp_data, arch));
    SWIFTLET_IF_EQUAL(filter, SWIFTLET_ARCHITECTURE, 1, 0);
    SWIFTLET_ANSWER(filter, SECCOMP_RET_KILL_PROCESS);
    SWIFTLET_LOAD(filter, SWIFTLET_NUMBER);
#if defined(__x86_64__)
    // The second table of calls of this architecture, which no library here uses.
    swiftlet_emit(filter, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000);
    SWIFTLET_ANSWER(filter, SECCOMP_RET_KILL_PROCESS);
#endif

    // New threads, but no new processes. The flags of clone3 lie in memory; told that it does not exist, glibc uses clone.
    const uint32_t thread = 0x00010000;
    swiftlet_judge_bits(filter, __NR_clone, 0, thread, 0, EPERM);
    swiftlet_refuse(filter, 435 /* clone3 */, ENOSYS);

    const uint32_t refused[] = {
        // Other programs and processes.
        __NR_execve, __NR_execveat,
#ifdef __NR_fork
        __NR_fork, __NR_vfork,
#endif
        __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_kcmp, __NR_setsid, __NR_setpgid,
        424 /* pidfd_send_signal */, 434 /* pidfd_open */, 438 /* pidfd_getfd */, 440 /* process_madvise */, 448 /* process_mrelease */,
        // A way in.
        __NR_listen, __NR_accept, __NR_accept4,
        // Another view of the system.
        __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot, __NR_setns, __NR_unshare, 428 /* open_tree */, 429 /* move_mount */,
        430 /* fsopen */, 431 /* fsconfig */, 432 /* fsmount */, 433 /* fspick */, 442 /* mount_setattr */, 467 /* open_tree_attr */,
        __NR_name_to_handle_at, __NR_open_by_handle_at,
        // Parts of the kernel that no function needs.
        __NR_bpf, __NR_perf_event_open, __NR_keyctl, __NR_add_key, __NR_request_key, __NR_userfaultfd, __NR_fanotify_init,
        425 /* io_uring_setup */, 426 /* io_uring_enter */, 427 /* io_uring_register */, __NR_seccomp, __NR_personality,
        // The machine itself.
        __NR_kexec_load,
#ifdef __NR_kexec_file_load
        __NR_kexec_file_load,
#endif
        __NR_init_module, __NR_finit_module, __NR_delete_module, __NR_reboot, __NR_swapon, __NR_swapoff, __NR_settimeofday,
        __NR_clock_settime, __NR_clock_adjtime, __NR_adjtimex, __NR_sethostname, __NR_setdomainname, __NR_acct, __NR_quotactl,
        443 /* quotactl_fd */, __NR_syslog, __NR_vhangup,
#ifdef __NR_iopl
        __NR_iopl, __NR_ioperm, __NR_modify_ldt,
#endif
        // Memory that outlives this process.
        __NR_shmget, __NR_shmat, __NR_shmctl, __NR_semget, __NR_msgget, __NR_mq_open,
    };
    for (int i = 0; i < SWIFTLET_COUNT(refused); i++) swiftlet_refuse(filter, refused[i], EPERM);

    // What was switched off stays off.
    const uint32_t settings[] = {1 /* PR_SET_PDEATHSIG */, 4 /* PR_SET_DUMPABLE */};
    swiftlet_judge_argument(filter, __NR_prctl, 0, settings, 2, 1, EPERM);

    swiftlet_filter_sockets(filter, network);
    swiftlet_filter_others(filter);
    swiftlet_filter_files(filter);
    SWIFTLET_ALLOW(filter);

    if (built.overflow) {
        errno = E2BIG;
        return -1;
    }
    struct sock_fprog program = {built.count, built.code};
    const unsigned set_filter = 1, every_thread = 1;
    long result = syscall(__NR_seccomp, set_filter, every_thread, &program);
    if (result > 0) errno = EBUSY;  // The number of a thread that could not be brought under it.
    return result == 0 ? 0 : -1;
}

#endif
