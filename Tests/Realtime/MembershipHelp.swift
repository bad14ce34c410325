import Foundation
import Swiftlet
import SwiftletJSON
import Synchronization

@testable import SwiftletRealtime

extension Member {
    static func user(_ subject: String, _ metadata: JSON = [:], token: String = "header.claims.signature") -> Member {
        Member(
            subject: subject, role: "authenticated", claims: ["sub": .string(subject), "app_metadata": metadata],
            token: Secret(token))
    }
}

/// The problem something asynchronous fails with; nil when it does not.
func problem<Value>(_ body: () async throws -> Value) async -> MembershipProblem? {
    do {
        _ = try await body()
        return nil
    } catch { return error as? MembershipProblem }
}

/// A clock that stands until it is moved.
final class StandingClock: Sendable {
    private let time = Mutex<UInt64>(1_000_000_000)
    var clock: HostClock { HostClock(monotonic: { self.time.withLock { $0 } }, wall: { 1_800_000_000_000_000_000 }) }
    func advance(seconds: UInt64) { time.withLock { $0 += seconds * 1_000_000_000 } }
}

/// A hook that says what it is told to say, and counts.
final class StubHook: MembershipHook {
    struct Trouble: Error {}
    let isCostly: Bool
    private let asked = Mutex<[String]>([])
    private let answer: Mutex<ChannelPermissions?>

    init(_ answer: ChannelPermissions?, isCostly: Bool = false) {
        self.answer = Mutex(answer)
        self.isCostly = isCostly
    }

    var channels: [String] { asked.withLock { $0 } }
    func say(_ permissions: ChannelPermissions?) { answer.withLock { $0 = permissions } }

    func permissions(of member: Member, in channel: String) async throws -> ChannelPermissions {
        asked.withLock { $0.append(channel) }
        guard let answer = answer.withLock({ $0 }) else { throw Trouble() }
        return answer
    }
}

/// A folder that is gone after the test.
func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("membership-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body(folder.path)
}
