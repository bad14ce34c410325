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
        var isWhole = true
        buffer.writeFrame(.request, stream: stream) { buffer in
            _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: openingLimit(invocation)) { room in
                var room = LentRoom(room)
                room.put(invocation.deadline)
                write(invocation.head, to: &room)
                write(invocation.identity, to: &room)
                switch invocation.body {
                case .whole(let bytes) where bytes.count <= Frame.inlineBody: room.put(UInt8(0))
                case .whole(let bytes):
                    room.put(UInt8(1))
                    room.put(UInt64(bytes.count))
                case .stream: room.put(UInt8(2))
                }
                assert(!room.isShort, "the limit of what comes before a body is too low")
                isWhole = !room.isShort
                return room.written
            }
            if case .whole(let bytes) = invocation.body, bytes.count <= Frame.inlineBody {
                buffer.writeImmutableBuffer(bytes.buffer)
            }
        }
        guard isWhole, buffer.writerIndex - start <= Frame.headLength + Frame.maximumPayload else {
            buffer.moveWriterIndex(to: start)
            return false
        }
        return true
    }

    /// What comes before the body is not longer than this.
    private static func openingLimit(_ invocation: Invocation) -> Int {
        let head = invocation.head
        // Numbers, flags and lengths are less than a hundred bytes.
        var size = 256 + head.requestID.length + head.path.utf8.count
        size += (head.query?.utf8.count ?? 0) + (head.client.host?.utf8.count ?? 0)
        size += 6 * head.fields.count + head.fields.textLength
        guard case .user(let user) = invocation.identity else { return size }
        size += (user.subject?.utf8.count ?? 0) + user.role.utf8.count + user.claimsText.count
        switch user.credential {
        case .token: return size
        case .publishableKey(let name), .secretKey(let name): return size + name.utf8.count
        }
    }

    private static func write(_ head: FunctionRequestHead, to room: inout LentRoom) {
        if let parts = head.requestID.parts {
            room.put(UInt8(0))
            room.put(parts.high)
            room.put(parts.low)
        } else {
            room.put(UInt8(1))
            room.put(head.requestID.text)
        }
        room.put(Method.allCases.firstIndex(of: head.method).map { UInt8($0) } ?? 0)
        room.put(head.path)
        room.put(head.query)
        switch head.client.address {
        case .none: room.put(UInt8(0))
        case .some(let address):
            room.put(UInt8(address.family == .v4 ? 4 : 6))
            room.put(address.high)
            room.put(address.low)
        }
        room.put(UInt8(head.client.isSecure ? 1 : 0))
        room.put(head.client.host)
        write(head.fields, to: &room)
    }

    /// How many, the lengths of each, then all names and values one after the other.
    private static func write(_ fields: HeaderFields, to room: inout LentRoom) {
        let count = min(fields.count, Int(UInt16.max))
        room.put(UInt16(count))
        for index in 0..<count {
            room.put(UInt16(truncatingIfNeeded: fields.nameRange(index).count))
            room.put(UInt32(truncatingIfNeeded: fields.valueRange(index).count))
        }
        fields.storage.withUnsafeBytes { storage in
            for index in 0..<count {
                room.putRaw(UnsafeRawBufferPointer(rebasing: storage[fields.nameRange(index)]))
                room.putRaw(UnsafeRawBufferPointer(rebasing: storage[fields.valueRange(index)]))
            }
        }
    }

    private static func write(_ identity: Identity, to room: inout LentRoom) {
        guard case .user(let user) = identity else { return room.put(UInt8(0)) }
        room.put(UInt8(1))
        room.put(user.subject)
        room.put(user.role)
        switch user.credential {
        case .token: room.put(UInt8(0))
        case .publishableKey(let name):
            room.put(UInt8(1))
            room.put(name)
        case .secretKey(let name):
            room.put(UInt8(2))
            room.put(name)
        }
        room.put(user.claimsText)
    }

    /// Reads a payload.
    package init(_ payload: ByteBuffer, function: FunctionName, executionID: String) throws(FrameProblem) {
        var payload = payload
        let opening = payload.withUnsafeReadableBytes { bytes in
            var fields = LentFields(bytes)
            return Result { () throws(FrameProblem) in
                try Opening(&fields, function: function, executionID: executionID)
            }
        }
        let read = try opening.get()
        payload.moveReaderIndex(forwardBy: read.length)
        deadline = read.deadline
        head = read.head
        identity = read.identity
        switch read.body {
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

    /// What comes before the body.
    private struct Opening {
        let deadline: UInt64
        let head: FunctionRequestHead
        let identity: Identity
        let body: UInt8
        let length: Int

        init(_ fields: inout LentFields, function: FunctionName, executionID: String) throws(FrameProblem) {
            deadline = try fields.take64()
            head = try RequestFrame.readHead(&fields, function: function, executionID: executionID)
            identity = try RequestFrame.readIdentity(&fields)
            body = try fields.takeByte()
            length = fields.taken
        }
    }

    private static func readHead(
        _ payload: inout LentFields, function: FunctionName, executionID: String
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
        return FunctionRequestHead(
            requestID: requestID, executionID: executionID, method: Method.allCases[methodIndex], functionName: function,
            path: path, query: query, fields: try readFields(&payload),
            client: Client(address: address, isSecure: isSecure, host: host))
    }

    private static func readFields(_ payload: inout LentFields) throws(FrameProblem) -> HeaderFields {
        let count = Int(try payload.take16())
        var table = payload
        try payload.take(count * 6) { _ in }
        var total = 0
        var lengths = table
        // Each is below what 32 bits hold and there are few: the sum cannot overflow.
        for _ in 0..<count { total += Int(try lengths.take16()) + Int(try lengths.take32()) }
        return try payload.take(total) { text in
            // The table was read once: it is whole.
            HeaderFields(text: text, count: count) { (Int((try? table.take16()) ?? 0), Int((try? table.take32()) ?? 0)) }
        }
    }

    private static func readIdentity(_ payload: inout LentFields) throws(FrameProblem) -> Identity {
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
