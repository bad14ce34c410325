import Logging

/// One line, written field by field: JSON for programs, `key=value` for people. Nothing from outside can end the line, start another, or
/// move a terminal's cursor; values are cut, and so is the line, while staying what it is.
struct LogLine {
    /// Characters of one value.
    static let valueLimit = 2048
    /// Bytes of one line, its end included.
    static let lineLimit = 10_000
    private static let reserve = 64

    let format: LogSink.Format
    let colour: Bool
    private var start = 0
    private var isCut = false

    init(format: LogSink.Format, colour: Bool) {
        self.format = format
        self.colour = colour
    }

    private func room(_ bytes: borrowing LineBuffer) -> Int { LogLine.lineLimit - LogLine.reserve - (bytes.count - start) }

    mutating func begin(
        _ bytes: inout LineBuffer, _ stamp: inout Timestamp, _ nanoseconds: Int64, _ level: Logger.Level, _ message: String
    ) {
        start = bytes.count
        switch format {
        case .json:
            bytes.append("{\"ts\":\"" as StaticString)
            stamp.append(nanoseconds, to: &bytes)
            bytes.append("\",\"level\":\"" as StaticString)
            bytes.append(level.rawValue)
            bytes.append("\",\"msg\":\"" as StaticString)
            append(message, to: &bytes)
            bytes.append(UInt8(ascii: "\""))
        case .text:
            stamp.append(nanoseconds, to: &bytes)
            bytes.append(UInt8(ascii: " "))
            if colour { bytes.append(LogLine.colour(of: level)) }
            let name = level.rawValue.uppercased()
            bytes.append(name)
            for _ in 0..<max(0, 8 - name.utf8.count) { bytes.append(UInt8(ascii: " ")) }
            if colour { bytes.append("\u{1B}[0m" as StaticString) }
            bytes.append(UInt8(ascii: " "))
            append(message, to: &bytes)
        }
    }

    /// The line of a request, whose level and message are always the same.
    mutating func beginRequest(_ bytes: inout LineBuffer, _ stamp: inout Timestamp, _ nanoseconds: Int64) {
        guard format == .json else { return begin(&bytes, &stamp, nanoseconds, .info, "request") }
        start = bytes.count
        bytes.append("{\"ts\":\"" as StaticString)
        stamp.append(nanoseconds, to: &bytes)
        bytes.append("\",\"level\":\"info\",\"msg\":\"request\"" as StaticString)
    }

    private static func colour(of level: Logger.Level) -> StaticString {
        switch level {
        case .trace, .debug: "\u{1B}[2m"
        case .info, .notice: "\u{1B}[32m"
        case .warning: "\u{1B}[33m"
        case .error, .critical: "\u{1B}[31m"
        }
    }

    /// A field name of ours, or of a function's author; the value may be anything.
    mutating func add(_ name: String, _ value: String, to bytes: inout LineBuffer) {
        var value = value
        var name = name
        // A name of our own would say something twice, and readers differ in which they believe.
        if LogLine.reserved.contains(name) { name = "_" + name }
        let isSecret = !value.isEmpty && name.withUTF8 { Credential.isName(UnsafeRawBufferPointer($0)) }
        guard open(name, to: &bytes) else { return }
        if isSecret {
            if format == .json {
                bytes.append("\"[redacted]\"" as StaticString)
            } else {
                bytes.append("[redacted]" as StaticString)
            }
        } else {
            value.withUTF8 { quoted(UnsafeRawBufferPointer($0), to: &bytes) }
        }
    }

    private static let reserved: Set<String> = ["ts", "level", "msg", "cut"]

    /// JSON strings have quotes; in text a value has them when it could pass for more than one.
    private func quoted(_ value: UnsafeRawBufferPointer, to bytes: inout LineBuffer) {
        let hasQuotes =
            format == .json || value.isEmpty
            || value.contains { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "\"") }
        if hasQuotes { bytes.append(UInt8(ascii: "\"")) }
        LogText.append(value, to: &bytes, room: min(LogLine.valueLimit, room(bytes)))
        if hasQuotes { bytes.append(UInt8(ascii: "\"")) }
    }

    mutating func add(_ name: String, _ value: Logger.MetadataValue, to bytes: inout LineBuffer) {
        // Whole numbers stay numbers for whoever reads the JSON; long ones could be those of a card and are text.
        let text: String
        switch value {
        case .string(let string): text = string
        case .stringConvertible(let convertible): text = convertible.description
        case .dictionary, .array: text = "\(value)"
        }
        if format == .json, !text.isEmpty, text.utf8.count < 13, text.utf8.first != UInt8(ascii: "0") || text.utf8.count == 1,
            text.utf8.allSatisfy({ $0 &- 0x30 < 10 })
        {
            guard open(LogLine.reserved.contains(name) ? "_" + name : name, to: &bytes) else { return }
            bytes.append(text)
        } else {
            add(name, text, to: &bytes)
        }
    }

    /// Bytes from outside, checked here.
    mutating func add(_ name: StaticString, _ value: UnsafeRawBufferPointer, to bytes: inout LineBuffer) {
        guard addPlain(name, isText: false, atMost: 0, to: &bytes, { _ in 0 }) else { return }
        quoted(value, to: &bytes)
    }

    /// A value known to hold letters, digits and plain punctuation only.
    @inline(__always)
    mutating func addPlain(_ name: StaticString, _ value: UnsafeRawBufferPointer, to bytes: inout LineBuffer) {
        let count = min(value.count, LogLine.valueLimit, max(0, room(bytes) - name.utf8CodeUnitCount - 64))
        addPlain(name, isText: true, atMost: count, to: &bytes) { target in
            if let source = value.baseAddress { UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count) }
            return count
        }
    }

    @inline(__always)
    mutating func addPlain(_ name: StaticString, _ value: StaticString, to bytes: inout LineBuffer) {
        addPlain(name, UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount), to: &bytes)
    }

    @inline(__always)
    mutating func addPlain(_ name: StaticString, _ value: String, to bytes: inout LineBuffer) {
        var value = value
        value.withUTF8 { addPlain(name, UnsafeRawBufferPointer($0), to: &bytes) }
    }

    /// In hexadecimal, as text.
    @inline(__always)
    mutating func addPlain(_ name: StaticString, hexadecimal value: UInt64, to bytes: inout LineBuffer) {
        addPlain(name, isText: true, atMost: LogText.numberLimit, to: &bytes) { LogText.write(UInt(value), radix: 16, to: $0) }
    }

    @inline(__always)
    mutating func add(_ name: StaticString, _ value: Int, to bytes: inout LineBuffer) {
        addPlain(name, isText: false, atMost: LogText.numberLimit, to: &bytes) { LogText.write(value, to: $0) }
    }

    /// Milliseconds with three decimals.
    @inline(__always)
    mutating func addMilliseconds(_ name: StaticString, nanoseconds: UInt64, to bytes: inout LineBuffer) {
        addPlain(name, isText: false, atMost: LogText.numberLimit + 4, to: &bytes) { target in
            let microseconds = UInt(nanoseconds / 1000)
            let count = LogText.write(microseconds / 1000, radix: 10, to: target)
            let rest = microseconds % 1000
            target[count] = UInt8(ascii: ".")
            target[count + 1] = UInt8(truncatingIfNeeded: rest / 100) + 0x30
            target[count + 2] = UInt8(truncatingIfNeeded: rest / 10 % 10) + 0x30
            target[count + 3] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
            return count + 4
        }
    }

    mutating func end(_ bytes: inout LineBuffer) {
        if format == .json {
            if isCut { bytes.append(",\"cut\":true" as StaticString) }
            bytes.append(UInt8(ascii: "}"))
        } else if isCut {
            bytes.append(" …" as StaticString)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func open(_ name: String, to bytes: inout LineBuffer) -> Bool {
        guard room(bytes) > 2 * name.utf8.count + 64 else {
            isCut = true
            return false
        }
        if format == .json {
            bytes.append(",\"" as StaticString)
            append(name, to: &bytes)
            bytes.append("\":" as StaticString)
        } else {
            bytes.append(UInt8(ascii: " "))
            append(name, to: &bytes)
            bytes.append(UInt8(ascii: "="))
        }
        return true
    }

    /// A field whose name and value need no escapes, in one piece. False where the line has no room for it any more.
    @inline(__always)
    @discardableResult
    private mutating func addPlain(
        _ name: StaticString, isText: Bool, atMost most: Int, to bytes: inout LineBuffer,
        _ value: (UnsafeMutablePointer<UInt8>) -> Int
    ) -> Bool {
        let length = name.utf8CodeUnitCount
        guard room(bytes) > length + 64 else {
            isCut = true
            return false
        }
        let isJSON = format == .json
        bytes.append(atMost: length + most + 6) { target in
            var end = target
            func put(_ byte: UInt8) {
                end.pointee = byte
                end += 1
            }
            put(isJSON ? UInt8(ascii: ",") : UInt8(ascii: " "))
            if isJSON { put(UInt8(ascii: "\"")) }
            end.update(from: name.utf8Start, count: length)
            end += length
            if isJSON { put(UInt8(ascii: "\"")) }
            put(isJSON ? UInt8(ascii: ":") : UInt8(ascii: "="))
            if isJSON, isText { put(UInt8(ascii: "\"")) }
            end += value(end)
            if isJSON, isText { put(UInt8(ascii: "\"")) }
            return end - target
        }
        return true
    }

    private func append(_ text: String, to bytes: inout LineBuffer) {
        var text = text
        let room = min(LogLine.valueLimit, room(bytes))
        text.withUTF8 { LogText.append(UnsafeRawBufferPointer($0), to: &bytes, room: room) }
    }
}
