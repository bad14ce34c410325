import CLinux
import Glibc
import SwiftletImages

/// What a contained thumbnail process may still do, one line each on standard output.
enum Facts {
    static func tell() -> Never {
        say("hello", ThumbnailProgram.contain(parent: getppid()))
        note("socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        note("unix socket", socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        var pair: [Int32] = [0, 0]
        note("socket pair", socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair))
        for path in ["/etc/hosts", "/etc/passwd", "/proc/self/status", "/usr/lib/os-release", "/dev/null", "/dev/urandom"] {
            note("open \(path)", open(path, O_RDONLY))
        }
        note("make", open("/tmp/thumbnail-probe", O_RDWR | O_CREAT, 0o600))
        note("folder", open("/", O_RDONLY | O_DIRECTORY))
        var status = stat()
        note("look", stat("/etc/passwd", &status))
        note("duplicate", dup(1))
        var ends: [Int32] = [0, 0]
        note("pipe", pipe(&ends))
        note("memory file", swiftlet_shared_memory("probe", 4096))
        note("fork", fork())
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
        note("program", execv("/bin/true", &arguments))
        note("signal to the parent", kill(getppid(), 0))
        note("capabilities", swiftlet_holds_capabilities())
        let large = mmap(nil, 600 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        say("memory", large == MAP_FAILED ? "refused" : "done")
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, { _ in nil }, nil)
        say("thread", code == 0 && pthread_join(thread, nil) == 0 ? "done" : "refused")
        say("done", "yes")
        _exit(0)
    }

    static func note(_ name: String, _ result: Int32) { say(name, result < 0 ? "refused" : "done") }

    static func say(_ name: String, _ value: String) {
        let line = Array("\(name)=\(value)\n".utf8)
        _ = write(1, line, line.count)
    }
}
