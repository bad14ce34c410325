import SwiftletJSON
import Testing

@testable import SwiftletRealtime

@Suite struct JoinTests {
    private func join(_ payload: String, limits: RealtimeLimits = .standard) throws -> JoinRequest {
        let text = Wire.message(.v2, event: "phx_join", payload: payload)
        return try #require(try Wire.decode(text, .v2, limits: limits).event.join)
    }

    @Test func `a join with an empty config has the defaults`() throws {
        for payload in [
            #"{"config":{}}"#, #"{"config":null}"#,
            #"{"config":{"broadcast":null,"presence":null,"postgres_changes":null,"private":null}}"#,
        ] {
            let request = try join(payload)
            #expect(request == JoinRequest())
            #expect(!request.presence.enabled && request.presence.key.isEmpty && request.broadcast.replay == nil)
        }
    }

    @Test func `a join without a config is one of the oldest API`() throws {
        #expect(try join("{}").isLegacy && join(#"{"user_token":"t"}"#).isLegacy)
        let request = try join("null")
        #expect(request.isLegacy && request.problems == ["payload"])
    }

    @Test func `booleans may be strings in any case`() throws {
        for (text, value) in [("true", true), ("false", false), ("\"true\"", true), ("\"True\"", true), ("\"FALSE\"", false)] {
            let request = try join(
                #"{"config":{"private":\#(text),"broadcast":{"self":\#(text),"ack":\#(text),"replication_ready":\#(text)},"presence":{"enabled":\#(text)}}}"#
            )
            #expect(request.isPrivate == value && request.broadcast.toSelf == value && request.broadcast.ack == value)
            #expect(request.presence.enabled == value && request.wantsReplicationReady == value && request.problems.isEmpty)
        }
    }

    @Test func `what is invalid has its default and is named, and the rest counts`() throws {
        let request = try join(
            #"{"access_token":5,"user_token":"u","config":{"private":"yes","broadcast":{"self":1,"ack":true},"presence":{"enabled":[],"key":{}},"postgres_changes":{}}}"#
        )
        #expect(!request.isPrivate && !request.broadcast.toSelf && request.broadcast.ack && request.accessToken == "u")
        #expect(
            request.problems == [
                "access_token", "config.private", "config.broadcast.self", "config.presence.enabled", "config.presence.key",
                "config.postgres_changes",
            ])
        #expect(try join(#"{"config":[]}"#).problems == ["config"])
        #expect(try join(#"{"config":{"broadcast":1,"presence":"x"}}"#).problems == ["config.broadcast", "config.presence"])
    }

    @Test func `access_token goes before user_token, null is none`() throws {
        #expect(try join(#"{"user_token":"u","access_token":"a","config":{}}"#).accessToken == "a")
        #expect(try join(#"{"access_token":null,"user_token":"u","config":{}}"#).accessToken == "u")
        #expect(try join(#"{"access_token":null,"config":{}}"#).accessToken == nil)
    }

    @Test func `a presence key may be a number, and is not endless`() throws {
        #expect(try join(#"{"config":{"presence":{"key":17}}}"#).presence.key == "17")
        let long = try join(#"{"config":{"presence":{"key":"\#(String(repeating: "k", count: 256))"}}}"#)
        #expect(long.presence.key.isEmpty && long.problems == ["config.presence.key"])
    }

    @Test func `bindings stay as they are written, nulls are dropped`() throws {
        let request = try join(
            #"{"config":{"postgres_changes":[ {"schema" : "public","event":"*"} ,null,{"event":"INSERT","schema":"s","n":1e400},null]}}"#
        )
        #expect(
            request.postgresChanges.map(\.description) == [
                #"{"schema" : "public","event":"*"}"#, #"{"event":"INSERT","schema":"s","n":1e400}"#,
            ])
        #expect(request.problems.isEmpty)
        #expect(try join(#"{"config":{"postgres_changes":[1,{}]}}"#).problems == ["config.postgres_changes"])
        var limits = RealtimeLimits()
        limits.postgresChanges = 2
        let many = try join(#"{"config":{"postgres_changes":[{},{"a":1},{"a":2}]}}"#, limits: limits)
        #expect(many.postgresChanges.count == 2 && many.problems == ["config.postgres_changes"])
    }

    @Test func `a replay says since when, or after which offset`() throws {
        func replay(_ text: String) throws -> Replay? {
            try join(#"{"config":{"private":true,"broadcast":{"replay":\#(text)}}}"#).broadcast.replay
        }
        #expect(try replay("null") == nil)
        #expect(try replay(#"{"since":1700000000000,"limit":10}"#) == Replay(since: 1_700_000_000_000, limit: 10))
        #expect(try replay(#"{"since":1.7e12}"#) == Replay(since: 1_700_000_000_000))
        #expect(try replay(#"{"offset":12,"epoch":"e1"}"#) == Replay(offset: 12, epoch: "e1"))
        #expect(try replay(#"{"offset":"18446744073709551615","epoch":"e1"}"#) == Replay(offset: .max, epoch: "e1"))
        for text in [
            "5", "[]", "{}", #"{"since":"yesterday"}"#, #"{"since":1.5}"#, #"{"since":1e400}"#, #"{"limit":5}"#,
            #"{"since":1,"limit":0}"#,
            #"{"since":1,"limit":"5"}"#, #"{"offset":1}"#, #"{"epoch":"e"}"#, #"{"offset":-1,"epoch":"e"}"#,
            #"{"offset":"+1","epoch":"e"}"#,
            #"{"offset":1,"epoch":""}"#, #"{"since":1,"offset":1}"#,
        ] { #expect(try replay(text)?.isInvalid == true, "\(text)") }
        #expect(try join(#"{"config":{"broadcast":{"replay":7}}}"#).problems == ["config.broadcast.replay"])
    }

    // MARK: The answer

    @Test func `the answer to a join has its bindings even when there are none`() {
        #expect(JoinResponse.ok().description == #"{"postgres_changes":[]}"#)
        #expect(
            JoinResponse.ok(recovery: RawJSON(#"{"recovered":true}"#)).description
                == #"{"postgres_changes":[],"recovery":{"recovered":true}}"#)
    }

    @Test func `each binding comes back in order, untouched, with an id`() throws {
        let bindings = [#"{"event":"*", "schema" :"public","f":0.10}"#, "{}", #"{ "id" : 5 , "event":"INSERT" }"#].map {
            RawJSON($0)
        }
        let ids = bindings.map { JoinResponse.id(of: $0) }
        #expect(
            JoinResponse.ok(postgresChanges: bindings).description
                == #"{"postgres_changes":[{"event":"*","schema" :"public","f":0.10,"id":\#(ids[0])},{"id":\#(ids[1])},{"event":"INSERT","id":\#(ids[2])}]}"#
        )
        #expect(RawJSON(checking: JoinResponse.ok(postgresChanges: bindings).bytes) != nil)
    }

    @Test func `ids are whole, not zero, exact in JavaScript, and equal for equal parameters`() {
        func id(_ text: String) -> Int { JoinResponse.id(of: RawJSON(text)) }
        let insert = id(#"{"event":"INSERT","schema":"public","table":"m"}"#)
        #expect(insert == id(#"{"table" : "m","schema":"publ\u0069c","event":"INSERT","filter":null,"id":9}"#))
        #expect(insert != id(#"{"event":"INSERT","schema":"public","table":"n"}"#))
        #expect(insert != id(#"{"event":"INSERT","schema":"public"}"#))
        #expect(id(#"{"a":"bc"}"#) != id(#"{"ab":"c"}"#) && id(#"{"a":"1"}"#) != id(#"{"a":1}"#))
        // Stable from one release to the next, or clients of two hosts would disagree.
        #expect(insert == 113_251_726_330_828)
        var seen: Set<Int> = []
        for number in 0..<2000 { seen.insert(id(#"{"event":"*","schema":"public","table":"t\#(number)"}"#)) }
        #expect(seen.count == 2000 && seen.allSatisfy { $0 > 0 && $0 < 1 << 48 })
    }

    @Test func `refusals have the words clients look for`() {
        #expect(JoinError.tooManyChannels.reason == "ChannelRateLimitReached: Too many channels")
        #expect(JoinError.tooManySockets.reason == "ConnectionRateLimitReached: Too many connected users")
        #expect(JoinError.tooManyJoins.reason == "ClientJoinRateLimitReached: Too many joins per second")
        #expect(JoinError.tooManyJoins.closeCode == 1001 && JoinError.tooManyChannels.closeCode == nil)
        #expect(JoinError.tokenExpired(secondsAgo: 3).reason == "InvalidJWTToken: Token has expired 3 seconds ago")
        #expect(JoinError.tokenLacksClaims.reason == "InvalidJWTToken: Fields `role` and `exp` are required in JWT")
        #expect(JoinError.malformedToken.reason == "MalformedJWT: The token provided is not a valid JWT")
        #expect(JoinError.tokenSignature.reason == "JwtSignatureError: Failed to validate JWT signature")
        #expect(
            JoinError.unauthorized(topic: "a:b").reason
                == "Unauthorized: You do not have permissions to read from this Channel topic: a:b")
        #expect(JoinError.privateOnly.reason == "PrivateOnly: This project only allows private channels")
        #expect(JoinError.replayInvalid.reason == "UnableToReplayMessages: Replay params are not valid")
        #expect(JoinError.replayOnPublic.reason == "UnableToReplayMessages: Replay is not allowed for public channels")
        #expect(JoinError.topicNameRequired.reason == "TopicNameRequired: You must provide a topic name")
        #expect(JoinError.unmatchedTopic.reason == "unmatched topic")
        #expect(JoinResponse.failure(reason: "a\"b").description == #"{"reason":"a\"b"}"#)
    }
}
