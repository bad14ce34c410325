import SwiftletJSON

/// Broadcasts by HTTP: a batch of them, or a single one whose body is the bare payload.
package enum RESTBroadcast {
    package struct Message: Sendable {
        /// Without `realtime:`.
        package var topic: String
        package var content: BroadcastContent
        package var isPrivate: Bool

        package init(topic: String, content: BroadcastContent, isPrivate: Bool) {
            self.topic = topic
            self.content = content
            self.isPrivate = isPrivate
        }
    }

    /// An answer, complete. `body` is JSON, or empty.
    package struct Answer: Error, Sendable, Hashable {
        package let status: Int
        package let body: [UInt8]

        package init(status: Int, body: [UInt8]) {
            self.status = status
            self.body = body
        }

        /// `{"message":…}`
        package init(status: Int, message: String) {
            self.init(status: status, body: Answer.object("message", message))
        }

        package static let accepted = Answer(status: 202, body: [])
        package static let unauthorized = Answer(status: 401, message: "Unauthorized")
        /// For the single form; in a batch a message that may not be written is passed over.
        package static let denied = Answer(status: 403, message: "Unauthorized")
        package static let suspended = Answer(status: 403, message: "Tenant is suspended")
        package static let unsupportedMediaType = Answer(
            status: 415, body: Answer.object("error", "The content type must be application/json or application/octet-stream"))
        package static let rateLimited = Answer(status: 429, message: "You have exceeded your rate limit")
        package static let batchTooLarge = Answer(
            status: 429, message: "Too many messages to broadcast, please reduce the batch size")
        package static let tooManyRequests = Answer(status: 429, message: "Too many requests")

        private static func object(_ name: String, _ text: String) -> [UInt8] { JSON(members: [(name, .string(text))]).bytes }
    }

    /// What is wrong with one message, by field; and with how it is said.
    struct Errors {
        static let blank = "can't be blank"
        static let invalid = "is invalid"
        static let tooLarge = "Payload size exceeds tenant limit"

        private(set) var fields: [(String, JSON)] = []
        var isEmpty: Bool { fields.isEmpty }

        mutating func add(_ field: String, _ text: String) { fields.append((field, .array([.string(text)]))) }

        static func tooLong(_ bytes: Int) -> String { "should be at most \(bytes) byte(s)" }

        var json: JSON { JSON(members: fields) }

        /// 422 with `{"errors":…}`
        static func answer(_ errors: JSON) -> Answer { Answer(status: 422, body: JSON(members: [("errors", errors)]).bytes) }
    }

    static func malformed(_ error: JSONError) -> Answer {
        Answer(status: 400, message: "The body is not valid JSON: \(error.description)")
    }

    /// Only blanks, or nothing.
    static func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }
}
