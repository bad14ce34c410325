package import NIOCore

/// The unit of the hop between host and worker: twelve bytes of head, then the payload. Integers are little-endian.
///
/// | bytes | what |
/// | --- | --- |
/// | 0–3 | length of the payload, at most ``Frame/maximumPayload`` |
/// | 4 | kind, see ``FrameKind`` |
/// | 5 | flags, by kind |
/// | 6–7 | zero |
/// | 8–11 | the stream (an invocation or a call) it belongs to; 0 for the connection as a whole |
package struct Frame {
    package let kind: FrameKind
    package let flags: UInt8
    package let stream: UInt32
    package var payload: ByteBuffer

    /// The hop both sides must speak; a worker is made of the same binary, so another number means that something else answers.
    package static let version: UInt32 = 5
    package static let headLength = 12
    /// Room for a head of the largest allowed size, the claims, and an inline body.
    package static let maximumPayload = 256 * 1024
    /// Bodies up to this size travel within the frame of their head.
    package static let inlineBody = 64 * 1024
    /// What one side may send of a stream's body before the other grants more.
    package static let window = 64 * 1024
    /// A part counts as at least this much of a window, for what each costs to hold besides its bytes.
    package static let leastCharge = 256
    package static func charge(_ count: Int) -> Int { max(count, leastCharge) }
    /// Set on the last part of a body.
    package static let isLast: UInt8 = 1
}

package enum FrameKind: UInt8, Sendable, CaseIterable {
    // Host to worker.
    /// Everything the worker needs to start; the first frame.
    case boot = 1
    case request = 2
    /// Part of a request body.
    case body = 3
    /// The request body ends in an error.
    case bodyFailed = 4
    case cancel = 5
    /// More of a response body may be sent.
    case grant = 6
    /// The answer to a call.
    case result = 7
    /// Finish what runs, save, and end.
    case drain = 8

    // Worker to host.
    /// The function is made and takes requests.
    case ready = 32
    /// A whole response.
    case whole = 33
    case head = 34
    case part = 35
    /// The clean end of a streamed response.
    case end = 36
    case failed = 37
    /// More of a request body is wanted.
    case want = 38
    /// Work for after the answer began (flags 1) or finished (flags 0).
    case background = 39
    case log = 40
    /// A capability is used.
    case call = 41
    /// Something the host counts, such as a refused egress.
    case event = 42
    /// Nothing runs any more and everything is saved; the process ends.
    case drained = 43
    /// What the function counted since the last of these.
    case count = 44

    package var isFromWorker: Bool { rawValue >= 32 }
}

/// What the other side sent is no frame of this hop. The connection is of no use after it.
package enum FrameProblem: String, Error, Sendable {
    case tooLong = "a frame is longer than allowed"
    case unknownKind = "a frame is of no known kind"
    case reserved = "reserved bytes of a frame are set"
    case wrongDirection = "a frame goes the wrong way"
    case short = "a payload ends early"
    case malformed = "a payload is malformed"
    case unexpected = "a frame comes at the wrong time"
    case overWindow = "more of a body than was granted"
    case tooManyCalls = "more calls are open than may be"
    case version = "another version of the hop"
}

/// Cuts a byte stream into frames. Payloads share the memory they came in where that is possible.
package struct FrameReader {
    private var buffer = ByteBuffer()
    private let fromWorker: Bool

    package init(fromWorker: Bool) { self.fromWorker = fromWorker }

    package mutating func feed(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            var bytes = bytes
            buffer.discardReadBytes()
            buffer.writeBuffer(&bytes)
        }
    }

    /// The next whole frame, or `nil` until more bytes come.
    package mutating func next() throws(FrameProblem) -> Frame? {
        guard buffer.readableBytes >= Frame.headLength else {
            // What was read is free for the next bytes.
            if buffer.readableBytes == 0 { buffer = ByteBuffer() }
            return nil
        }
        let start = buffer.readerIndex
        guard let length = buffer.getInteger(at: start, endianness: .little, as: UInt32.self),
            let kindByte = buffer.getInteger(at: start + 4, as: UInt8.self),
            let flags = buffer.getInteger(at: start + 5, as: UInt8.self),
            let reserved = buffer.getInteger(at: start + 6, as: UInt16.self),
            let stream = buffer.getInteger(at: start + 8, endianness: .little, as: UInt32.self)
        else { return nil }
        // Judged before the payload is waited for: nobody makes this side hold what it will refuse.
        guard length <= UInt32(Frame.maximumPayload) else { throw .tooLong }
        guard let kind = FrameKind(rawValue: kindByte) else { throw .unknownKind }
        guard kind.isFromWorker == fromWorker else { throw .wrongDirection }
        guard reserved == 0 else { throw .reserved }
        guard buffer.readableBytes >= Frame.headLength + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: Frame.headLength)
        guard let payload = buffer.readSlice(length: Int(length)) else { return nil }
        return Frame(kind: kind, flags: flags, stream: stream, payload: payload)
    }

    /// How many bytes the frame at hand lacks, its head first.
    package var missing: Int {
        let pending = buffer.readableBytes
        guard pending >= Frame.headLength,
            let length = buffer.getInteger(at: buffer.readerIndex, endianness: .little, as: UInt32.self)
        else { return Frame.headLength - pending }
        return max(0, Frame.headLength + Int(length) - pending)
    }
}

extension ByteBuffer {
    /// Appends one frame whose payload `body` writes.
    package mutating func writeFrame(
        _ kind: FrameKind, stream: UInt32, flags: UInt8 = 0, _ body: (inout ByteBuffer) -> Void = { _ in }
    ) {
        let start = writerIndex
        writeInteger(UInt32(0), endianness: .little)
        writeInteger(kind.rawValue)
        writeInteger(flags)
        writeInteger(UInt16(0))
        writeInteger(stream, endianness: .little)
        body(&self)
        setInteger(UInt32(truncatingIfNeeded: writerIndex - start - Frame.headLength), at: start, endianness: .little)
    }

    /// Appends bytes as frames of a body, none longer than a frame may be.
    package mutating func writeBody(_ kind: FrameKind, stream: UInt32, _ bytes: ByteBuffer, isLast: Bool = false) {
        var rest = bytes
        repeat {
            let length = min(rest.readableBytes, Frame.window)
            var part = rest.readSlice(length: length) ?? ByteBuffer()
            let last = isLast && rest.readableBytes == 0
            writeFrame(kind, stream: stream, flags: last ? Frame.isLast : 0) { $0.writeBuffer(&part) }
        } while rest.readableBytes > 0
    }
}
