import CLinux
import Glibc

/// What a process uses, read from outside it. Holds two descriptors. Ask no more once the process was reaped: its number may then
/// belong to another, whose processor time `cpuNanoseconds` would tell.
package final class ProcessUsage: Sendable {
    private let pid: Int32
    private let memory: Int32
    private let status: Int32
    private let pageSize: UInt64

    /// nil when there is no such process, or `/proc` does not show it.
    package init?(pid: Int32) {
        let memory = open("/proc/\(pid)/statm", O_RDONLY | O_CLOEXEC)
        guard memory >= 0 else { return nil }
        let status = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard status >= 0 else {
            close(memory)
            return nil
        }
        self.pid = pid
        self.memory = memory
        self.status = status
        pageSize = UInt64(max(4096, sysconf(Int32(_SC_PAGESIZE))))
    }

    deinit {
        close(memory)
        close(status)
    }

    /// Processor time of all its threads so far, of those that ended too. One system call, no file. nil once it is gone.
    package var cpuNanoseconds: UInt64? { UInt64(exactly: swiftlet_cpu_time(pid)) }

    /// Memory it really holds, shared libraries among it. The kernel counts this in batches per core, so it may be off by some hundred
    /// kilobytes. nil once the process has ended.
    package var residentBytes: UInt64? {
        guard let bytes = ProcFile.read(memory, limit: 256), let pages = ProcFile.number(at: 1, of: bytes[...]), pages > 0 else {
            return nil
        }
        let (product, overflow) = pages.multipliedReportingOverflow(by: pageSize)
        return overflow ? nil : product
    }

    /// How many threads it has. nil once it has ended.
    package var threads: Int? {
        guard let bytes = ProcFile.read(status, limit: 1024), let count = ProcFile.stat(20, of: bytes), count > 0 else {
            return nil
        }
        // A process that ended and was not collected yet counts its first thread still.
        if let end = bytes.lastIndex(of: UInt8(ascii: ")")), end + 2 < bytes.count, bytes[end + 2] == UInt8(ascii: "Z") {
            return nil
        }
        return Int(exactly: count)
    }
}
