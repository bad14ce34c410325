package import NIOCore
package import Swiftlet
import SwiftletHTTP
import SwiftletNet

/// The payload of `request`: a head, who asks, and the body or how it will come.
package struct RequestFrame {
    package enum Body: Sendable {
        /// The whole body, within the frame.
        case inline(ByteBuffer)
        /// The whole body, in `body` frames that follow at once.
        case following(length: Int)
        /// The body as it arrives, in `body` frames as far as they are wanted.
        case stream
    }

    package let head: FunctionRequestHead
    package let identity: Identity
    package let deadline: UInt64
    package let body: Body
}

extension RequestFrame {
    /// Appends the payload; `false` when it is larger than a frame may be, and then nothing is appended.
    package static func write(_ invocation: Invocation, to buffer: inout ByteBuffer, stream: UInt32) -> Bool {
        let start = buffer.writerIndex
        buffer.writeFrame(.request, stream: stream) { buffer in
            buffer.put(invocation.deadline)
            write(invocation.head, to: &buffer)
            write(invocation.identity, to: &buffer)
            switch invocation.body {
            case .whole(let bytes) where bytes.count <= Frame.inlineBody:
                buffer.put(UInt8(0))
                buffer.writeImmutableBuffer(bytes.buffer)
            case .whole(let bytes):
                buffer.put(UInt8(1))
                buffer.put(UInt64(bytes.count))
            case .stream:
                buffer.put(UInt8(2))
            }
        }
        guard buffer.writerIndex - start <= Frame.headLength + Frame.maximumPayload else {
            buffer.moveWriterIndex(to: start)
            return false
        }
        return true
    }

    private static func write(_ head: FunctionRequestHead, to buffer: inout ByteBuffer) {
        if let parts = head.requestID.parts {
            buffer.put(UInt8(0))
            buffer.put(parts.high)
            buffer.put(parts.low)
        } else {
            buffer.put(UInt8(1))
            buffer.put(head.requestID.text)
        }
        buffer.put(Method.allCases.firstIndex(of: head.method).map { UInt8($0) } ?? 0)
        buffer.put(head.path)
        buffer.put(head.query)
        switch head.client.address {
        case .none: buffer.put(UInt8(0))
        case .some(let address):
            buffer.put(UInt8(address.family == .v4 ? 4 : 6))
            buffer.put(address.high)
            buffer.put(address.low)
        }
        buffer.put(UInt8(head.client.isSecure ? 1 : 0))
        buffer.put(head.client.host)
        write(head.fields, to: &buffer)
    }

    /// How many, the lengths of each, then all names and values one after the other. In one piece: a request has a dozen of these.
    private static func write(_ fields: HeaderFields, to buffer: inout ByteBuffer) {
        let count = min(fields.count, Int(UInt16.max))
        let textStart = 2 + 6 * count
        var size = textStart
        for index in 0..<count { size += fields.nameRange(index).count + fields.valueRange(index).count }
        fields.storage.withUnsafeBytes { storage in
            _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { target in
                target.storeBytes(of: UInt16(count).littleEndian, toByteOffset: 0, as: UInt16.self)
                var text = textStart
                func copy(_ range: Range<Int>) {
                    UnsafeMutableRawBufferPointer(rebasing: target[text..<text + range.count])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[range]))
                    text += range.count
                }
                for index in 0..<count {
                    let (name, value) = (fields.nameRange(index), fields.valueRange(index))
                    let entry = 2 + 6 * index
                    target.storeBytes(
                        of: UInt16(truncatingIfNeeded: name.count).littleEndian, toByteOffset: entry, as: UInt16.self)
                    target.storeBytes(
                        of: UInt32(truncatingIfNeeded: value.count).littleEndian, toByteOffset: entry + 2, as: UInt32.self)
                    copy(name)
                    copy(value)
                }
                return size
            }
        }
    }

    private static func write(_ identity: Identity, to buffer: inout ByteBuffer) {
        guard case .user(let user) = identity else { return buffer.put(UInt8(0)) }
        buffer.put(UInt8(1))
        buffer.put(user.subject)
        buffer.put(user.role)
        switch user.credential {
        case .token: buffer.put(UInt8(0))
        case .publishableKey(let name):
            buffer.put(UInt8(1))
            buffer.put(name)
        case .secretKey(let name):
            buffer.put(UInt8(2))
            buffer.put(name)
        }
        buffer.put(user.claimsText)
    }

    /// Reads a payload.
    package init(_ payload: ByteBuffer, function: FunctionName, executionID: String) throws(FrameProblem) {
        var payload = payload
        deadline = try payload.take64()
        head = try RequestFrame.readHead(&payload, function: function, executionID: executionID)
        identity = try RequestFrame.readIdentity(&payload)
        switch try payload.takeByte() {
        case 0:
            guard payload.readableBytes <= Frame.inlineBody else { throw .malformed }
            // An empty one does not keep what it came in.
            body = .inline(payload.readableBytes == 0 ? ByteBuffer() : payload)
        case 1:
            let length = try payload.take64()
            guard length > 0, length <= UInt64(Int32.max) else { throw .malformed }
            try payload.checkEnd()
            body = .following(length: Int(length))
        case 2:
            try payload.checkEnd()
            body = .stream
        default: throw .malformed
        }
    }

    private static func readHead(
        _ payload: inout ByteBuffer, function: FunctionName, executionID: String
    ) throws(FrameProblem) -> FunctionRequestHead {
        let requestID: RequestID
        switch try payload.takeByte() {
        case 0: requestID = RequestID(high: try payload.take64(), low: try payload.take64())
        case 1: requestID = RequestID(text: try payload.takeText())
        default: throw .malformed
        }
        let methodIndex = Int(try payload.takeByte())
        guard Method.allCases.indices.contains(methodIndex) else { throw .malformed }
        let path = try payload.takeText()
        let query = try payload.takeOptionalText()
        let family = try payload.takeByte()
        var address: IPAddress?
        switch family {
        case 0: break
        case 4:
            guard try payload.take64() == 0, let v4 = UInt32(exactly: try payload.take64()) else { throw .malformed }
            address = IPAddress(v4: v4)
        case 6: address = IPAddress(v6High: try payload.take64(), low: try payload.take64())
        default: throw .malformed
        }
        let isSecure = try payload.takeFlag()
        let host = try payload.takeOptionalText()
        let count = Int(try payload.take16())
        guard payload.readableBytes >= count * 6 else { throw .short }
        var lengths: [(name: Int, value: Int)] = []
        lengths.reserveCapacity(count)
        var total = 0
        for _ in 0..<count {
            let name = Int(try payload.take16())
            let value = Int(try payload.take32())
            // Checked as it grows, so that it cannot overflow.
            total += name + value
            guard total <= payload.readableBytes else { throw .short }
            lengths.append((name, value))
        }
        guard let storage = payload.readBytes(length: total) else { throw .short }
        return FunctionRequestHead(
            requestID: requestID, executionID: executionID, method: Method.allCases[methodIndex], functionName: function,
            path: path,
            query: query, fields: HeaderFields(storage: storage, lengths: lengths),
            client: Client(address: address, isSecure: isSecure, host: host))
    }

    private static func readIdentity(_ payload: inout ByteBuffer) throws(FrameProblem) -> Identity {
        guard try payload.takeFlag() else { return .anonymous }
        let subject = try payload.takeOptionalText()
        let role = try payload.takeText()
        let credential: User.Credential
        switch try payload.takeByte() {
        case 0: credential = .token
        case 1: credential = .publishableKey(name: try payload.takeText())
        case 2: credential = .secretKey(name: try payload.takeText())
        default: throw .malformed
        }
        return .user(User(subject: subject, role: role, claimsText: try payload.takeBytes(), credential: credential))
    }
}
