package import NIOCore
package import Swiftlet

/// The payload of `boot`: what one worker is, and everything it may know. Secrets travel here and nowhere else.
package struct BootFrame: Sendable {
    package var function: FunctionName
    /// Names this instance in logs, from its boot to its end.
    package var executionID: String
    package var parent: Int32
    /// Names the policy declares, with their values; optional ones only where they are set.
    package var secrets: [(name: String, value: [UInt8])] = []
    /// Declared settings that the operator has set.
    package var settings: [(name: String, value: String)] = []
    /// Egress may reach private addresses.
    package var allowsPrivateEgress = false
    /// Above it the back-stop of the system ends the worker; 0 for none.
    package var memoryBytes: UInt64 = 0
    /// Whom to become; `nil` to stay who the host is.
    package var user: (uid: UInt32, gid: UInt32)?
    /// False only where somebody debugs a worker.
    package var isContained = true

    package init(function: FunctionName, executionID: String, parent: Int32) {
        self.function = function
        self.executionID = executionID
        self.parent = parent
    }

    package func write(to buffer: inout ByteBuffer) {
        buffer.put(Frame.version)
        buffer.put(function.text)
        buffer.put(executionID)
        buffer.put(UInt32(bitPattern: parent))
        buffer.put(UInt16(clamping: secrets.count))
        for secret in secrets {
            buffer.put(secret.name)
            buffer.put(secret.value)
        }
        buffer.put(UInt16(clamping: settings.count))
        for setting in settings {
            buffer.put(setting.name)
            buffer.put(setting.value)
        }
        buffer.put(UInt8(allowsPrivateEgress ? 1 : 0))
        buffer.put(memoryBytes)
        buffer.put(UInt8(user == nil ? 0 : 1))
        if let user {
            buffer.put(user.uid)
            buffer.put(user.gid)
        }
        buffer.put(UInt8(isContained ? 1 : 0))
    }

    package init(_ payload: ByteBuffer) throws(FrameProblem) {
        var payload = payload
        guard try payload.take32() == Frame.version else { throw .version }
        guard let name = FunctionName(try payload.takeText()) else { throw .malformed }
        function = name
        executionID = try payload.takeText()
        parent = Int32(bitPattern: try payload.take32())
        for _ in 0..<(try payload.take16()) { secrets.append((try payload.takeText(), try payload.takeBytes())) }
        for _ in 0..<(try payload.take16()) { settings.append((try payload.takeText(), try payload.takeText())) }
        allowsPrivateEgress = try payload.takeFlag()
        memoryBytes = try payload.take64()
        if try payload.takeFlag() { user = (try payload.take32(), try payload.take32()) }
        isContained = try payload.takeFlag()
        try payload.checkEnd()
    }
}

/// The payload of `ready`: that the function is made, and what holds the worker.
package struct ReadyFrame: Sendable, Equatable {
    /// Measures that hold, and those that do not with their reasons.
    package var active: [String]
    package var missing: [String]

    package init(active: [String], missing: [String]) {
        self.active = active
        self.missing = missing
    }

    package func write(to buffer: inout ByteBuffer) {
        buffer.put(Frame.version)
        for list in [active, missing] {
            buffer.put(UInt16(clamping: list.count))
            for text in list { buffer.put(text) }
        }
    }

    package init(_ payload: ByteBuffer) throws(FrameProblem) {
        var payload = payload
        guard try payload.take32() == Frame.version else { throw .version }
        func list(_ payload: inout ByteBuffer) throws(FrameProblem) -> [String] {
            let count = try payload.take16()
            guard count <= 64 else { throw .malformed }
            var texts: [String] = []
            for _ in 0..<count { texts.append(try payload.takeText()) }
            return texts
        }
        active = try list(&payload)
        missing = try list(&payload)
        try payload.checkEnd()
    }
}

/// The payload of `log`: one line of a function's logger.
package struct LogFrame: Sendable, Equatable {
    /// The place of the level among swift-log's, `trace` being 0.
    package var level: UInt8
    package var message: String
    package var metadata: [(name: String, value: String)]

    package init(level: UInt8, message: String, metadata: [(name: String, value: String)]) {
        self.level = level
        self.message = message
        self.metadata = metadata
    }

    package func write(to buffer: inout ByteBuffer) {
        buffer.put(level)
        buffer.put(message)
        buffer.put(UInt16(min(metadata.count, 64)))
        for (name, value) in metadata.prefix(64) {
            buffer.put(name)
            buffer.put(value)
        }
    }

    package init(_ payload: ByteBuffer) throws(FrameProblem) {
        var payload = payload
        level = try payload.takeByte()
        guard level <= 6 else { throw .malformed }
        message = try payload.takeText()
        let count = try payload.take16()
        guard count <= 64 else { throw .malformed }
        metadata = []
        for _ in 0..<count { metadata.append((try payload.takeText(), try payload.takeText())) }
        try payload.checkEnd()
    }

    package static func == (left: LogFrame, right: LogFrame) -> Bool {
        left.level == right.level && left.message == right.message
            && left.metadata.elementsEqual(right.metadata) { $0.name == $1.name && $0.value == $1.value }
    }
}
