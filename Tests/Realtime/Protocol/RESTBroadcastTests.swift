import SwiftletJSON
import Testing

@testable import SwiftletRealtime

@Suite struct RESTBroadcastTests {
    private func batch(_ text: String, limits: RealtimeLimits = .standard) -> Result<
        [RESTBroadcast.Message], RESTBroadcast.Answer
    > {
        Array(text.utf8).withUnsafeBytes { bytes in
            do throws(RESTBroadcast.Answer) {
                return .success(try RESTBroadcast.batch(bytes, limits: limits))
            } catch {
                return .failure(error)
            }
        }
    }

    private func single(
        topic: String = "room", event: String = "e", query: String? = nil, contentType: String? = "application/json",
        body: [UInt8],
        limits: RealtimeLimits = .standard
    ) -> Result<RESTBroadcast.Message, RESTBroadcast.Answer> {
        body.withUnsafeBytes { bytes in
            do throws(RESTBroadcast.Answer) {
                return .success(
                    try RESTBroadcast.single(
                        topic: topic, event: event, query: query, contentType: contentType, body: bytes, limits: limits))
            } catch {
                return .failure(error)
            }
        }
    }

    private func refusal<Success>(_ result: Result<Success, RESTBroadcast.Answer>) -> String? {
        guard case .failure(let answer) = result else { return nil }
        return "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))"
    }

    // MARK: Batches

    @Test func `a batch is read in order, payloads untouched`() throws {
        let messages = try batch(
            #"{"messages":[{"topic":"a","event":"x","payload":{"b":1,"a":1e400, "n":0.10}},{"private":true,"payload":{},"event":"y","topic":"b:c","id":"m-1"}],"more":1}"#
        ).get()
        #expect(messages.map(\.topic) == ["a", "b:c"] && messages.map(\.isPrivate) == [false, true])
        #expect(messages.map(\.content.event) == ["x", "y"] && messages.map(\.content.id) == [nil, "m-1"])
        #expect(messages.map(\.content.json) == [#"{"b":1,"a":1e400, "n":0.10}"#, "{}"])
    }

    @Test func `what is blank or missing is said for each message`() {
        #expect(
            refusal(batch(#"{"messages":[{"topic":"t"},{"payload":{"a":1}},{"topic":"t","payload":{},"event":"e"}]}"#))
                == #"422 {"errors":{"messages":[{"event":["can't be blank"],"payload":["can't be blank"]},{"topic":["can't be blank"],"event":["can't be blank"]},{}]}}"#
        )
        #expect(
            refusal(batch(#"{"messages":[{"topic":" ","event":"","payload":null}]}"#))
                == #"422 {"errors":{"messages":[{"topic":["can't be blank"],"event":["can't be blank"],"payload":["can't be blank"]}]}}"#
        )
    }

    @Test func `what is of another type is invalid`() {
        #expect(
            refusal(batch(#"{"messages":[{"topic":1,"event":[],"payload":"x","private":"perhaps","id":5}]}"#))
                == #"422 {"errors":{"messages":[{"topic":["is invalid"],"event":["is invalid"],"payload":["is invalid"],"private":["is invalid"],"id":["is invalid"]}]}}"#
        )
        for body in [#"{"messages":5}"#, #"{"messages":{}}"#, #"{"messages":[5]}"#] {
            #expect(refusal(batch(body)) == #"422 {"errors":{"messages":["is invalid"]}}"#)
        }
        for body in ["{}", "[]", "5", #"{"messages":null}"#, #"{"messages":[]}"#] {
            #expect(refusal(batch(body)) == #"422 {"errors":{"messages":["can't be blank"]}}"#)
        }
    }

    @Test func `private may be a string`() throws {
        for (text, value) in [
            ("true", true), ("\"true\"", true), ("\"1\"", true), ("false", false), ("\"FALSE\"", false), ("null", false),
        ] {
            #expect(
                try batch(#"{"messages":[{"topic":"t","event":"e","payload":{},"private":\#(text)}]}"#).get().map(\.isPrivate)
                    == [value])
        }
    }

    @Test func `a payload that is too large refuses the batch`() {
        var limits = RealtimeLimits()
        limits.messageBytes = 20
        #expect(
            refusal(
                batch(
                    #"{"messages":[{"topic":"t","event":"e","payload":{}},{"topic":"t","event":"e","payload":{"a":"0123456789abcd"}}]}"#,
                    limits: limits))
                == #"422 {"errors":{"messages":[{},{"payload":["Payload size exceeds tenant limit"]}]}}"#)
        #expect(
            refusal(batch(#"{"messages":[{"topic":"t","event":"e","payload":{"a":"0123456789abc"}}]}"#, limits: limits))?
                .hasPrefix("422") == true)
        #expect(
            refusal(batch(#"{"messages":[{"topic":"t","event":"e","payload":{"a":"0123456789ab"}}]}"#, limits: limits)) == nil)
    }

    @Test func `a batch of too many messages, or bytes, is refused`() {
        var limits = RealtimeLimits()
        limits.batchMessages = 1
        let two = #"{"messages":[{"topic":"t","event":"e","payload":{}},{"topic":"t","event":"e","payload":{}}]}"#
        #expect(
            refusal(batch(two, limits: limits))
                == #"429 {"message":"Too many messages to broadcast, please reduce the batch size"}"#)
        limits.batchBytes = 10
        #expect(refusal(batch(two, limits: limits))?.hasPrefix("413 ") == true)
        let long = String(repeating: "t", count: 513)
        #expect(
            refusal(batch(#"{"messages":[{"topic":"\#(long)","event":"\#(long)","payload":{}}]}"#))
                == #"422 {"errors":{"messages":[{"topic":["should be at most 512 byte(s)"],"event":["should be at most 512 byte(s)"]}]}}"#
        )
    }

    @Test func `a batch that is no JSON is refused`() {
        for body in ["", "{", "x", #"{"messages":[],"messages":[]}"#] {
            #expect(refusal(batch(body))?.hasPrefix(#"400 {"message":"#) == true)
        }
    }

    // MARK: One

    @Test func `a single broadcast carries the bare body`() throws {
        let message = try single(
            topic: "conversation%3A42", event: "new%20message", query: "private=true", body: Array(#" {"a":0.10} "#.utf8)
        ).get()
        #expect(message.topic == "conversation:42" && message.content.event == "new message" && message.isPrivate)
        #expect(message.content.json == #"{"a":0.10}"#)
    }

    @Test func `the content type decides what the body is`() throws {
        let body: [UInt8] = [1, 255]
        for type in ["application/octet-stream", "Application/Octet-Stream ; charset=x"] {
            #expect(try single(contentType: type, body: body).get().content.binary == body)
        }
        #expect(try single(contentType: "application/octet-stream", body: []).get().content.binary == [])
        for type in ["application/json", "APPLICATION/JSON; charset=utf-8", nil] {
            #expect(try single(contentType: type, body: Array("[1]".utf8)).get().content.json == "[1]")
            #expect(try single(contentType: type, body: []).get().content.json == "{}")
        }
        for type in ["text/plain", "", "application/json x", "application/jsonx", "application/x-www-form-urlencoded", ";"] {
            #expect(refusal(single(contentType: type, body: Array("{}".utf8)))?.hasPrefix(#"415 {"error":"#) == true, "\(type)")
        }
    }

    @Test func `paths are decoded strictly`() throws {
        #expect(try single(topic: "%E6%97%A5", event: "a+b%2Fc", body: []).get().topic == "日")
        #expect(try single(topic: "t", event: "a+b%2Fc", body: []).get().content.event == "a+b/c")
        for topic in ["%", "%2", "%zz", "%FF", "a%C3"] {
            #expect(refusal(single(topic: topic, body: []))?.hasPrefix("400 ") == true, "\(topic)")
        }
    }

    @Test func `what is blank or too large is said by field`() {
        #expect(
            refusal(single(topic: "%20", event: "", body: []))
                == #"422 {"errors":{"topic":["can't be blank"],"event":["can't be blank"]}}"#)
        #expect(refusal(single(body: Array("null".utf8))) == #"422 {"errors":{"payload":["can't be blank"]}}"#)
        var limits = RealtimeLimits()
        limits.messageBytes = 2
        for type in ["application/json", "application/octet-stream"] {
            #expect(
                refusal(single(contentType: type, body: Array("[1]".utf8), limits: limits))
                    == #"422 {"errors":{"payload":["Payload size exceeds tenant limit"]}}"#)
        }
        #expect(refusal(single(body: Array("{".utf8)))?.hasPrefix("400 ") == true)
    }

    @Test func `private is true, false or a mistake`() throws {
        for query in [nil, "", "a=b", "private=false", "xprivate=true"] {
            #expect(try !single(query: query, body: []).get().isPrivate)
        }
        for query in ["private=true", "a=b&private=TRUE", "%70rivate=tru%65&&"] {
            #expect(try single(query: query, body: []).get().isPrivate)
        }
        for query in ["private=1", "private", "private=", "private=%", "private=true&private=false"] {
            #expect(refusal(single(query: query, body: [])) == #"422 {"errors":{"private":["is invalid"]}}"#, "\(query)")
        }
    }

    @Test func `answers are those of the contract`() {
        func text(_ answer: RESTBroadcast.Answer) -> String { "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))" }
        #expect(text(.accepted) == "202 ")
        #expect(text(.unauthorized) == #"401 {"message":"Unauthorized"}"#)
        #expect(text(.denied) == #"403 {"message":"Unauthorized"}"#)
        #expect(text(.suspended) == #"403 {"message":"Tenant is suspended"}"#)
        #expect(text(.rateLimited) == #"429 {"message":"You have exceeded your rate limit"}"#)
        #expect(text(.tooManyRequests) == #"429 {"message":"Too many requests"}"#)
    }
}
