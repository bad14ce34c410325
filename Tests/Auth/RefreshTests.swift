import Foundation
import SwiftletAuth
import SwiftletCrypto
import Synchronization
import Testing

/// A key server that answers what it is told, and counts.
private final class KeyServer: Sendable {
    struct Down: Error {}
    private let answer: Mutex<[UInt8]?>
    private let calls = Mutex<[String]>([])

    init(_ answer: [UInt8]?) { self.answer = Mutex(answer) }

    func set(_ new: [UInt8]?) { answer.withLock { $0 = new } }
    var addresses: [String] { calls.withLock { $0 } }

    var fetch: @Sendable (String) async throws -> [UInt8] {
        { address in
            self.calls.withLock { $0.append(address) }
            guard let bytes = self.answer.withLock({ $0 }) else { throw Down() }
            return bytes
        }
    }
}

/// Holds callers back until it is opened.
private final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func pass() async {
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if goesOn { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

@Suite struct RefreshTests {
    private static let address = "https://keys.example/jwks.json"
    private let one: ES256.PrivateKey
    private let two: ES256.PrivateKey
    private let content = TokenMinter.Content(subject: "u", expiresAt: 1_900_999_999)

    init() throws {
        one = try ES256.PrivateKey()
        two = try ES256.PrivateKey()
    }

    private func door(limits: Authenticator.Limits = .init()) throws -> Door {
        try Door(AuthConfiguration(jwksURL: Self.address), limits: limits)
    }

    private func document(_ keys: (ES256.PrivateKey, String)...) -> [UInt8] {
        Array((#"{"keys":["# + keys.map { JWKText.of($0.0.publicKey, kid: $0.1) }.joined(separator: ",") + "]}").utf8)
    }

    private func token(_ key: ES256.PrivateKey, _ kid: String?) throws -> String {
        try TokenMinter(.es256(key), keyID: kid).mint(content)
    }

    @Test func `an unknown kid asks for keys, and after the fetch the token is good`() async throws {
        let (door, server) = (try door(), KeyServer(document((one, "1"))))
        let token = try token(one, "1")
        let needed = try #require(door.bearer(token).needed)
        #expect(needed.algorithm == .es256)
        #expect(needed.refusal.code == .asymmetric)
        let outcome = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        #expect(outcome == .refreshed(keys: 1, changed: true))
        #expect(door.bearer(token).token?.subject == "u")
        #expect(server.addresses == [Self.address])
    }

    @Test func `10000 random kids cause one fetch`() async throws {
        var door = try door()
        let server = KeyServer(document((one, "1")))
        let payload = Base64URL.encode(Array(#"{"exp":1900999999}"#.utf8))
        let signature = Base64URL.encode([UInt8](repeating: 1, count: 64))
        var asked = 0
        for index in 0..<10_000 {
            let header = Base64URL.encode(Array(#"{"alg":"ES256","kid":"https://evil.example/\#(index)"}"#.utf8))
            let outcome = door.bearer("\(header).\(payload).\(signature)")
            #expect(outcome.token == nil)
            if outcome.needed != nil {
                asked += 1
                _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
            } else {
                #expect(outcome.refusal?.code == .asymmetric)
            }
            door.steady += 2
        }
        #expect(asked == 1)
        #expect(server.addresses == [Self.address])
        #expect(door.bearer(try token(one, "1")).token != nil)
    }

    @Test func `two fetches are at least the floor apart, good or bad`() async throws {
        for answer in [document((one, "1")), nil] {
            var door = try door()
            let server = KeyServer(answer)
            _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
            #expect(door.bearer(try token(two, "2")).needed == nil)
            door.steady += 29_999
            #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .tooSoon)
            #expect(door.bearer(try token(two, "2")).refusal?.code == .asymmetric)
            #expect(server.addresses.count == 1)
            door.steady += 1
            #expect(door.bearer(try token(two, "2")).needed != nil)
            _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
            #expect(server.addresses.count == 2)
        }
    }

    @Test func `a failed or broken fetch keeps the last good set`() async throws {
        var door = try door()
        let server = KeyServer(document((one, "1")))
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        let token = try token(one, "1")
        let tooLarge = [UInt8](repeating: 0x20, count: 70_000)
        let answers: [([UInt8]?, KeyRefreshOutcome.Failure)] = [
            (nil, .fetch), (Array("<html>".utf8), .document(.notJSON)), (Array("{}".utf8), .document(.notAKeySet)),
            (tooLarge, .document(.tooLarge)), ([], .document(.notJSON)),
        ]
        for (answer, failure) in answers {
            door.steady += 30_000
            server.set(answer)
            #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .failed(failure))
            #expect(door.bearer(token).token != nil)
        }
        #expect(door.authenticator.statistics.failedRefreshes == 5)
        #expect(door.authenticator.statistics.refreshes == 1)
        #expect(door.authenticator.statistics.fetchedKeys == 1)
    }

    @Test func `fetched keys are used for a day without the server, and not longer`() async throws {
        var door = try door()
        let server = KeyServer(document((one, "1")))
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        server.set(nil)
        let start = door.steady
        let token = try token(one, "1")
        door.steady = start + 86_399_999
        #expect(door.bearer(token).token != nil)
        #expect(!door.authenticator.keyAge(now: door.now).isStale)
        // Kept a millisecond ago, and still not served past the day.
        door.steady = start + 86_400_000
        let needed = try #require(door.bearer(token).needed)
        #expect(needed.refusal.reason == .staleKeys)
        #expect(door.authenticator.keyAge(now: door.now).isStale)
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .failed(.fetch))
        #expect(door.bearer(token).refusal?.code == .asymmetric)
        server.set(document((one, "1")))
        door.steady += 30_000
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .refreshed(keys: 1, changed: false))
        #expect(door.bearer(token).token != nil)
    }

    @Test func `a withdrawn key stops verifying, also for kept tokens`() async throws {
        var door = try door()
        let server = KeyServer(document((one, "1"), (two, "2")))
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        let (first, second) = (try token(one, "1"), try token(two, "2"))
        #expect(door.bearer(first).token != nil)
        #expect(door.bearer(second).token != nil)
        server.set(document((two, "2")))
        door.steady += 30_000
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .refreshed(keys: 1, changed: true))
        #expect(door.bearer(first).token == nil)
        #expect(door.bearer(second).token != nil)
        // An empty set is the provider's word too.
        server.set(Array(#"{"keys":[]}"#.utf8))
        door.steady += 30_000
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .refreshed(keys: 0, changed: true))
        #expect(door.bearer(second).token == nil)
    }

    @Test func `an unchanged set keeps the cache`() async throws {
        var door = try door()
        let server = KeyServer(document((one, "1")))
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        let token = try token(one, "1")
        let first = try #require(door.bearer(token).token)
        door.steady += 30_000
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .refreshed(keys: 1, changed: false))
        #expect(door.bearer(token).token === first)
    }

    @Test func `a secret inside a fetched set is never used`() async throws {
        let secret = Array("a-secret-that-was-published-0123456789".utf8)
        let row = #"{"kty":"oct","kid":"o1","alg":"HS256","k":"\#(Base64URL.encode(secret))"}"#
        for symmetric in [false, true] {
            let door = try Door(AuthConfiguration(symmetricKeysInJWKS: symmetric, jwksURL: Self.address))
            let server = KeyServer(JWKText.set(row, JWKText.of(one.publicKey, kid: "1")))
            let outcome = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
            #expect(outcome == .refreshed(keys: 1, changed: true))
            let token = try TokenMinter(.hs256(SecretBytes(secret)), keyID: "o1").mint(content)
            #expect(door.bearer(token).refusal?.code == .legacy)
        }
    }

    @Test func `requests that come during a fetch wait for it, and there is one fetch`() async throws {
        let (door, gate) = (try door(), Gate())
        let server = KeyServer(document((one, "1")))
        let slow: @Sendable (String) async throws -> [UInt8] = { address in
            await gate.pass()
            return try await server.fetch(address)
        }
        let outcomes = await withTaskGroup(of: KeyRefreshOutcome.self) { group in
            for _ in 0..<20 { group.addTask { await door.authenticator.refreshKeys(now: door.now, fetch: slow) } }
            gate.open()
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(server.addresses.count == 1)
        for outcome in outcomes { #expect(outcome == .refreshed(keys: 1, changed: true) || outcome == .tooSoon) }
        #expect(outcomes.contains(.refreshed(keys: 1, changed: true)))
    }

    @Test func `only so many requests wait for one fetch`() async throws {
        var limits = Authenticator.Limits()
        limits.fetchWaiters = 1
        let (door, gate, started) = (try door(limits: limits), Gate(), Gate())
        let server = KeyServer(document((one, "1")))
        let first = Task {
            await door.authenticator.refreshKeys(now: door.now) { address in
                started.open()
                await gate.pass()
                return try await server.fetch(address)
            }
        }
        await started.pass()
        #expect(door.bearer(try token(one, "1")).needed == nil)
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .busy)
        gate.open()
        #expect(await first.value == .refreshed(keys: 1, changed: true))
    }

    @Test func `a caller that hangs up does not stop the fetch`() async throws {
        let (door, gate, started) = (try door(), Gate(), Gate())
        let server = KeyServer(document((one, "1")))
        let caller = Task {
            await door.authenticator.refreshKeys(now: door.now) { address in
                started.open()
                await gate.pass()
                try Task.checkCancellation()
                return try await server.fetch(address)
            }
        }
        await started.pass()
        caller.cancel()
        gate.open()
        #expect(await caller.value == .refreshed(keys: 1, changed: true))
        #expect(door.bearer(try token(one, "1")).token != nil)
    }

    @Test func `a fetch that never ends counts as failed at its deadline`() async throws {
        var limits = Authenticator.Limits()
        limits.fetchDeadline = .milliseconds(20)
        var door = try door(limits: limits)
        let gate = Gate()
        let server = KeyServer(document((one, "1")))
        let outcome = await door.authenticator.refreshKeys(now: door.now) { address in
            await gate.pass()
            return try await server.fetch(address)
        }
        #expect(outcome == .failed(.deadline))
        door.steady += 30_000
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .refreshed(keys: 1, changed: true))
        // Its late answer changes nothing.
        server.set(Array(#"{"keys":[]}"#.utf8))
        gate.open()
        #expect(door.bearer(try token(one, "1")).token != nil)
    }

    @Test func `fetched keys survive a reload with the same address, and not another one`() async throws {
        let door = try door()
        let server = KeyServer(document((one, "1")))
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        let token = try token(one, "1")
        door.authenticator.replace(configuration: try AuthConfiguration(jwksURL: Self.address, leewaySeconds: 5))
        #expect(door.bearer(token).token != nil)
        #expect(door.bearer(try self.token(two, "2")).needed == nil)
        door.authenticator.replace(configuration: try AuthConfiguration(jwksURL: "https://other.example/jwks"))
        #expect(door.bearer(token).needed != nil)
        let other = KeyServer(document((two, "2")))
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: other.fetch)
        #expect(other.addresses == ["https://other.example/jwks"])
        #expect(door.bearer(token).token == nil)
        #expect(door.bearer(try self.token(two, "2")).token != nil)
    }

    @Test func `a reload during a fetch voids that fetch`() async throws {
        let (door, gate, started) = (try door(), Gate(), Gate())
        let server = KeyServer(document((one, "1")))
        let first = Task {
            await door.authenticator.refreshKeys(now: door.now) { address in
                started.open()
                await gate.pass()
                return try await server.fetch(address)
            }
        }
        await started.pass()
        door.authenticator.replace(configuration: try AuthConfiguration(hs256Secrets: [Door.secret]))
        #expect(await first.value == .failed(.replaced))
        gate.open()
        #expect(door.authenticator.statistics.fetchedKeys == 0)
        #expect(await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch) == .notConfigured)
        #expect(door.bearer(try token(one, "1")).refusal?.code == .asymmetric)
    }

    @Test func `keys are due before the first fetch, and again after ten minutes`() async throws {
        var door = try door()
        let server = KeyServer(document((one, "1")))
        func age() -> (Int64?, Bool, Bool) {
            let age = door.authenticator.keyAge(now: door.now)
            return (age.milliseconds, age.isStale, age.isDue)
        }
        #expect(age() == (nil, false, true))
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        door.steady += 599_999
        #expect(age() == (599_999, false, false))
        door.steady += 1
        #expect(age() == (600_000, false, true))
        #expect(try Door().authenticator.keyAge(now: door.now).isDue == false)
    }

    @Test func `the address in use is the configured one, whatever the token says`() async throws {
        let (door, server) = (try door(), KeyServer(document((one, "1"))))
        for header in [
            #"{"alg":"ES256","kid":"k","jku":"https://evil.example/keys"}"#, #"{"alg":"ES256","x5u":"file:///etc/passwd"}"#,
        ] {
            let text = try TokenMinter(.es256(one)).sign(header: Array(header.utf8), payload: Array(#"{"exp":1900999999}"#.utf8))
            #expect(door.bearer(text).refusal?.reason == .embeddedKey)
        }
        #expect(door.bearer(try token(one, "../../etc/passwd")).needed != nil)
        _ = await door.authenticator.refreshKeys(now: door.now, fetch: server.fetch)
        #expect(server.addresses == [Self.address])
    }
}
