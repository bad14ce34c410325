internal import CLinux
internal import CVips
internal import Glibc
internal import SwiftletWorkers

/// The process that reads pictures from outside and makes small ones of them.
///
/// It opens libvips, and then gives up everything but memory, time and the socket to its host: no file, no network, no other program or
/// process, no new descriptor. A picture that takes over the decoder finds itself in there, with the pictures that come after it until the
/// host replaces the process.
package enum ThumbnailProgram {
    /// Where the host's socket is.
    private static let socket: Int32 = 3
    /// Private memory, and addresses of any kind. The second is more because the program and its libraries count, used or not.
    static let memoryBytes = 512 << 20
    static let addressBytes = 1 << 30
    /// Processor seconds for one picture, and for all.
    static let processorSeconds: UInt64 = 20
    static let processorSecondsInAll: UInt64 = 1800

    /// Takes the place of the program (`swiftlet thumbnail`). To be called before any thread is started; the main function must not be
    /// `async`. Ends when the host closes its end.
    package static func run() -> Never {
        signal(SIGPIPE, SIG_IGN)
        // Nobody has to read what libraries complain about.
        _ = swiftlet_make_nonblocking(1)
        _ = swiftlet_make_nonblocking(2)
        guard let bytes = read(count: BootWords.size), let boot = BootWords(bytes) else { _exit(64) }
        let library: ImageLibrary
        do throws(RenderProblem) {
            let prepared = try prepare(boot)
            library = prepared.library
            say(.none, text: prepared.facts)
        } catch {
            say(error.word, text: error.text)
            _exit(78)
        }
        while let bytes = read(count: AskWords.size) { serve(bytes, library) }
        _exit(0)
    }

    /// For tests: everything up to the first picture, in this process.
    package static func contain(parent: Int32) -> String {
        do throws(RenderProblem) { return try prepare(BootWords(parent: parent)).facts } catch { return error.text }
    }

    private static func prepare(_ boot: BootWords) throws(RenderProblem) -> (library: ImageLibrary, facts: String) {
        // Every thread would otherwise reserve addresses of its own for small memory.
        swiftlet_share_memory_pool()
        let library = try ImageLibrary()
        let kinds = library.kinds
        let report = Containment.apply(
            ContainmentProfile(
                parent: boot.parent, user: boot.user.map { .init(uid: $0, gid: boot.group) },
                memoryBytes: memoryBytes, allowsNetwork: false))
        library.afterContainment()
        if let late = report.missing.first(where: { $0.name == "single-thread" }) {
            throw RenderProblem(.containment, late.description)
        }
        let more = confine()
        // What remains of files and of the rest of the system hangs on this one.
        if let missing = more.first(where: { $0.name == "only-memory" && $0.problem != nil }) {
            throw RenderProblem(.containment, missing.description)
        }
        let facts = [
            "libvips \(library.version)", "reads \(kinds.read.joined(separator: " "))",
            "writes \(kinds.written.joined(separator: " "))",
        ]
        return (
            library,
            (facts + report.missing.map(\.description) + more.filter { $0.problem != nil }.map(\.description)).joined(
                separator: "; ")
        )
    }

    // MARK: Beyond what a worker gives up

    private struct Measure {
        let name: String
        let problem: String?
        var description: String { "\(name): \(problem ?? "active")" }
    }

    private static func confine() -> [Measure] {
        var measures: [Measure] = []
        func note(_ name: String, _ result: Int32) {
            measures.append(Measure(name: name, problem: result < 0 ? "error \(errno)" : nil))
        }
        close(4)
        note("limit-addresses", swiftlet_lower_limit(Int32(SWIFTLET_IMAGE_LIMIT_ADDRESSES), UInt64(addressBytes)))
        note("limit-memory", swiftlet_lower_limit(Int32(SWIFTLET_LIMIT_DATA), UInt64(memoryBytes)))
        note("limit-processor", swiftlet_limit_processor(processorSeconds, processorSecondsInAll))
        // A second set of rules, which allows no file at all.
        let version = swiftlet_landlock_version()
        if version > 0 {
            let rules = swiftlet_landlock_rules(version, 0)
            note("no-files", rules < 0 ? rules : swiftlet_landlock_enforce(rules))
            if rules >= 0 { close(rules) }
        } else {
            note("no-files", version)
        }
        note("limit-files", swiftlet_lower_limit(Int32(SWIFTLET_LIMIT_FILES), UInt64(socket) + 1))
        note("only-memory", swiftlet_confine_to_memory())
        return measures
    }

    // MARK: One picture

    private static func serve(_ bytes: [UInt8], _ library: ImageLibrary) {
        // Two that do not understand each other have nothing to say.
        guard let ask = AskWords(bytes), ask.count > 0, ask.count <= memoryBytes, let memory = malloc(ask.count) else {
            say(.request, text: "what was asked for cannot be")
            _exit(65)
        }
        defer {
            free(memory)
            swiftlet_return_memory()
        }
        let picture = UnsafeMutableRawBufferPointer(start: memory, count: ask.count)
        guard fill(picture) else { _exit(0) }
        _ = swiftlet_limit_processor(processorSeconds, processorSecondsInAll)
        do throws(RenderProblem) {
            try library.render(ask, picture) { made in
                send(AnswerWords(.none, count: made.count).bytes)
                send(made)
            }
        } catch {
            say(error.word, text: error.text)
        }
    }

    private static func say(_ word: RenderWord, text: String) {
        let text = Array(text.utf8.prefix(ThumbnailFrames.longestText))
        send(AnswerWords(word, count: text.count).bytes + text)
    }

    private static func send(_ bytes: [UInt8]) { bytes.withUnsafeBytes { send($0) } }

    private static func send(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(socket, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            // The host is gone, or does not listen any more.
            guard count > 0 else { _exit(0) }
            rest = rest.dropFirst(count)
        }
    }

    private static func read(count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return bytes.withUnsafeMutableBytes { fill($0) } ? bytes : nil
    }

    private static func fill(_ room: UnsafeMutableRawBufferPointer) -> Bool {
        var rest = room[...]
        while !rest.isEmpty {
            let count = Glibc.read(socket, UnsafeMutableRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
