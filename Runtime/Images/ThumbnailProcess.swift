internal import CLinux
internal import Glibc
internal import SwiftletStorage
internal import SwiftletWorkers

/// What went wrong between the host and a thumbnail process.
enum ProcessProblem: Error {
    /// The process said so itself, and is as good as before.
    case refused(RenderProblem)
    /// It has ended, or said what it must not say; it cannot be used any more. With what is known, for the log.
    case broken(String)
    case timeout
    /// The host's own side: the picture cannot be read, or the result cannot be kept. The process was stopped half-way.
    case host(StorageError)
}

/// A thumbnail process seen from its host. Used by one thread, which it blocks; every wait ends at a deadline.
///
/// Nothing that the process says is believed beyond its form: lengths are checked before bytes are taken, and bytes are never interpreted.
final class ThumbnailProcess {
    private let process: WorkerProcess
    private let socket: Int32
    private let errors: Int32
    private let chunk: UnsafeMutableRawBufferPointer
    /// What it says it has become.
    private(set) var facts = ""
    private(set) var pictures = 0

    var pid: Int32 { process.pid }

    /// Starts a process and waits until it is ready for pictures.
    init(_ launch: ThumbnailLaunch, deadline: Deadline) throws(ProcessProblem) {
        do throws(SpawnProblem) {
            process = try WorkerSpawn.start(
                executable: launch.executable, arguments: launch.arguments, environment: launch.environment)
        } catch { throw .broken("cannot be started: \(error)") }
        // From the last of these on, `deinit` clears up.
        chunk = .allocate(byteCount: 65_536, alignment: 16)
        socket = process.takeSocket()
        errors = process.takeErrors()
        // Closed: whatever it writes there is of no interest, and must not fill a pipe.
        let output = process.takeOutput()
        if output >= 0 { close(output) }
        do throws(ProcessProblem) {
            let boot = BootWords(parent: getpid(), user: launch.user?.uid, group: launch.user?.gid ?? 0)
            try send(boot.bytes, deadline)
            let hello = try answer(deadline)
            guard hello.count <= ThumbnailFrames.longestText else { throw .broken("its first words are too many") }
            let text = try text(hello.count, deadline)
            guard hello.word == .none else { throw .refused(RenderProblem(hello.word, text)) }
            facts = text
        } catch { throw explained(error) }
    }

    deinit {
        end()
        if socket >= 0 { close(socket) }
        if errors >= 0 { close(errors) }
        chunk.deallocate()
    }

    /// Whether it can be given a picture: it is there, and has not said anything that it was not asked.
    var isReady: Bool {
        var watched = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return process.reap() == nil && poll(&watched, 1, 0) == 0
    }

    /// Has a picture made. Everything but `.refused` leaves the process unusable.
    func render(_ ask: AskWords, of original: StoredFile, into staged: StagedPicture, deadline: Deadline) throws(ProcessProblem) {
        pictures += 1
        do throws(ProcessProblem) {
            try send(ask.bytes, deadline)
            var offset = 0
            while offset < ask.count {
                let count = try take(original, at: offset, most: ask.count - offset)
                try send(UnsafeRawBufferPointer(rebasing: chunk[..<count]), deadline)
                offset += count
            }
            let head = try answer(deadline)
            guard head.word == .none else {
                guard head.count <= ThumbnailFrames.longestText else { throw .broken("it says too much") }
                throw .refused(RenderProblem(head.word, try text(head.count, deadline)))
            }
            guard head.count > 0, head.count <= ask.most else { throw .broken("a result of \(head.count) bytes") }
            try keep(head.count, of: ask.made, in: staged, deadline)
        } catch { throw explained(error) }
    }

    private func take(_ original: StoredFile, at offset: Int, most: Int) throws(ProcessProblem) -> Int {
        do throws(StorageError) {
            let room = UnsafeMutableRawBufferPointer(rebasing: chunk[..<min(chunk.count, most)])
            let count = try original.read(at: offset, into: room)
            guard count > 0 else { throw StorageError(.internalError, "The content of this object is damaged") }
            return count
        } catch { throw .host(error) }
    }

    private func keep(_ count: Int, of kind: ImageKind, in staged: StagedPicture, _ deadline: Deadline) throws(ProcessProblem) {
        var left = count
        var isFirst = true
        while left > 0 {
            // The first piece is long enough to tell what it is, if the whole is.
            let most = min(left, chunk.count)
            let got = isFirst ? min(most, 16) : most
            let taken = try receive(got, exactly: isFirst, deadline)
            if isFirst, !kind.begins(Array(chunk[..<taken])) { throw .broken("the result is no \(kind.contentType)") }
            isFirst = false
            do throws(StorageError) {
                try staged.write(UnsafeRawBufferPointer(rebasing: chunk[..<taken]))
            } catch { throw .host(error) }
            left -= taken
        }
    }

    /// Ends it, at once.
    func end() {
        process.kill()
        // A killed process is gone within moments; the kernel may need longer for one with much memory.
        for _ in 0..<10 where process.reap() == nil { _ = process.waitForEnd(milliseconds: 500) }
    }

    /// With what is known of its end.
    private func explained(_ problem: ProcessProblem) -> ProcessProblem {
        guard case .broken(let what) = problem else { return problem }
        _ = process.waitForEnd(milliseconds: 200)
        let end = process.reap().map { "; it ended: \($0)" } ?? ""
        var said = ""
        if errors >= 0 {
            let count = Glibc.read(errors, chunk.baseAddress, 1024)
            if count > 0 { said = "; it wrote: " + printable(count) }
        }
        return .broken(what + end + said)
    }

    // MARK: Bytes

    private func answer(_ deadline: Deadline) throws(ProcessProblem) -> AnswerWords {
        let count = try receive(AnswerWords.size, exactly: true, deadline)
        guard let words = AnswerWords(Array(chunk[..<count])) else { throw .broken("an answer that is none") }
        return words
    }

    private func text(_ count: Int, _ deadline: Deadline) throws(ProcessProblem) -> String {
        let taken = try receive(count, exactly: true, deadline)
        return printable(taken)
    }

    /// It ends up in a log.
    private func printable(_ count: Int) -> String {
        String(decoding: chunk[..<count].map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    /// Into the chunk; at least one byte, or exactly as many.
    private func receive(_ most: Int, exactly: Bool, _ deadline: Deadline) throws(ProcessProblem) -> Int {
        var filled = 0
        while filled < most {
            let count = recv(
                socket, UnsafeMutableRawBufferPointer(rebasing: chunk[filled..<most]).baseAddress, most - filled, 0)
            if count > 0 {
                filled += count
                if !exactly { return filled }
                continue
            }
            guard count < 0 else { throw .broken("it hung up") }
            try wait(POLLIN, deadline)
        }
        return filled
    }

    private func send(_ bytes: [UInt8], _ deadline: Deadline) throws(ProcessProblem) {
        chunk.copyBytes(from: bytes)
        try send(UnsafeRawBufferPointer(rebasing: chunk[..<bytes.count]), deadline)
    }

    private func send(_ bytes: UnsafeRawBufferPointer, _ deadline: Deadline) throws(ProcessProblem) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.send(
                socket, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                rest = rest.dropFirst(count)
            } else {
                try wait(POLLOUT, deadline)
            }
        }
    }

    /// After a call that would have waited; `errno` is still its own.
    private func wait(_ events: Int32, _ deadline: Deadline) throws(ProcessProblem) {
        switch errno {
        case EINTR: return
        case EAGAIN: break
        default: throw .broken("its socket: error \(errno)")
        }
        var watched = pollfd(fd: socket, events: Int16(events), revents: 0)
        let left = deadline.milliseconds
        guard left > 0 else { throw .timeout }
        guard poll(&watched, 1, left) != 0 else { throw .timeout }
    }
}

/// How a thumbnail process is started.
struct ThumbnailLaunch: Sendable {
    var executable: String
    var arguments: [String]
    var environment: [String: String]
    var user: ContainmentProfile.User?
}

/// A moment of the clock that only goes forward.
struct Deadline {
    private let nanoseconds: UInt64

    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }

    init(milliseconds: Int) { nanoseconds = Self.now &+ UInt64(clamping: milliseconds) &* 1_000_000 }

    /// What is left of it; 0 when it is over.
    var milliseconds: Int32 {
        let now = Self.now
        return now >= nanoseconds ? 0 : Int32(clamping: (nanoseconds - now + 999_999) / 1_000_000)
    }
}
