/// Reads the frames of a client (RFC 6455, no extensions) out of a byte stream that arrives in pieces of any size.
///
/// The verdict depends on the bytes alone, never on where the stream was cut, and a fault is found with the first byte that makes it
/// certain. Memory follows the bytes that have come, not the lengths that were promised: a message that lies whole in one piece is
/// lent out of a temporary block, and between two messages a reader holds no buffer at all.
///
/// Not done here: answering pings and closes, limits on how many messages come, and time. A caller that sees `isMidFrame` or
/// `isMidMessage` for too long closes the connection with `WebSocketClose.stalled`.
package struct WebSocketReader: Sendable {
    private enum Phase: UInt8 {
        case head, payload
        /// A close frame or a fault: nothing more is read.
        case ended
    }

    package let limits: WebSocketLimits

    private var phase = Phase.head
    /// A head that came in pieces, and how many of its bytes there are.
    private var head: (UInt64, UInt64) = (0, 0)
    private var headCount: UInt8 = 0

    // The frame whose payload is being read.
    private var opcode = WebSocketOpcode.continuation
    private var isFinal = false
    private var mask: UInt32 = 0
    private var remaining = 0

    // The message whose fragments are being read.
    private var isInMessage = false
    private var isText = false
    private var textCheck = UTF8Check()
    private var fragments = 0
    /// What has come of it, unmasked; empty while it lies whole in the input.
    private var message: [UInt8] = []

    /// What has come of a control frame that was cut, unmasked.
    private var control: [UInt8] = []
    private var controlFramesLeft: Int

    /// What ended the reading; nil before, and after a close frame.
    package private(set) var fault: WebSocketFault?

    package init(limits: WebSocketLimits = WebSocketLimits()) {
        self.limits = limits
        controlFramesLeft = limits.controlFrames
    }

    /// Whether a close frame or a fault has ended the reading.
    package var hasEnded: Bool { phase == .ended }

    /// Whether part of a frame has come, and the rest is still to come.
    package var isMidFrame: Bool { headCount > 0 || phase == .payload }

    /// Whether part of a message has come, and the rest is still to come. Control frames are no messages.
    package var isMidMessage: Bool { isInMessage }

    /// Bytes held for an unfinished message or control frame.
    package var bytesHeld: Int { message.count + control.count }

    /// Allows the full number of pings and pongs again. For a timer, such as the one that sends the server's own pings: without it a
    /// client that only ever pings is taken for a flood in the end.
    package mutating func renew() { controlFramesLeft = limits.controlFrames }

    /// Reads all of `bytes`, or up to the end of the stream: a close frame, or a fault.
    ///
    /// - Parameter each: is called in order for everything that is whole. It must not touch this reader, and the bytes it gets end with
    ///   its call.
    /// - Returns: the fault that ends the connection, and the same one when asked again; after it the caller sends `fault.close`.
    package mutating func read(_ bytes: UnsafeRawBufferPointer, _ each: (WebSocketEvent) -> Void) -> WebSocketFault? {
        var at = 0
        while true {
            let found: WebSocketFault?
            switch phase {
            case .ended: return fault
            case .head:
                if at == bytes.count { return nil }
                found = readHead(bytes, from: &at)
            case .payload:
                if at == bytes.count, remaining > 0 { return nil }
                found = readPayload(bytes, from: &at, each)
            }
            if let found {
                end()
                fault = found
                return found
            }
        }
    }

    private mutating func end() {
        phase = .ended
        headCount = 0
        isInMessage = false
        message = []
        control = []
    }

    // MARK: Heads

    /// Two bytes, eight of length, four of mask.
    private static let longestHead = 14

    /// Reads a head as far as it has come.
    @inline(__always)
    private mutating func readHead(_ bytes: UnsafeRawBufferPointer, from at: inout Int) -> WebSocketFault? {
        if headCount == 0, bytes.count &- at >= Self.longestHead {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
            if let fault = judge(first: rest[0]) ?? judge(second: rest[1]) { return fault }
            at &+= Self.headLength(rest[1])
            return begin(rest)
        }
        return collectHead(bytes, from: &at)
    }

    private mutating func collectHead(_ bytes: UnsafeRawBufferPointer, from at: inout Int) -> WebSocketFault? {
        while at < bytes.count {
            let byte = bytes[at]
            at &+= 1
            let index = Int(headCount)
            headCount &+= 1
            withUnsafeMutableBytes(of: &head) { $0[index] = byte }
            switch index {
            case 0: if let fault = judge(first: byte) { return fault }
            case 1: if let fault = judge(second: byte) { return fault }
            default:
                let whole = head
                let isComplete = withUnsafeBytes(of: whole) { index &+ 1 == Self.headLength($0[1]) }
                guard isComplete else { continue }
                headCount = 0
                return withUnsafeBytes(of: whole) { begin($0) }
            }
        }
        return nil
    }

    @inline(__always)
    private static func headLength(_ second: UInt8) -> Int {
        switch second & 0x7F {
        case 126: 8
        case 127: 14
        default: 6
        }
    }

    /// Learns what kind of frame it is, and whether it may come now.
    @inline(__always)
    private mutating func judge(first byte: UInt8) -> WebSocketFault? {
        if byte & 0x70 != 0 { return .reservedBits }
        guard let opcode = WebSocketOpcode(rawValue: byte & 0x0F) else { return .opcode }
        self.opcode = opcode
        isFinal = byte & 0x80 != 0
        switch opcode {
        case .text, .binary:
            if isInMessage { return .messageInsideMessage }
        case .continuation:
            if !isInMessage { return .continuationAlone }
        case .close:
            if !isFinal { return .controlFragmented }
        case .ping, .pong:
            if !isFinal { return .controlFragmented }
            if controlFramesLeft == 0 { return .tooManyControlFrames }
            controlFramesLeft &-= 1
        }
        return nil
    }

    @inline(__always)
    private func judge(second byte: UInt8) -> WebSocketFault? {
        if byte & 0x80 == 0 { return .unmasked }
        if opcode.isControl, byte & 0x7F > 125 { return .controlTooLong }
        return nil
    }

    /// Takes the length and the mask of a head that is there as a whole.
    @inline(__always)
    private mutating func begin(_ bytes: UnsafeRawBufferPointer) -> WebSocketFault? {
        let short = Int(bytes[1] & 0x7F)
        var length = short
        var maskAt = 2
        if short == 126 {
            length = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            if length < 126 { return .lengthNotShortest }
            maskAt = 4
        } else if short == 127 {
            let long = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard let signed = Int(exactly: long) else { return .lengthInvalid }
            if signed <= 0xFFFF { return .lengthNotShortest }
            length = signed
            maskAt = 10
        }
        mask = bytes.loadUnaligned(fromByteOffset: maskAt, as: UInt32.self)
        remaining = length
        phase = .payload
        return opcode.isControl ? nil : beginFragment(length)
    }

    @inline(__always)
    private mutating func beginFragment(_ length: Int) -> WebSocketFault? {
        if opcode == .continuation {
            fragments &+= 1
            if fragments &- limits.fragments > message.count / limits.bytesPerFragment { return .tooManyFragments }
        } else {
            isInMessage = true
            isText = opcode == .text
            textCheck = UTF8Check()
            fragments = 1
        }
        // What is held is never over the limit, so the difference is not below zero.
        return length > limits.messageBytes &- message.count ? .messageTooBig : nil
    }

    // MARK: Payloads

    /// Reads a payload as far as it has come, and ends the frame with its last byte.
    @inline(__always)
    private mutating func readPayload(
        _ bytes: UnsafeRawBufferPointer, from at: inout Int, _ each: (WebSocketEvent) -> Void
    ) -> WebSocketFault? {
        let count = min(remaining, bytes.count &- at)
        let input = UnsafeRawBufferPointer(rebasing: bytes[at..<at &+ count])
        at &+= count
        remaining &-= count
        let isWhole = remaining == 0
        if isWhole { phase = .head }
        if opcode.isControl { return readControl(input, isWhole: isWhole, each) }
        if isWhole, isFinal, message.isEmpty { return lend(input, each) }
        if let fault = keep(input) { return fault }
        return isWhole && isFinal ? deliver(each) : nil
    }

    /// Hands out a message whose bytes all lie in the input.
    @inline(__always)
    private mutating func lend(_ input: UnsafeRawBufferPointer, _ each: (WebSocketEvent) -> Void) -> WebSocketFault? {
        withUnsafeTemporaryAllocation(byteCount: input.count, alignment: 16) { room -> WebSocketFault? in
            let plain = UnsafeRawBufferPointer(room)
            let isASCII = room.baseAddress.map { Masking.apply(mask, input, to: $0) } ?? true
            // Nothing came before it, so plain ASCII needs no further look.
            if isText, !isASCII {
                guard textCheck.accepts(plain), textCheck.isBetweenCharacters else { return .text }
            }
            endMessage()
            each(isText ? .text(plain) : .binary(plain))
            return nil
        }
    }

    /// Adds part of a message to what is held of it.
    private mutating func keep(_ input: UnsafeRawBufferPointer) -> WebSocketFault? {
        if input.isEmpty { return nil }
        let start = message.count
        let total = start &+ input.count &+ remaining
        // The size is known and at least half of it is here: no room beyond it.
        if isFinal, message.capacity < total, total / 2 <= start &+ input.count { message.reserveCapacity(total) }
        message.append(contentsOf: input)
        let mask = mask
        let isASCII = message.withUnsafeMutableBytes { Self.unmask($0, from: start, mask) }
        self.mask = Masking.rotated(mask, by: input.count)
        guard isText, !isASCII || !textCheck.isBetweenCharacters else { return nil }
        var check = textCheck
        let isGood = message.withUnsafeBytes { check.accepts(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        textCheck = check
        return isGood ? nil : .text
    }

    /// Unmasks where the bytes lie; whether they are ASCII.
    private static func unmask(_ bytes: UnsafeMutableRawBufferPointer, from start: Int, _ mask: UInt32) -> Bool {
        let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
        guard let target = rest.baseAddress else { return true }
        return Masking.apply(mask, UnsafeRawBufferPointer(rest), to: target)
    }

    /// Hands out a message that was held.
    private mutating func deliver(_ each: (WebSocketEvent) -> Void) -> WebSocketFault? {
        if isText, !textCheck.isBetweenCharacters { return .text }
        var whole: [UInt8] = []
        swap(&whole, &message)
        endMessage()
        whole.withUnsafeBytes { each(isText ? .text($0) : .binary($0)) }
        return nil
    }

    @inline(__always)
    private mutating func endMessage() {
        isInMessage = false
        controlFramesLeft = min(controlFramesLeft &+ limits.controlFramesPerMessage, limits.controlFrames)
    }

    // MARK: Control frames

    private mutating func readControl(
        _ input: UnsafeRawBufferPointer, isWhole: Bool, _ each: (WebSocketEvent) -> Void
    ) -> WebSocketFault? {
        let mask = mask
        if isWhole, control.isEmpty {
            return withUnsafeTemporaryAllocation(byteCount: input.count, alignment: 16) { room in
                if let target = room.baseAddress { _ = Masking.apply(mask, input, to: target) }
                return deliverControl(UnsafeRawBufferPointer(room), each)
            }
        }
        let start = control.count
        control.append(contentsOf: input)
        _ = control.withUnsafeMutableBytes { Self.unmask($0, from: start, mask) }
        self.mask = Masking.rotated(mask, by: input.count)
        guard isWhole else { return nil }
        var whole: [UInt8] = []
        swap(&whole, &control)
        return whole.withUnsafeBytes { deliverControl($0, each) }
    }

    private mutating func deliverControl(
        _ payload: UnsafeRawBufferPointer, _ each: (WebSocketEvent) -> Void
    ) -> WebSocketFault? {
        switch opcode {
        case .ping: each(.ping(payload))
        case .pong: each(.pong(payload))
        default:
            if payload.count == 1 { return .closeLength }
            guard payload.count >= 2 else {
                end()
                each(.close(code: nil, reason: ""))
                return nil
            }
            let code = UInt16(payload[0]) &<< 8 | UInt16(payload[1])
            guard WebSocketClose.isCode(code) else { return .closeCode }
            let reason = UnsafeRawBufferPointer(rebasing: payload[2...])
            var check = UTF8Check()
            guard check.accepts(reason), check.isBetweenCharacters else { return .closeReason }
            end()
            each(.close(code: code, reason: String(decoding: reason, as: UTF8.self)))
        }
        return nil
    }
}
