import CLinux
import Foundation
import Glibc
import Testing

@testable import SwiftletWorkers

@Suite struct WorkerSpawnTests {
    private static func facts() throws -> [String: String] {
        // What a host may have open and set, to be found nowhere in the worker.
        let open = (0..<3).map { _ in Glibc.open("/dev/null", O_RDONLY) }
        defer { for descriptor in open { Glibc.close(descriptor) } }
        signal(SIGUSR2, SIG_IGN)
        setenv("LEAKED_FROM_THE_HOST", "1", 1)
        let probe = try ProbeProcess(
            "facts", "\(getpid())", "0", "0", "9", #filePath, environment: ["CANARY": "feathers", "TZ": "Asia/Tokyo"])
        return probe.facts()
    }

    @Test func `a worker begins with five descriptors, its own group, its own environment and signals at their default`() throws {
        let facts = try Self.facts()
        #expect(facts["descriptors"] == "0,1,2,3,4")
        #expect(facts["input"] == "0")
        #expect(facts["group"] == "own")
        #expect(facts["name"] == "probe")
        #expect(facts["environment"] == "CANARY=feathers|TZ=Asia/Tokyo")
        // Signals 32 and 33 are the C library's own; it sets them when it needs them.
        let ignored = try #require(facts["SigIgn"].flatMap { UInt64($0, radix: 16) })
        #expect(ignored & ~(3 << 31) == 0)
        #expect(facts["SigBlk"].flatMap { UInt64($0, radix: 16) } == 0)
    }

    @Test(arguments: [
        (["exit", "7"], WorkerExit.exited(7)),
        (["exit", "0"], .exited(0)),
        (["abort"], .signalled(number: SIGABRT, name: "SIGABRT")),
    ])
    func `the way it ended is told`(words: [String], expected: WorkerExit) throws {
        let probe = try ProbeProcess(words[0], words.count > 1 ? words[1] : "")
        #expect(probe.end() == expected)
        #expect(probe.worker.reap() == expected, "it is told again")
    }

    @Test func `a trap ends with the processor's signal`() throws {
        #if arch(x86_64)
            let expected = WorkerExit.signalled(number: SIGILL, name: "SIGILL")
        #else
            let expected = WorkerExit.signalled(number: SIGTRAP, name: "SIGTRAP")
        #endif
        #expect(try ProbeProcess("trap").end() == expected)
    }

    @Test func `a killed worker ends with SIGKILL, and one that runs has no end`() throws {
        let probe = try ProbeProcess("hold", "\(getpid())", "0", "0")
        #expect(probe.hear() == "ready")
        #expect(probe.worker.reap() == nil)
        probe.worker.kill()
        #expect(probe.end() == .signalled(number: SIGKILL, name: "SIGKILL"))
        probe.worker.kill()  // Nothing to hit any more.
    }

    @Test func `output and errors come through pipes that do not block`() throws {
        let worker = try WorkerSpawn.start(
            executable: "/bin/sh", arguments: ["sh", "-c", "echo out; echo err >&2"], environment: [:])
        defer { worker.close() }
        let output = worker.takeOutput()
        let errors = worker.takeErrors()
        defer {
            Glibc.close(output)
            Glibc.close(errors)
        }
        for (descriptor, expected) in [(output, "out\n"), (errors, "err\n")] {
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
            var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            #expect(poll(&watched, 1, 30_000) == 1)
            var bytes = [UInt8](repeating: 0, count: 64)
            #expect(read(descriptor, &bytes, 64) == 4)
            #expect(String(decoding: bytes.prefix(4), as: UTF8.self) == expected)
        }
        #expect(worker.waitForEnd(milliseconds: 30_000))
        #expect(worker.reap() == .exited(0))
        #expect(worker.takeOutput() == -1, "taken once")
    }

    @Test func `what was given away is not closed a second time`() throws {
        let worker = try WorkerSpawn.start(executable: "/bin/true", arguments: ["true"], environment: [:])
        let socket = worker.takeSocket()
        defer { Glibc.close(socket) }
        #expect(worker.waitForEnd(milliseconds: 30_000))
        _ = worker.reap()
        worker.close()
        worker.close()
        #expect(worker.pidfd == -1)
        #expect(fcntl(socket, F_GETFD) >= 0)
    }

    @Test func `what cannot be started is an error with its step`() {
        #expect(throws: SpawnProblem(step: "posix_spawn", code: ENOENT)) {
            try WorkerSpawn.start(executable: "/nowhere", arguments: ["x"], environment: [:])
        }
        #expect(throws: SpawnProblem(step: "arguments", code: EINVAL)) { try WorkerSpawn.start(arguments: [], environment: [:]) }
        #expect(throws: SpawnProblem(step: "arguments", code: EINVAL)) {
            try WorkerSpawn.start(arguments: ["a\0b"], environment: [:])
        }
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            #expect(throws: SpawnProblem(step: "environment", code: EINVAL)) {
                try WorkerSpawn.start(arguments: ["x"], environment: [name: value])
            }
        }
        #expect(SpawnProblem(step: "posix_spawn", code: ENOENT).description == "posix_spawn: No such file or directory")
    }

    @Test func `two hundred starts, and starts that fail at every step, leave nothing open and nobody unreaped`() throws {
        let facts = try ProbeProcess("many", "200").facts()
        let before = try #require(facts["before"])
        #expect(facts["after"] == before)
        #expect(facts["children"] == "-1")
    }

    @Test func `the thread that asked for a worker may end without ending the worker`() throws {
        final class Box: @unchecked Sendable { var probe: ProbeProcess?; var task: pid_t = 0 }
        let box = Box()
        let thread = Thread {
            box.task =
                pid_t(
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self"))?.split(separator: "/").last
                        ?? "") ?? 0
            box.probe = try? ProbeProcess("hold", "\(getpid())", "0", "0")
            _ = box.probe?.hear()
        }
        thread.start()
        while !thread.isFinished { sched_yield() }
        // The kernel's own end of it comes a little later.
        while box.task != 0, FileManager.default.fileExists(atPath: "/proc/self/task/\(box.task)") { sched_yield() }
        let probe = try #require(box.probe)
        probe.say("still there?")
        #expect(probe.hear() == "heard still there?")
        #expect(probe.worker.reap() == nil)
    }

    @Test(arguments: ["0", "65534"]) func `a worker dies with its host`(user: String) throws {
        let host = try ProbeProcess("parent", user)
        let child = try #require(host.hear().flatMap { Int32($0) })
        let pidfd = swiftlet_pidfd_open(child)
        try #require(pidfd >= 0)
        defer {
            _ = swiftlet_pidfd_signal(pidfd, SIGKILL)
            Glibc.close(pidfd)
        }
        var watched = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        #expect(poll(&watched, 1, 0) == 0, "it lives while its host does")
        host.worker.kill()
        #expect(poll(&watched, 1, 30_000) == 1)
    }

    @Test func `a worker whose host is gone already ends before it begins`() throws {
        let probe = try ProbeProcess("hold", "1", "0", "0")
        #expect(probe.end() == .exited(Containment.orphanExitCode))
        #expect(probe.hear() == nil)
    }

    @Test func `only the names that a worker needs are handed on`() {
        let given = [
            "PATH": "/bin", "HOME": "/root", "GEMINI_API_KEY": "x", "TZ": "UTC", "LANG": "C", "LC_ALL": "C",
            "LD_LIBRARY_PATH": "/opt",
            "LD_PRELOAD": "/x", "SSL_CERT_FILE": "a", "SSL_CERT_DIR": "b", "CURL_CA_BUNDLE": "c", "MALLOC_ARENA_MAX": "2",
            "https_proxy": "http://x", "SWIFT_BACKTRACE": "enable=yes",
        ]
        #expect(
            WorkerSpawn.environment(from: given) == [
                "TZ": "UTC", "LANG": "C", "LC_ALL": "C", "LD_LIBRARY_PATH": "/opt", "SSL_CERT_FILE": "a", "SSL_CERT_DIR": "b",
                "CURL_CA_BUNDLE": "c", "MALLOC_ARENA_MAX": "2", "SWIFT_BACKTRACE": "enable=no",
            ])
        #expect(WorkerSpawn.environment(from: [:]) == ["SWIFT_BACKTRACE": "enable=no"])
    }
}
