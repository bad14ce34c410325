import Foundation
import SwiftletHTTP

/// What a reader made of some bytes, in a form that can be compared.
enum Verdict: Equatable, CustomStringConvertible {
    case incomplete
    case head(String, consumed: Int)
    case refused(Int, HTTPRefusal.Kind, offset: Int)

    var description: String {
        switch self {
        case .incomplete: "incomplete"
        case .head(let text, let consumed): "head(\(text), \(consumed))"
        case .refused(let status, let kind, let offset): "refused(\(status), \(kind), \(offset))"
        }
    }

    var status: Int? {
        if case .refused(let status, _, _) = self { status } else { nil }
    }

    var kind: HTTPRefusal.Kind? {
        if case .refused(_, let kind, _) = self { kind } else { nil }
    }
}

/// Reads one head, in pieces of at most `step` bytes.
func read(_ bytes: [UInt8], step: Int = .max, limits: HTTPLimits = HTTPLimits()) -> Verdict {
    var reader = RequestReader(limits: limits)
    var at = 0
    while at < bytes.count {
        let end = at + min(step, bytes.count - at)
        var taken = 0
        while at + taken < end {
            let (consumed, outcome) = bytes[(at + taken)..<end].withUnsafeBytes { reader.read($0) }
            taken += consumed
            switch outcome {
            case .needMore: break
            case .head(let head): return .head(describe(head), consumed: at + taken)
            case .refused(let refusal): return .refused(refusal.status, refusal.kind, offset: refusal.offset)
            }
        }
        at = end
    }
    return .incomplete
}

func read(_ text: String, step: Int = .max, limits: HTTPLimits = HTTPLimits()) -> Verdict {
    read(Array(text.utf8), step: step, limits: limits)
}

/// The head of a request that must be readable.
func readHead(_ text: String) -> RequestHead? {
    var reader = RequestReader()
    if case .head(let head) = Array(text.utf8).withUnsafeBytes({ reader.read($0) }).outcome { return head }
    return nil
}

/// Everything a head says, as text.
func describe(_ head: RequestHead) -> String {
    var text = "\(head.methodText) \(String(decoding: head.targetBytes, as: UTF8.self)) 1.\(head.minorVersion)"
    text += " \(head.method) \(head.form) path=\(head.path) query=\(head.query ?? "-") host=\(head.host)"
    text += " \(head.framing) keep=\(head.keepAlive) expect=\(head.expectation) upgrade=\(head.upgrade)"
    text += " dropped=\(head.droppedFields)"
    head.fields.forEach { name, value in
        text += " [\(String(decoding: name, as: UTF8.self))=\(String(decoding: value, as: UTF8.self))]"
    }
    return text
}

/// The result of a chunked body, read in pieces of at most `step` bytes.
enum Chunks: Equatable {
    case incomplete(body: [UInt8])
    case complete(body: [UInt8], consumed: Int)
    case refused(HTTPRefusal.Kind, offset: Int)
}

func readChunks(_ bytes: [UInt8], step: Int = .max, limits: HTTPLimits = HTTPLimits()) -> Chunks {
    var decoder = ChunkedDecoder(limits: limits)
    var body: [UInt8] = []
    var at = 0
    while at < bytes.count {
        let end = at + min(step, bytes.count - at)
        while at < end {
            let piece = Array(bytes[at..<end])
            let (consumed, outcome) = piece.withUnsafeBytes { decoder.read($0) }
            at += consumed
            switch outcome {
            case .needMore: break
            case .data(let range): body += piece[range]
            case .end: return .complete(body: body, consumed: at)
            case .refused(let refusal): return .refused(refusal.kind, offset: refusal.offset)
            }
        }
    }
    return .incomplete(body: body)
}

func readChunks(_ text: String, step: Int = .max, limits: HTTPLimits = HTTPLimits()) -> Chunks {
    readChunks(Array(text.utf8), step: step, limits: limits)
}
