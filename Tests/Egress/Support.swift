import TestSupport
import Foundation
import HTTPTypes
import SwiftletEgress
import SwiftletNet
import Testing

/// Answers from a table: one list of addresses for each call, the last one repeating. A name without an entry is never
/// answered at all.
final class TableResolver: Resolver {
    private let table: [String: [[String]]]
    private let asked = Locked<[String: Int]>([:])

    init(_ table: [String: [[String]]]) {
        self.table = table
    }

    func calls(_ name: String) -> Int { asked.withLock { $0[name] ?? 0 } }

    func resolve(_ name: String, answer: @escaping @Sendable (Result<[IPAddress], ResolveFailure>) -> Void) {
        let call = asked.withLock { asked in
            asked[name, default: 0] += 1
            return (asked[name] ?? 1) - 1
        }
        guard let answers = table[name], let last = answers.last else { return }
        let texts = call < answers.count ? answers[call] : last
        let addresses = texts.compactMap { IPAddress($0) }
        answer(addresses.isEmpty ? .failure(.notFound) : .success(addresses))
    }
}

/// A box for what server threads saw.
final class Notes<Value: Sendable>: Sendable {
    private let values = Locked<[Value]>([])

    func add(_ value: Value) { values.withLock { $0.append(value) } }

    var all: [Value] { values.withLock { $0 } }
}

/// Takes each public address to a loopback server, and remembers which ones were connected to.
final class Detours: Sendable {
    let connected = Notes<String>()
    private let ports: [String: UInt16]
    private let otherwise: UInt16?

    init(_ ports: [String: UInt16] = [:], otherwise: UInt16? = nil) {
        self.ports = ports
        self.otherwise = otherwise
    }

    func take(_ address: IPAddress) -> (address: IPAddress, port: UInt16)? {
        connected.add(address.description)
        guard let port = ports[address.description] ?? otherwise, let loopback = IPAddress("127.0.0.1") else { return nil }
        return (loopback, port)
    }
}

func makeClient(
    resolver: any Resolver = TableResolver([:]), authorities: String? = nil, detours: Detours? = nil, maxTransfers: Int = 1_024,
    threadName: StaticString = "egress"
) throws -> EgressClient {
    var options = EgressClient.Options(
        resolver: resolver, certificateAuthorities: authorities, maxTransfers: maxTransfers, threadName: threadName)
    if let detours { options.detour = { address, _ in detours.take(address) } }
    return try #require(EgressClient(options: options))
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// What an attempt ended with.
func code(_ body: () async throws -> Void) async -> EgressError.Code? {
    do {
        try await body()
        return nil
    } catch let error as EgressError {
        return error.code
    } catch {
        Issue.record("\(error)")
        return nil
    }
}

func threadNames() -> [String] {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.compactMap { try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8) }
        .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
}

extension EgressTimeouts {
    /// Phases that a test waits for on purpose are short; the others stay out of the way.
    static func quick(
        connect: Duration = .seconds(20), firstByte: Duration = .seconds(20), idle: Duration = .seconds(20),
        total: Duration = .seconds(60)
    ) -> EgressTimeouts {
        EgressTimeouts(connect: connect, firstByte: firstByte, idle: idle, total: total)
    }
}
