/// A request to a store elsewhere, ready to be sent as it is.
package struct RemoteRequest: Sendable {
    package var method: String
    /// Absolute and encoded: no part of it may be changed on the way, the signature covers it.
    package var url: String
    /// Without `host` and `content-length`, which follow from the url and the body. They hold credentials: not for logs.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(method: String, url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

package struct RemoteAnswer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first of that name; `name` in lower case.
    func header(_ name: String) -> String? { headers.first { S3Text.lowercased($0.name) == name }?.value }
}

/// The way out to another store. The host puts its guarded egress here: it owns addresses, TLS, redirects (none are to be followed) and
/// deadlines.
package protocol RemoteTransport: Sendable {
    /// - Parameter limit: of the body, in bytes; a longer one is an error, not cut off.
    func send(_ request: RemoteRequest, limit: Int) async throws -> RemoteAnswer
}

extension RemoteTransport {
    /// As ``send(_:limit:)``, with failures named. What the transport says may hold the url, so only its kind is kept.
    func ask(_ request: RemoteRequest, limit: Int) async throws(StorageError) -> RemoteAnswer {
        let answer: RemoteAnswer
        do {
            answer = try await send(request, limit: limit)
        } catch let error as StorageError {
            throw error
        } catch is CancellationError {
            throw StorageError(.upstream, "The request was cancelled", cause: "cancelled")
        } catch {
            throw StorageError(.upstream, "The store could not be reached", cause: "transport: \(type(of: error))")
        }
        guard answer.body.count <= limit else {
            throw StorageError(.upstream, "The store's answer could not be read", cause: "answer over \(limit) bytes")
        }
        return answer
    }
}

/// Runs the same question for many things, a few at a time; answers come in the order of the questions.
enum RemoteBatch {
    /// So many that latency hides, so few that one caller does not use up the connections.
    static let width = 8

    static func map<Item: Sendable, Answer: Sendable>(
        _ items: [Item], _ question: @escaping @Sendable (Item) async -> Answer
    ) async -> [Answer] {
        await withTaskGroup(of: (Int, Answer).self) { group in
            var waiting = items.enumerated().makeIterator()
            for _ in 0..<width {
                guard let (place, item) = waiting.next() else { break }
                group.addTask { (place, await question(item)) }
            }
            var answers: [(Int, Answer)] = []
            answers.reserveCapacity(items.count)
            while let answer = await group.next() {
                answers.append(answer)
                if let (place, item) = waiting.next() { group.addTask { (place, await question(item)) } }
            }
            return answers.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
