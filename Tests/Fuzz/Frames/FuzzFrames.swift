import NIOCore
import Swiftlet
import SwiftletWorkers

// Build and run: Tests/Fuzz/run 60 frames
//
// The first byte of the input chooses what is tested, the second how it is cut into pieces.

func fuzzFrames(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
    guard size >= 2 else { return 0 }
    let input = ByteBuffer(bytes: UnsafeBufferPointer(start: data + 2, count: size - 2))
    switch data[0] % 11 {
    case 0, 1: checkReading(input, seed: data[1], fromWorker: true)
    case 2: checkReading(input, seed: data[1], fromWorker: false)
    case 3: checkHead(input)
    case 4: same(input, { try ResponseFrame.readFailure($0) }, { ResponseFrame.writeFailure($0, to: &$1) })
    case 5: same(input, { try Call($0) }, { $0.write(to: &$1) })
    case 6: same(input, { try CallResult($0) }, { $0.write(to: &$1) })
    case 7: same(input, { try LogFrame($0) }, { $0.write(to: &$1) })
    case 8: same(input, { try ReadyFrame($0) }, { $0.write(to: &$1) })
    case 9: checkRequest(input)
    default: same(input, { try CountFrame($0) }, { $0.write(to: &$1) })
    }
    return 0
}

/// What a stream of bytes is cut into, however it arrives.
private func checkReading(_ input: ByteBuffer, seed: UInt8, fromWorker: Bool) {
    let whole = read(input, pieces: nil, fromWorker)
    let pieces = read(input, pieces: seed, fromWorker)
    guard whole == pieces else { fatalError("split frames differ") }
}

private func read(_ input: ByteBuffer, pieces: UInt8?, _ fromWorker: Bool) -> [String] {
    var reader = FrameReader(fromWorker: fromWorker)
    var rest = input
    var state = UInt32(pieces ?? 0) &* 2_654_435_761 | 1
    var seen: [String] = []
    while rest.readableBytes > 0 {
        state = state &* 1_664_525 &+ 1_013_904_223
        let length = pieces == nil ? rest.readableBytes : min(rest.readableBytes, 1 + Int(state >> 24) % 23)
        if let piece = rest.readSlice(length: length) { reader.feed(piece) }
        do throws(FrameProblem) {
            while let frame = try reader.next() {
                guard frame.payload.readableBytes <= Frame.maximumPayload else { fatalError("a payload beyond its limit") }
                seen.append("\(frame.kind) \(frame.flags) \(frame.stream) \(Array(frame.payload.readableBytesView).hashValue)")
            }
            guard reader.missing > 0, reader.missing <= Frame.headLength + Frame.maximumPayload else {
                fatalError("waits for more than a frame")
            }
        } catch {
            seen.append("\(error)")
            return seen
        }
    }
    return seen
}

/// What is read, written and read again stays what it is.
private func same<Message>(
    _ input: ByteBuffer, _ read: (ByteBuffer) throws -> Message, _ write: (Message, inout ByteBuffer) -> Void
) {
    do {
        var first = ByteBuffer()
        write(try read(input), &first)
        var second = ByteBuffer()
        write(try read(first), &second)
        guard first == second else { fatalError("another message after a round trip") }
    } catch is FrameProblem {
        // Refused, which is as good.
    } catch { fatalError("another error than a problem with a frame") }
}

private func checkHead(_ input: ByteBuffer) {
    same(
        input,
        { payload in
            var payload = payload
            return try ResponseFrame.readHead(&payload)
        }, { ResponseFrame.writeHead($0, to: &$1) })
}

private func checkRequest(_ input: ByteBuffer) {
    guard let frame = try? RequestFrame(input, function: "f", executionID: "e") else { return }
    let body: FunctionBody =
        switch frame.body {
        case .inline(let bytes): .whole(Bytes(buffer: bytes))
        case .following, .stream: .whole(Bytes())
        }
    var written = ByteBuffer()
    let again = Invocation(head: frame.head, identity: frame.identity, body: body, deadline: frame.deadline)
    guard RequestFrame.write(again, to: &written, stream: 1) else { return }
    written.moveReaderIndex(forwardBy: Frame.headLength)
    guard let second = try? RequestFrame(written, function: "f", executionID: "e") else {
        fatalError("cannot read its own words")
    }
    guard second.head.path == frame.head.path, second.head.query == frame.head.query,
        second.head.fields.count == frame.head.fields.count,
        second.head.requestID.text == frame.head.requestID.text, second.deadline == frame.deadline
    else { fatalError("another request after a round trip") }
}
