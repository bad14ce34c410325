import Glibc

/// A document and what is reused with it. Every thread has one.
@usableFromInline
final class JSONWorkspace {
    @usableFromInline let document: JSONDocument
    private let reuse: JSONReuse
    private var isBusy = false

    init() {
        reuse = JSONReuse()
        document = JSONDocument(reuse: reuse)
    }

    /// A workspace with `bytes` open, which stay valid until ``close()``. A type that reads another document while it is read itself gets
    /// one of its own.
    @usableFromInline
    static func open(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits) throws(JSONError) -> JSONWorkspace {
        let own = ofThread()
        let workspace = own.isBusy ? JSONWorkspace() : own
        do throws(JSONError) {
            try workspace.document.open(bytes, limits: limits)
        } catch {
            workspace.document.close()
            throw error
        }
        workspace.isBusy = true
        return workspace
    }

    @usableFromInline
    func close() {
        document.close()
        isBusy = false
    }

    /// The root.
    @usableFromInline
    var decoder: any Decoder { JSONValueDecoder(document: document, index: 0) }

    @usableFromInline
    func shortcut<Value: Decodable>(for type: Value.Type) -> JSONShortcut<Value>? {
        reuse.shortcut(for: type)?.takeUnretainedValue()
    }

    // MARK: One for every thread

    private static let key: pthread_key_t? = {
        var key = pthread_key_t()
        let result = pthread_key_create(&key) { address in
            if let address { Unmanaged<JSONWorkspace>.fromOpaque(address).release() }
        }
        return result == 0 ? key : nil
    }()

    @inline(__always)
    private static func ofThread() -> JSONWorkspace {
        guard let key else { return JSONWorkspace() }
        if let address = pthread_getspecific(key) { return Unmanaged<JSONWorkspace>.fromOpaque(address).takeUnretainedValue() }
        return newOfThread(key)
    }

    @inline(never)
    private static func newOfThread(_ key: pthread_key_t) -> JSONWorkspace {
        let workspace = JSONWorkspace()
        let address = Unmanaged.passRetained(workspace).toOpaque()
        // Out of memory for it: this decoding does without a kept one.
        if pthread_setspecific(key, address) != 0 { Unmanaged<JSONWorkspace>.fromOpaque(address).release() }
        return workspace
    }
}
