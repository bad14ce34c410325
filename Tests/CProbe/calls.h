// System calls that a worker must not get through, each in a form that does no harm where it is allowed.
#ifndef SWIFTLET_CPROBE_H
#define SWIFTLET_CPROBE_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct probe_call {
    const char *name;
    long number, a, b, c, d, e;
};

/// The result, or minus the error number.
static inline long probe_raw(long number, long a, long b, long c, long d, long e) {
    long result = syscall(number, a, b, c, d, e, 0);
    return result < 0 ? -errno : result;
}

/// Tries the call at `index`; `name` is NULL past the end.
static inline long probe_try(int index, const char **name) {
    const long other = getppid(), nowhere = 1, here = AT_FDCWD;  // Nothing lies at address 1.
    const struct probe_call calls[] = {
        {"execve", SYS_execve, nowhere, 0, 0, 0, 0},
        {"execveat", SYS_execveat, here, nowhere, 0, 0, 0},
#ifdef SYS_fork
        {"fork", SYS_fork, 0, 0, 0, 0, 0},
#endif
        {"clone", SYS_clone, SIGCHLD, 0, 0, 0, 0},
        {"ptrace", SYS_ptrace, 2, other, 0, 0, 0},
        {"process_vm_readv", SYS_process_vm_readv, other, 0, 0, 0, 0},
        {"process_vm_writev", SYS_process_vm_writev, other, 0, 0, 0, 0},
        {"kcmp", SYS_kcmp, other, other, 999, 0, 0},
        {"setpgid", SYS_setpgid, 0, 0, 0, 0, 0},
        {"setsid", SYS_setsid, 0, 0, 0, 0, 0},
        {"kill", SYS_kill, other, 0, 0, 0, 0},
        {"kill-group", SYS_kill, 0, 0, 0, 0, 0},
        {"kill-everybody", SYS_kill, -1, 0, 0, 0, 0},
        {"tkill", SYS_tkill, other, 0, 0, 0, 0},
        {"tgkill", SYS_tgkill, other, other, 0, 0, 0},
        {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, other, 0, nowhere, 0, 0},
        {"pidfd_open", SYS_pidfd_open, other, 0, 0, 0, 0},
        {"pidfd_send_signal", SYS_pidfd_send_signal, -1, 0, 0, 0, 0},
        {"pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0, 0, 0},
        {"prlimit64", SYS_prlimit64, other, 7, 0, 0, 0},
        {"sched_setaffinity", SYS_sched_setaffinity, other, 0, 0, 0, 0},
        {"setpriority", SYS_setpriority, 0, other, 0, 0, 0},
        {"listen", SYS_listen, -1, 1, 0, 0, 0},
        {"accept", SYS_accept, -1, 0, 0, 0, 0},
        {"accept4", SYS_accept4, -1, 0, 0, 0, 0},
        {"bind", SYS_bind, -1, nowhere, 16, 0, 0},
        {"socket-unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0},
        {"socket-packet", SYS_socket, AF_PACKET, SOCK_DGRAM, 0, 0, 0},
        {"socket-raw", SYS_socket, AF_INET, SOCK_RAW, 17, 0, 0},
        {"socket-icmp", SYS_socket, AF_INET, SOCK_DGRAM, 1, 0, 0},
        {"socket-sctp", SYS_socket, AF_INET, SOCK_STREAM, 132, 0, 0},
        {"socket-audit", SYS_socket, AF_NETLINK, SOCK_RAW, 9, 0, 0},
        {"socketpair-datagram", SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, nowhere, 0},
        {"mount", SYS_mount, nowhere, nowhere, nowhere, 0, 0},
        {"umount2", SYS_umount2, nowhere, 0, 0, 0, 0},
        {"pivot_root", SYS_pivot_root, nowhere, nowhere, 0, 0, 0},
        {"chroot", SYS_chroot, nowhere, 0, 0, 0, 0},
        {"setns", SYS_setns, -1, 0, 0, 0, 0},
        {"unshare", SYS_unshare, 1, 0, 0, 0, 0},
        {"fsopen", 430, nowhere, 0, 0, 0, 0},
        {"open_tree", 428, -1, nowhere, 0, 0, 0},
        {"bpf", SYS_bpf, 9999, 0, 0, 0, 0},
        {"perf_event_open", SYS_perf_event_open, nowhere, 0, -1, -1, 0},
        {"keyctl", SYS_keyctl, 9999, 0, 0, 0, 0},
        {"add_key", SYS_add_key, nowhere, nowhere, 0, 0, 0},
        {"request_key", SYS_request_key, nowhere, nowhere, 0, 0, 0},
        {"userfaultfd", SYS_userfaultfd, 0x10, 0, 0, 0, 0},
        {"io_uring_setup", 425, 0, nowhere, 0, 0, 0},
        {"io_uring_enter", 426, -1, 0, 0, 0, 0},
        {"kexec_load", SYS_kexec_load, 0, 99, 0, 0x10, 0},
        {"init_module", SYS_init_module, nowhere, 0, nowhere, 0, 0},
        {"finit_module", SYS_finit_module, -1, nowhere, 0, 0, 0},
        {"delete_module", SYS_delete_module, nowhere, 0, 0, 0, 0},
        {"reboot", SYS_reboot, 0, 0, 0, 0, 0},
        {"swapon", SYS_swapon, nowhere, 0, 0, 0, 0},
        {"swapoff", SYS_swapoff, nowhere, 0, 0, 0, 0},
        {"sethostname", SYS_sethostname, nowhere, 1, 0, 0, 0},
        {"personality", SYS_personality, 0xffffffff, 0, 0, 0, 0},
        {"name_to_handle_at", SYS_name_to_handle_at, here, nowhere, nowhere, nowhere, 0},
        {"shmget", SYS_shmget, 0, 0, 0, 0, 0},
        {"msgget", SYS_msgget, 0, 0, 0, 0, 0},
        {"dumpable", SYS_prctl, 4, 1, 0, 0, 0},
        {"parent-signal", SYS_prctl, 1, 0, 0, 0, 0},
        {"set-owner", SYS_fcntl, 1, F_SETOWN, 0, 0, 0},
        {"terminal-input", SYS_ioctl, 0, 0x5412, nowhere, 0, 0},
        {"open-write", SYS_openat, here, (long)"/tmp", O_WRONLY, 0, 0},
        {"open-create", SYS_openat, here, nowhere, O_CREAT, 0, 0},
        {"fchmodat", SYS_fchmodat, here, nowhere, 0, 0, 0},
        {"mkdirat", SYS_mkdirat, here, nowhere, 0, 0, 0},
        {"unlinkat", SYS_unlinkat, here, nowhere, 0, 0, 0},
        {"renameat2", SYS_renameat2, here, nowhere, here, nowhere, 0},
        {"setxattr", SYS_setxattr, nowhere, nowhere, 0, 0, 0},
#ifdef SYS_open
        {"open", SYS_open, (long)"/tmp", O_RDWR, 0, 0, 0},
        {"creat", SYS_creat, nowhere, 0, 0, 0, 0},
        {"chmod", SYS_chmod, nowhere, 0, 0, 0, 0},
        {"unlink", SYS_unlink, nowhere, 0, 0, 0, 0},
#endif
    };
    if (index < 0 || index >= (int)(sizeof calls / sizeof calls[0])) {
        *name = NULL;
        return 0;
    }
    struct probe_call call = calls[index];
    *name = call.name;
    if (call.number == SYS_clone
#ifdef SYS_fork
        || call.number == SYS_fork
#endif
    ) {
        long child = syscall(call.number, call.a, 0, 0, 0, 0);
        if (child == 0) _exit(0);
        if (child < 0) return -errno;
        int status;
        waitpid((pid_t)child, &status, 0);
        return child;
    }
    return probe_raw(call.number, call.a, call.b, call.c, call.d, call.e);
}

static inline int probe_thread(void) { return (int)syscall(SYS_gettid); }
static inline long probe_clone3(void) { return probe_raw(435, 1, 8, 0, 0, 0); }
static inline long probe_openat2(void) { return probe_raw(437, AT_FDCWD, 1, 1, 0, 0); }

/// What an event loop is made of: 1 when a wake-up arrives.
static inline int probe_event_loop(void) {
    int loop = epoll_create1(EPOLL_CLOEXEC), waker = eventfd(0, EFD_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data = {.fd = waker}}, found;
    if (loop < 0 || waker < 0 || timer < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, waker, &wanted) != 0) return -1;
    return eventfd_write(waker, 1) != 0 ? -1 : epoll_wait(loop, &found, 1, 10000);
}

#if defined(__x86_64__)
/// The process's own number, asked for through the architecture's second table of calls.
static inline long probe_other_table(void) { return probe_raw(SYS_getpid | 0x40000000, 0, 0, 0, 0, 0); }
/// The same through the calls of 32 bit programs.
static inline long probe_other_architecture(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
#else
static inline long probe_other_table(void) { return 0; }
static inline long probe_other_architecture(void) { return 0; }
#endif

#endif
