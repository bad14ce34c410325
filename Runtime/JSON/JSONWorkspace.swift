import Glibc
import Synchronization

/// A document and what is reused with it. Every thread has one, and takes another where a document is read within the reading of one.
///
/// Never freed, so that whatever a type has kept of its decoder still finds that its time is over: what a thread leaves behind serves
/// the next one. There are as many as were ever in use at once.
@usableFromInline
struct JSONWorkspace {
    private struct State {
        let document = JSONDocument()
        var isBusy = false
        var hasThread = false
    }

    private let state: UnsafeMutablePointer<State>

    @usableFromInline
    var document: JSONDocument { state.pointee.document }

    /// A workspace with `bytes` open, which stay valid until ``close()``. A type that reads another document while it is read itself gets
    /// one of its own.
    @usableFromInline
    static func open(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits) throws(JSONError) -> JSONWorkspace {
        let own = ofThread()
        let workspace = own.state.pointee.isBusy ? take() : own
        workspace.state.pointee.isBusy = true
        do throws(JSONError) {
            try workspace.document.open(bytes, limits: limits)
        } catch {
            workspace.close()
            throw error
        }
        return workspace
    }

    @usableFromInline
    func close() {
        document.close()
        state.pointee.isBusy = false
        if !state.pointee.hasThread { giveBack() }
    }

    /// The root.
    @usableFromInline
    var decoder: any Decoder { JSONValueDecoder(document: document, index: 0) }

    @usableFromInline
    func shortcut<Value: Decodable>(for type: Value.Type) -> JSONShortcut<Value>? {
        document.reuse.shortcut(for: type)?.takeUnretainedValue()
    }

    // MARK: One for every thread

    private static let key: pthread_key_t? = {
        var key = pthread_key_t()
        let result = pthread_key_create(&key) { address in
            if let address { JSONWorkspace(address).leaveThread() }
        }
        return result == 0 ? key : nil
    }()

    private init(_ address: UnsafeMutableRawPointer) { state = address.assumingMemoryBound(to: State.self) }

    @inline(__always)
    private static func ofThread() -> JSONWorkspace {
        guard let key else { return take() }
        if let address = pthread_getspecific(key) { return JSONWorkspace(address) }
        return newOfThread(key)
    }

    @inline(never)
    private static func newOfThread(_ key: pthread_key_t) -> JSONWorkspace {
        let workspace = take()
        // Out of memory for it: this decoding does without a kept one.
        workspace.state.pointee.hasThread = pthread_setspecific(key, workspace.state) == 0
        return workspace
    }

    private func leaveThread() {
        state.pointee.hasThread = false
        if !state.pointee.isBusy { giveBack() }
    }

    // MARK: Those that are left

    private struct Spare: @unchecked Sendable {
        /// Each is used by whoever took it alone.
        var workspaces: [JSONWorkspace] = []
    }

    private static let spare = Mutex(Spare())

    static func take() -> JSONWorkspace {
        if let workspace = spare.withLock({ $0.workspaces.popLast() }) { return workspace }
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State())
        return JSONWorkspace(state)
    }

    func giveBack() { JSONWorkspace.spare.withLock { $0.workspaces.append(self) } }
}
