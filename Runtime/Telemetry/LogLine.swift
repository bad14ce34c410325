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

    private func room(_ bytes: [UInt8]) -> Int { LogLine.lineLimit - LogLine.reserve - (bytes.count - start) }

    mutating func begin(
        _ bytes: inout [UInt8], _ stamp: inout Timestamp, _ nanoseconds: Int64, _ level: Logger.Level, _ message: String
    ) {
        start = bytes.count
        switch format {
        case .json:
            bytes.append(contentsOf: "{\"ts\":\"".utf8)
            stamp.append(nanoseconds, to: &bytes)
            bytes.append(contentsOf: "\",\"level\":\"".utf8)
            bytes.append(contentsOf: level.rawValue.utf8)
            bytes.append(contentsOf: "\",\"msg\":\"".utf8)
            append(message, to: &bytes)
            bytes.append(UInt8(ascii: "\""))
        case .text:
            stamp.append(nanoseconds, to: &bytes)
            bytes.append(UInt8(ascii: " "))
            if colour { bytes.append(contentsOf: LogLine.colour(of: level).utf8) }
            let name = level.rawValue.uppercased()
            bytes.append(contentsOf: name.utf8)
            bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: max(0, 8 - name.utf8.count)))
            if colour { bytes.append(contentsOf: "\u{1B}[0m".utf8) }
            bytes.append(UInt8(ascii: " "))
            append(message, to: &bytes)
        }
    }

    private static func colour(of level: Logger.Level) -> StaticStringBytes {
        switch level {
        case .trace, .debug: StaticStringBytes("\u{1B}[2m")
        case .info, .notice: StaticStringBytes("\u{1B}[32m")
        case .warning: StaticStringBytes("\u{1B}[33m")
        case .error, .critical: StaticStringBytes("\u{1B}[31m")
        }
    }

    /// A field name of ours, or of a function's author; the value may be anything.
    mutating func add(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        guard open(name, to: &bytes) else { return }
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
        append(value, to: &bytes)
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
    }

    mutating func add(_ name: String, _ value: Logger.MetadataValue, to bytes: inout [UInt8]) {
        // Whole numbers stay numbers for whoever reads the JSON.
        let text: String
        switch value {
        case .string(let string): text = string
        case .stringConvertible(let convertible): text = convertible.description
        case .dictionary, .array: text = "\(value)"
        }
        if format == .json, !text.isEmpty, text.utf8.count < 16, text.utf8.first != UInt8(ascii: "0") || text.utf8.count == 1,
            text.utf8.allSatisfy({ $0 &- 0x30 < 10 })
        {
            guard open(name, to: &bytes) else { return }
            bytes.append(contentsOf: text.utf8)
        } else {
            add(name, text, to: &bytes)
        }
    }

    /// Bytes from outside, checked here.
    mutating func add(_ name: StaticString, _ value: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        guard openPlain(name, to: &bytes) else { return }
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
        LogText.append(value, to: &bytes, room: min(LogLine.valueLimit, room(bytes)))
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
    }

    /// A value known to hold letters, digits and plain punctuation only.
    mutating func addPlain(_ name: StaticString, _ value: some Collection<UInt8>, to bytes: inout [UInt8]) {
        guard openPlain(name, to: &bytes) else { return }
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
        bytes.append(contentsOf: value)
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
    }

    mutating func add(_ name: StaticString, _ value: Int, to bytes: inout [UInt8]) {
        guard openPlain(name, to: &bytes) else { return }
        LogText.append(value, to: &bytes)
    }

    /// Milliseconds with three decimals.
    mutating func addMilliseconds(_ name: StaticString, nanoseconds: UInt64, to bytes: inout [UInt8]) {
        guard openPlain(name, to: &bytes) else { return }
        let microseconds = Int(clamping: nanoseconds / 1000)
        LogText.append(microseconds / 1000, to: &bytes)
        let rest = microseconds % 1000
        bytes.append(UInt8(ascii: "."))
        bytes.append(UInt8(truncatingIfNeeded: rest / 100) + 0x30)
        bytes.append(UInt8(truncatingIfNeeded: rest / 10 % 10) + 0x30)
        bytes.append(UInt8(truncatingIfNeeded: rest % 10) + 0x30)
    }

    mutating func end(_ bytes: inout [UInt8]) {
        if format == .json {
            if isCut { bytes.append(contentsOf: ",\"cut\":true".utf8) }
            bytes.append(UInt8(ascii: "}"))
        } else if isCut {
            bytes.append(contentsOf: " …".utf8)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func open(_ name: String, to bytes: inout [UInt8]) -> Bool {
        guard room(bytes) > 2 * name.utf8.count + 64 else {
            isCut = true
            return false
        }
        if format == .json {
            bytes.append(contentsOf: ",\"".utf8)
            append(name, to: &bytes)
            bytes.append(contentsOf: "\":".utf8)
        } else {
            bytes.append(UInt8(ascii: " "))
            append(name, to: &bytes)
            bytes.append(UInt8(ascii: "="))
        }
        return true
    }

    private mutating func openPlain(_ name: StaticString, to bytes: inout [UInt8]) -> Bool {
        guard room(bytes) > name.utf8CodeUnitCount + 64 else {
            isCut = true
            return false
        }
        bytes.append(format == .json ? UInt8(ascii: ",") : UInt8(ascii: " "))
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
        bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
        bytes.append(format == .json ? UInt8(ascii: ":") : UInt8(ascii: "="))
        return true
    }

    private func append(_ text: String, to bytes: inout [UInt8]) {
        var text = text
        let room = min(LogLine.valueLimit, room(bytes))
        text.withUTF8 { LogText.append(UnsafeRawBufferPointer($0), to: &bytes, room: room) }
    }
}

/// A literal whose bytes can be appended.
struct StaticStringBytes {
    let text: StaticString
    init(_ text: StaticString) { self.text = text }
    var utf8: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount) }
}
