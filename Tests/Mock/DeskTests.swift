import SwiftletHTTP
import SwiftletJSON
import Testing

@testable import SwiftletMock

@Suite struct DeskTests {
    @Test(arguments: [
        ("POST", "/v1/models/m:generateContent", "generateContent"),
        ("POST", "/v1beta/models/m:streamGenerateContent", "streamGenerateContent"),
        ("POST", "/v1/models/a:b:countTokens", "countTokens"), ("POST", "/v1/chat/completions", "chat.completions"),
        ("POST", "/openai/v1/chat/completions", "chat.completions"),
        ("POST", "/v1beta/openai/chat/completions", "chat.completions"),
        ("POST", "/openai/chat/completions", "chat.completions"),
    ])
    func `a call is found by its path`(method: String, path: String, verb: String) {
        guard case .call(let call) = Route(method: method, path: path, query: nil) else { return #expect(Bool(false), "\(path)") }
        #expect(call.verb.rawValue == verb)
    }

    @Test(arguments: [
        ("GET", "/v1/models/m:generateContent"), ("POST", "/v2/models/m:generateContent"),
        ("POST", "/v1/models/:generateContent"),
        ("POST", "/v1/models/m"), ("POST", "/v1/models/m:embedContent"), ("POST", "/v1/models/m:chat.completions"), ("POST", "/"),
        ("POST", "/chat/completions"), ("POST", "//v1/models/m:generateContent"), ("POST", "/v1/models/a/b:generateContent"),
        ("POST", "*"),
        ("POST", "/mock/log"), ("GET", "/mock/release"),
    ])
    func `other paths are not known`(method: String, path: String) {
        if case .call = Route(method: method, path: path, query: nil) { #expect(Bool(false), "\(path)") }
        var asking = Asking()
        guard path != "/v1/models/m:generateContent" else { return }
        #expect(asking.send(method, path)?.script.status == 404)
    }

    @Test func `the key must be there, be the right one and come as a header`() throws {
        func reason(_ script: Script) -> String? { script.json?["error"]?["details"]?[0]?["reason"]?.string }
        var asking = Asking(key: "right")
        for key in [nil, "", "wrong", "righ", "right "] {
            let script = asking.gemini("ok", key: key)
            #expect(script.status == 400 && reason(script) == "API_KEY_INVALID", "\(key ?? "none")")
        }
        #expect(asking.gemini("ok", key: "right").status == 200)
        #expect(asking.openAI("ok").status == 401)
        let path = "/v1/models/ok:generateContent"
        let body = Asking.prompt.bytes
        let headers = [("x-goog-api-key", "right")]
        #expect(asking.send("POST", path, query: "key=right", headers: headers, body: body)?.script.status == 400)
        #expect(asking.send("POST", path, query: "alt=sse&key=x", headers: headers, body: body)?.script.status == 400)
        #expect(asking.send("POST", path, query: "keys=1", headers: headers, body: body)?.script.status == 200)
        let token = asking.send("POST", path, headers: headers + [("Authorization", "Bearer eyJ.a.b")], body: body)
        #expect(token?.script.status == 400 && token?.script.json?["error"]?["message"]?.string?.contains("user's token") == true)
        let log = try asking.log()
        #expect(log.last?["userToken"]?.bool == true && log.last?["keyOK"]?.bool == true && log.first?["keyOK"]?.bool == false)
        var any = Asking()
        #expect(any.gemini("ok", key: "anything").status == 200 && any.gemini("ok", key: nil).status == 400)
        #expect(any.gemini("key-echo", key: "echo-me").json?["error"]?["message"]?.string?.contains("echo-me") == true)
    }

    @Test(arguments: ["", "{", "[]", "{}", #"{"contents":[]}"#, #"{"contents":"x"}"#, "null", "\u{FEFF}{}"])
    func `a body that is no call is refused, and costs no failure`(body: String) {
        var asking = Asking()
        let headers = [("x-goog-api-key", "k")]
        let script = asking.send("POST", "/v1/models/500-once:generateContent", headers: headers, body: Array(body.utf8))
        #expect(script?.script.status == 400)
        let chat = asking.send("POST", "/v1/chat/completions", headers: [("authorization", "Bearer k")], body: Array(body.utf8))
        #expect(chat?.script.status == 400)
        #expect(asking.gemini("500-once").status == 500)
    }

    @Test func `the log tells what arrived, without the key`() throws {
        var asking = Asking(key: "canary")
        let body: [UInt8] = Array(#"{"contents":[{"parts":[{"text":"hé"}]}],"x":1.50}"#.utf8)
        let reply = asking.send(
            "POST", "/v1beta/models/mock-500-once.t:streamGenerateContent", query: "alt=sse",
            headers: [("X-Goog-Api-Key", "canary"), ("X-A", "1"), ("x-a", "2")], body: body, at: 1_500_000)
        asking.desk.ended(try #require(reply?.attempt), .answered, at: 2_250_000)
        // The first end counts.
        asking.desk.ended(try #require(reply?.attempt), .clientGone, at: 9_000_000)
        _ = asking.send("GET", "/v1beta/models", headers: [("x-goog-api-key", "wrong")])
        let log = try asking.log()
        #expect(log.count == 2)
        #expect(
            log[0] == [
                "n": 1, "ms": 1.5, "shape": "gemini", "model": "mock-500-once.t", "fault": "500-once",
                "verb": "streamGenerateContent",
                "version": "v1beta", "stream": true, "status": 500, "keyOK": true, "userToken": false,
                "headers": ["x-goog-api-key": "[hidden]", "x-a": "1, 2"], "bodyBytes": JSON(body.count),
                "body": ["contents": [["parts": [["text": "hé"]]]], "x": 1.5], "endMs": 2.25, "end": "answered",
            ])
        #expect(log[1]["status"]?.int == 400 && log[1]["end"]?.isNull == true && log[1]["body"]?.isNull == true)
        #expect(!String(decoding: asking.desk.log.json, as: UTF8.self).contains("canary"))
    }

    @Test func `forgetting empties the log and lets every once fail once more`() throws {
        var asking = Asking()
        #expect(asking.gemini("500-once").status == 500)
        #expect(asking.gemini("500-once").status == 200)
        let old = asking.send(
            "POST", "/v1/models/hold:generateContent", headers: [("x-goog-api-key", "k")], body: Asking.prompt.bytes)
        _ = asking.gemini("flap", at: 0)
        #expect(asking.send("DELETE", "/mock/log")?.script.status == 200)
        #expect(try asking.log().isEmpty)
        #expect(asking.gemini("500-once").status == 500)
        #expect(asking.gemini("flap", at: 61_000_000_000).status == 503)
        // What was under way belongs to the log that is gone.
        asking.desk.ended(try #require(old?.attempt), .answered, at: 5)
        #expect(try asking.log().map { $0["n"]?.int } == [1, 2] && asking.log()[0]["end"]?.isNull == true)
    }

    @Test func `the log keeps the newest, and a large body only in part`() throws {
        var log = AttemptLog()
        for number in 0..<AttemptLog.limit + 5 {
            let serial = log.add(
                Attempt(start: Int64(number) * 1_000_000, shape: .gemini, verb: "x", fields: .init(), body: [], bodyBytes: 0))
            log.end(serial - AttemptLog.limit, .reset, at: 0)
        }
        let attempts = try JSON.parse(log.json, limits: JSONLimits(members: .max))["attempts"]?.array ?? []
        #expect(
            attempts.count == AttemptLog.limit && attempts.first?["n"]?.int == 6
                && attempts.last?["n"]?.int == AttemptLog.limit + 5)
        #expect(attempts.allSatisfy { $0["end"]?.isNull == true })

        var asking = Asking()
        let text = String(repeating: "é", count: 100_000)
        _ = asking.gemini("ok", body: ["contents": [["parts": [["text": .string(text)]]]]])
        let large = try asking.log()[0]
        #expect(large["bodyBytes"]?.int ?? 0 > 200_000 && large["body"]?.string?.utf8.count ?? .max <= Attempt.bodyLimit + 3)
        // The oldest lose their bodies before the newest.
        let body = [UInt8](repeating: UInt8(ascii: "a"), count: Attempt.bodyLimit)
        var full = AttemptLog()
        for _ in 0..<1100 {
            _ = full.add(Attempt(start: 0, shape: .gemini, verb: "x", fields: .init(), body: body, bodyBytes: body.count))
        }
        #expect(full.json.count < AttemptLog.room + 1_000_000 && full.json.count > AttemptLog.room - 1_000_000)
    }

    @Test func `models are listed in both shapes`() {
        var asking = Asking()
        let list = asking.send("GET", "/v1beta/models", headers: [("x-goog-api-key", "k")])?.script.json?["models"]?.array
        #expect(list?.count == Fault.allCases.count && list?.first?["name"]?.string == "models/ok")
        let one = asking.send("GET", "/v1beta/models/gemini-x", headers: [("x-goog-api-key", "k")])?.script.json
        #expect(one?["name"]?.string == "models/gemini-x")
        let openAI = asking.send("GET", "/v1beta/openai/models", headers: [("authorization", "Bearer k")])?.script.json
        #expect(openAI?["data"]?.array?.count == Fault.allCases.count)
        #expect(asking.send("GET", "/v1beta/models")?.script.status == 400)
    }

    @Test func `a user's token in OpenAI's shape is told, where only the key should be`() throws {
        var asking = Asking(key: "key")
        let body: [UInt8] = Array(#"{"model":"ok","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}"#.utf8)
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
        _ = asking.send("POST", "/v1/chat/completions", headers: [("authorization", "Bearer \(token)")], body: body)
        _ = asking.send("POST", "/v1/chat/completions", headers: [("authorization", "Bearer key")], body: body)
        let log = try asking.log()
        #expect(log.map { $0["userToken"]?.bool } == [true, false] && log.map { $0["status"]?.int } == [401, 200])
        #expect(!log.description.contains(token))
    }

    @Test func `a prepared answer is the one that would have been written`() {
        var asking = Asking()
        for _ in 0..<2 {
            for model in ["ok", "other"] {
                #expect(asking.gemini(model).json?["modelVersion"]?.string == model)
                #expect(asking.gemini(model, stream: true).events.count == 61)
                #expect(asking.gemini(model, stream: true, alt: nil).json?.array?.count == 61)
                #expect(asking.openAI(model, stream: true).events.count == 64)
                #expect(asking.openAI(model, stream: true, more: ["stream_options": [:]]).events.count == 63)
            }
            let longer = asking.gemini("ok", body: ["contents": [["parts": [["text": "nine chars"]]]]])
            #expect(longer.json?["usageMetadata"]?["promptTokenCount"]?.int == 3)
            asking.wire.keepsAlive.toggle()
            #expect(asking.gemini("ok").closes != asking.wire.keepsAlive)
            asking.wire.date = HTTPDate.line(unixSeconds: 86_400)
            #expect(asking.gemini("ok").head.contains("02 Jan 1970"))
        }
        for number in 0..<200 { #expect(asking.gemini("m\(number)").json?["modelVersion"]?.string == "m\(number)") }
    }
}
