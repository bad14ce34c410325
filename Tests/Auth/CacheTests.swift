import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import Testing

@Suite struct CacheTests {
    @Test func `the second request with a token is served from the cache`() throws {
        let door = try Door()
        let token = try Door.token()
        let first = try #require(door.bearer(token).token)
        let second = try #require(door.bearer(token).token)
        #expect(first === second)
        #expect(door.authenticator.statistics.cacheHits == 1)
        #expect(door.authenticator.statistics.cacheMisses == 1)
        #expect(door.authenticator.statistics.cacheEntries == 1)
    }

    @Test func `a kept token is not served at or past its exp, and comes back when the clock does`() throws {
        var door = try Door()
        let token = try Door.token(lifetime: 10)
        #expect(door.bearer(token).token != nil)
        door.wall += 9.999
        #expect(door.bearer(token).token != nil)
        door.wall = Door.start + 10
        #expect(door.bearer(token).refusal?.reason == .expired)
        #expect(door.authenticator.statistics.cacheEntries == 0)
        door.wall = Door.start
        #expect(door.bearer(token).token != nil)
    }

    @Test func `a kept token is not served before its nbf when the clock is set back`() throws {
        var door = try Door()
        let token = try Door.token(payload: #"{"exp":1900003600,"nbf":1900000000}"#)
        #expect(door.bearer(token).token != nil)
        door.wall -= 1
        #expect(door.bearer(token).refusal?.reason == .notYetValid)
    }

    @Test func `a kept token is verified again after 60 seconds of the steady clock`() throws {
        var door = try Door()
        let token = try Door.token()
        let first = try #require(door.bearer(token).token)
        door.steady += 59_999
        #expect(door.bearer(token).token === first)
        door.steady += 1
        let second = try #require(door.bearer(token).token)
        #expect(second !== first)
        #expect(door.authenticator.statistics.cacheEntries == 1)
    }

    @Test func `refused tokens are not kept`() throws {
        let door = try Door()
        for index in 0..<50 { _ = door.bearer(try Door.token(lifetime: Int64(-index))) }
        for index in 0..<50 { _ = door.bearer("a.b.c\(index)") }
        #expect(door.authenticator.statistics.cacheEntries == 0)
        #expect(door.authenticator.statistics.cacheBytes == 0)
    }

    @Test func `entries never exceed their limit, and the least used goes first`() throws {
        var limits = Authenticator.Limits()
        limits.cacheEntries = 64
        let door = try Door(limits: limits)
        var kept: [String] = []
        for index in 0..<1000 {
            let token = try Door.token(subject: "user-\(index)")
            #expect(door.bearer(token).token?.subject == "user-\(index)")
            kept.append(token)
            #expect(door.authenticator.statistics.cacheEntries <= 64)
        }
        #expect(door.authenticator.statistics.cacheEntries == 64)
        // The newest is still there; the oldest is not.
        let before = door.authenticator.statistics.cacheHits
        _ = door.bearer(kept[999])
        #expect(door.authenticator.statistics.cacheHits == before + 1)
        _ = door.bearer(kept[0])
        #expect(door.authenticator.statistics.cacheHits == before + 1)
    }

    @Test func `a token in steady use stays while others come and go`() throws {
        var limits = Authenticator.Limits()
        limits.cacheEntries = 64
        let door = try Door(limits: limits)
        let steady = try Door.token(subject: "steady")
        let first = try #require(door.bearer(steady).token)
        for index in 0..<500 {
            _ = door.bearer(try Door.token(subject: "user-\(index)"))
            #expect(door.bearer(steady).token === first)
        }
    }

    @Test func `bytes never exceed their limit`() throws {
        var limits = Authenticator.Limits()
        limits.cacheBytes = 400_000
        let door = try Door(limits: limits)
        for index in 0..<200 {
            let pad = String(repeating: "a", count: (index * 37) % 4000)
            _ = door.bearer(try Door.token(subject: "user-\(index)", extra: [("pad", .string(pad))]))
            #expect(door.authenticator.statistics.cacheBytes <= 400_000)
        }
        // Small ones push the large ones out, wherever the random seed puts them.
        for index in 0..<1000 {
            _ = door.bearer(try Door.token(subject: "small-\(index)"))
            #expect(door.authenticator.statistics.cacheBytes <= 400_000)
        }
        #expect(door.authenticator.statistics.cacheEntries > 100)
    }

    @Test func `a token larger than a share of the cache is verified each time`() throws {
        var limits = Authenticator.Limits()
        limits.cacheBytes = 8_000
        let door = try Door(limits: limits)
        let token = try Door.token(extra: [("pad", .string(String(repeating: "a", count: 3000)))])
        for _ in 0..<3 { #expect(door.bearer(token).token != nil) }
        #expect(door.authenticator.statistics.cacheEntries == 0)
    }

    @Test func `a cache of no entries works`() throws {
        var limits = Authenticator.Limits()
        limits.cacheEntries = 0
        let door = try Door(limits: limits)
        let token = try Door.token()
        for _ in 0..<3 { #expect(door.bearer(token).token != nil) }
        #expect(door.authenticator.statistics.cacheEntries == 0)
    }

    @Test func `new secrets drop every kept token at once`() throws {
        let door = try Door()
        let tokens = try (0..<100).map { try Door.token(subject: "user-\($0)") }
        for token in tokens { #expect(door.bearer(token).token != nil) }
        let other = SecretBytes(utf8: "another-secret-0123456789-abcdefghijklmnop")
        door.authenticator.replace(configuration: try AuthConfiguration(hs256Secrets: [other]))
        #expect(door.authenticator.statistics.cacheEntries == 0)
        for token in tokens { #expect(door.bearer(token).refusal?.code == .legacy) }
    }

    @Test func `during an overlap both secrets verify, and afterwards only the new one`() throws {
        let new = SecretBytes(utf8: "the-new-secret-0123456789-abcdefghijklmnop")
        let content = TokenMinter.Content(subject: "n", expiresAt: 1_900_003_600)
        let (old, fresh) = (try Door.token(), try TokenMinter(.hs256(new)).mint(content))
        let door = try Door(AuthConfiguration(hs256Secrets: [new, Door.secret]))
        #expect(door.bearer(old).token != nil)
        #expect(door.bearer(fresh).token != nil)
        door.authenticator.replace(configuration: try AuthConfiguration(hs256Secrets: [new]))
        #expect(door.bearer(old).refusal != nil)
        #expect(door.bearer(fresh).token != nil)
    }

    @Test func `tighter rules count at once for kept tokens`() throws {
        let door = try Door()
        let token = try Door.token()
        #expect(door.bearer(token).token != nil)
        door.authenticator.replace(
            configuration: try AuthConfiguration(hs256Secrets: [Door.secret], issuer: "https://elsewhere"))
        #expect(door.bearer(token).refusal?.reason == .issuer)
    }

    @Test func `tokens that end alike are told apart`() throws {
        // The cache looks a token up by its end. A stranger may copy the end of a kept token under any other beginning.
        let door = try Door()
        let good = try Door.token(subject: "victim", extra: [("pad", .string(String(repeating: "x", count: 300)))])
        let owner = try #require(door.bearer(good).token)
        let parts = good.split(separator: ".").map(String.init)
        let forged = Base64URL.encode(Array(#"{"sub":"admin","role":"service_role","exp":1900003600}"#.utf8))
        var tries = [
            parts[0] + "." + forged + "." + parts[2], parts[0] + "." + forged + String(parts[1].suffix(60)) + "." + parts[2],
        ]
        // Every single changed byte before the end, with the end itself untouched.
        let bytes = Array(good.utf8)
        for index in 0..<(bytes.count - 96) {
            var changed = bytes
            changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            tries.append(String(decoding: changed, as: UTF8.self))
        }
        for text in tries where text != good { #expect(door.bearer(text).token == nil) }
        #expect(door.bearer(good).token === owner)
        #expect(door.authenticator.statistics.cacheEntries == 1)
    }

    @Test func `many threads see one answer per token while keys change`() async throws {
        let door = try Door()
        let tokens = try (0..<32).map { (try Door.token(subject: "user-\($0)"), "user-\($0)") }
        let configuration = try AuthConfiguration(hs256Secrets: [Door.secret], leewaySeconds: 1)
        let wrong = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var wrong = 0
                    for round in 0..<200 {
                        let (text, subject) = tokens[round % tokens.count]
                        if door.bearer(text).token?.subject != subject { wrong += 1 }
                    }
                    return wrong
                }
            }
            group.addTask {
                for _ in 0..<50 { door.authenticator.replace(configuration: configuration) }
                return 0
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
        // After all replacements the cache still works.
        _ = door.bearer(tokens[0].0)
        let hits = door.authenticator.statistics.cacheHits
        _ = door.bearer(tokens[0].0)
        #expect(door.authenticator.statistics.cacheHits == hits + 1)
    }
}
