// The system calls that are left to a process which turns bytes into other bytes: memory, threads, time, and reading and writing what is
// open already. Everything else is refused, unlike in the filter of workers, which names what is refused.
#ifndef SWIFTLET_CVIPS_CONFINE_H
#define SWIFTLET_CVIPS_CONFINE_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SWIFTLET_IMAGE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define SWIFTLET_IMAGE_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the system call filter knows x86_64 and little-endian aarch64"
#endif

/// Puts the filter on this thread and on every thread it starts. To be called while there is one only, after privileges were given up.
/// 0, or -1 with errno.
static inline int swiftlet_confine_to_memory(void) {
    static const uint32_t allowed[] = {
        __NR_read, __NR_write, __NR_readv, __NR_writev, __NR_close, __NR_lseek, __NR_fstat,
        __NR_mmap, __NR_munmap, __NR_mprotect, __NR_mremap, __NR_brk, __NR_madvise,
        __NR_futex, __NR_clone, __NR_set_robust_list, __NR_set_tid_address, __NR_exit, __NR_exit_group,
#ifdef __NR_rseq
        __NR_rseq,
#endif
#ifdef __NR_membarrier
        __NR_membarrier,
#endif
        __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_sigaltstack, __NR_restart_syscall,
        __NR_tgkill, __NR_sched_yield, __NR_sched_getaffinity, __NR_sched_getattr, __NR_sched_setattr, __NR_getcpu,
        __NR_getpid, __NR_gettid, __NR_clock_gettime, __NR_clock_getres, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday,
#ifdef __NR_poll
        __NR_poll, __NR_time,
#endif
        __NR_ppoll, __NR_getrandom, __NR_getrusage, __NR_times, __NR_sysinfo, __NR_prlimit64, __NR_getrlimit, __NR_setrlimit,
    };
    enum { count = sizeof allowed / sizeof allowed[0] };
    struct sock_filter code[2 * count + 32];
    unsigned short length = 0;
#define SWIFTLET_STEP(kind, yes, no, value) code[length++] = (struct sock_filter){(kind), (yes), (no), (uint32_t)(value)}
    SWIFTLET_STEP(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    SWIFTLET_STEP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SWIFTLET_IMAGE_ARCHITECTURE);
    SWIFTLET_STEP(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
    SWIFTLET_STEP(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        SWIFTLET_STEP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, allowed[i]);
        SWIFTLET_STEP(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    }
    // Told that it does not exist, the C library uses the older call, whose flags a filter sees.
    SWIFTLET_STEP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 435 /* clone3 */);
    SWIFTLET_STEP(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
    // Threads are given names.
    SWIFTLET_STEP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, __NR_prctl);
    SWIFTLET_STEP(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args));
    SWIFTLET_STEP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 15 /* PR_SET_NAME */);
    SWIFTLET_STEP(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    SWIFTLET_STEP(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
#undef SWIFTLET_STEP
    struct sock_fprog program = {length, code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/// Processor seconds from now on, beyond which this process ends; can be moved until `most`, which counts from its start.
static inline int swiftlet_limit_processor(uint64_t seconds, uint64_t most) {
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0) return -1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_CPU, &limit) != 0) return -1;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most) limit.rlim_max = most;
    uint64_t spent = (uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec + 1;
    limit.rlim_cur = spent + seconds < limit.rlim_max ? spent + seconds : limit.rlim_max;
    return setrlimit(RLIMIT_CPU, &limit);
}

enum { SWIFTLET_IMAGE_LIMIT_ADDRESSES = RLIMIT_AS };

/// One pool of small memory for all threads.
static inline void swiftlet_share_memory_pool(void) { (void)mallopt(M_ARENA_MAX, 1); }

/// Gives memory that is no longer used back to the system.
static inline void swiftlet_return_memory(void) { (void)malloc_trim(0); }

#endif
