import Swiftlet
import SwiftletHTTP
import SwiftletJSON

/// How a body is read: a policy's rule without what only some need.
enum BodyForm: Hashable {
    case json(limit: Int, JSONLimits)
    case bytes(limit: Int)
    case stream(limit: Int)
    case none

    init(_ rule: BodyRule) {
        switch rule {
        case .json(let limit, let limits, _, _, _, _): self = .json(limit: limit.bytes, limits)
        case .bytes(let limit): self = .bytes(limit: limit.bytes)
        case .stream(let limit): self = .stream(limit: limit.bytes)
        case .none: self = .none
        }
    }

    var limit: Int {
        switch self {
        case .json(let limit, _), .bytes(let limit), .stream(let limit): limit
        case .none: 0
        }
    }
}

/// What a head says about the body behind it, judged before a byte of that body is read.
enum BodyCheck {
    /// Refuses a body that is too long by its own account (413), of a media type the function does not take, or encoded (415).
    static func admit(_ head: RequestHead, form: BodyForm) throws(HTTPError) {
        let length: Int?
        switch head.framing {
        case .none: length = 0
        case .length(let declared): length = declared
        case .chunked: length = nil
        }
        if let length, length > form.limit {
            throw HTTPError(
                413, .payloadTooLarge,
                form == .none
                    ? "This function takes no body" : "The body is larger than the \(form.limit) bytes this function takes")
        }
        guard case .json = form, length != 0 else { return }
        if let encoding = head.fields.string("content-encoding"), encoding.lowercased() != "identity" {
            throw HTTPError(415, .unsupportedMediaType, "This function takes bodies without a content-encoding only")
        }
        // What nearly every client sends is known by its bytes, without a copy.
        let isPlain = head.fields.withValue("content-type") { $0.equals("application/json") }
        if isPlain == false, let type = head.fields.string("content-type"), !isJSON(type) {
            throw HTTPError(415, .unsupportedMediaType, "This function takes application/json")
        }
    }

    /// `application/json`, `application/problem+json` and their like, with or without parameters.
    static func isJSON(_ contentType: String) -> Bool {
        var essence = contentType.utf8.prefix { $0 != UInt8(ascii: ";") }
        while let last = essence.last, last == 0x20 || last == 0x09 { essence = essence.dropLast() }
        let text = String(decoding: essence, as: UTF8.self).lowercased()
        return text == "application/json" || (text.hasPrefix("application/") && text.hasSuffix("+json") && text.utf8.count > 17)
    }
}
