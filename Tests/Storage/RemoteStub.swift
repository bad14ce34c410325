import TestSupport

@testable import SwiftletStorage

/// A store that answers from a closure and keeps what it was asked.
struct RemoteStub: RemoteTransport {
    let asked = Locked<[RemoteRequest]>([])
    private let answer: @Sendable (RemoteRequest) throws -> RemoteAnswer

    init(_ answer: @escaping @Sendable (RemoteRequest) throws -> RemoteAnswer) {
        self.answer = answer
    }

    func send(_ request: RemoteRequest, limit: Int) async throws -> RemoteAnswer {
        asked.withLock { $0.append(request) }
        return try answer(request)
    }

    var requests: [RemoteRequest] { asked.withLock { $0 } }

    struct Broken: Error, CustomStringConvertible {
        var description: String { "https://secret.example/?X-Amz-Signature=abc" }
    }
}

extension RemoteAnswer {
    init(_ status: Int, _ text: String, _ headers: [(name: String, value: String)] = []) {
        self.init(status: status, headers: headers, body: Array(text.utf8))
    }
}

/// The code an asynchronous call fails with; nil when it does not.
func storageFault<Value>(_ body: () async throws(StorageError) -> Value) async -> StorageError? {
    do throws(StorageError) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
