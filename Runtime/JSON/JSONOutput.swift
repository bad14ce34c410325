/// The bytes so far, and the containers that are open in them.
///
/// Every value gets a serial number, and with it the right to its place: an encoder or container whose place has been left throws instead
/// of writing where it does not belong.
final class JSONOutput {
    var buffer: JSONBuffer
    private var open: UnsafeMutablePointer<Open>
    private var capacity = 16
    private(set) var depth = 0
    private var serial: UInt32 = 0
    /// A value has been announced and nothing of it written yet.
    private var isExpecting = false
    /// Nested containers and super encoders write apart, because a type may fill several in turns; they are put in at the end.
    private var parts: [(offset: Int, output: JSONOutput)] = []
    /// Whose part this is, and where in it.
    private let around: (output: JSONOutput, offset: Int, depth: Int)?
    /// Containers open around this part.
    private let outerDepth: Int

    private struct Open {
        let serial: UInt32
        let isObject: Bool
        var isEmpty: Bool
    }

    /// The right to a place: how many containers are open around it, and its serial.
    struct Place {
        let depth: UInt32
        let serial: UInt32
        /// Refused everywhere.
        static let none = Place(depth: .max, serial: 0)
    }

    init(lent storage: UnsafeMutableRawBufferPointer) {
        buffer = JSONBuffer(lent: storage)
        open = .allocate(capacity: capacity)
        around = nil
        outerDepth = 0
    }

    private init(partOf output: JSONOutput, at place: Place) {
        buffer = JSONBuffer(lent: UnsafeMutableRawBufferPointer(start: nil, count: 0))
        open = .allocate(capacity: capacity)
        around = (output, output.buffer.count, Int(place.depth) &+ 1)
        outerDepth = output.outerDepth &+ Int(place.depth) &+ 1
    }

    deinit {
        open.deallocate()
        buffer.release()
    }

    // MARK: Parts

    /// An encoder for the value just announced in `place`, which may be filled at any time until the whole is done.
    func part(of place: Place) -> JSONValueEncoder {
        isExpecting = false
        let part = JSONOutput(partOf: self, at: place)
        parts.append((buffer.count, part))
        return JSONValueEncoder(output: part, place: part.begin())
    }

    /// Everything written, with the parts in their places.
    func whole<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        if parts.isEmpty { return body(buffer.written) }
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes.withUnsafeBufferPointer(body)
    }

    /// As deep as the types nest, which ``deepest`` bounds.
    private func append(to bytes: inout [UInt8]) {
        close(to: 0)
        var start = 0
        for (offset, part) in parts {
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: buffer.written[start..<offset]))
            part.append(to: &bytes)
            start = offset
        }
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: buffer.written[start...]))
    }

    /// Ends all writing: the lent storage must not be found by an encoder that outlives the call.
    func release() {
        for (_, part) in parts { part.release() }
        parts = []
        buffer.release()
    }

    // MARK: Places

    /// Announces the next value.
    @inline(__always)
    @discardableResult
    func begin() -> Place {
        serial &+= 1
        isExpecting = true
        return Place(depth: UInt32(truncatingIfNeeded: depth), serial: serial)
    }

    /// A value writes itself: only the one announced last, and once.
    @inline(__always)
    func single(_ place: Place) throws {
        guard isExpecting, place.serial == serial, Int(place.depth) == depth else { throw misuse() }
        isExpecting = false
    }

    @inline(__always)
    func write<Value: Encodable>(_ value: Value) throws {
        if Value.self == JSON.self { return writeJSON(value) }
        let depth = depth
        try value.encode(
            to: JSONValueEncoder(output: self, place: Place(depth: UInt32(truncatingIfNeeded: depth), serial: serial)))
        close(to: depth)
    }

    @inline(never)
    private func writeJSON<Value>(_ value: Value) {
        guard let json = value as? JSON else { return }
        isExpecting = false
        json.write(into: &buffer)
    }

    /// Opens a container for the value at `place`, or finds the one that value has opened before.
    func container(isObject: Bool, at place: Place) throws -> Place {
        let level = Int(place.depth)
        if level < depth, open[level].serial == place.serial, open[level].isObject == isObject { return place }
        guard isExpecting, level == depth, place.serial == serial else { throw misuse() }
        guard outerDepth &+ depth < JSONLimits.deepest else { throw tooDeep() }
        if depth == capacity { grow() }
        (open + depth).initialize(to: Open(serial: serial, isObject: isObject, isEmpty: true))
        depth &+= 1
        isExpecting = false
        buffer.append(isObject ? UInt8(ascii: "{") : UInt8(ascii: "["))
        return place
    }

    @inline(never)
    private func grow() {
        let larger = UnsafeMutablePointer<Open>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: open, count: depth)
        open.deallocate()
        open = larger
        capacity *= 2
    }

    /// Ends what stands open below `target`; a value that wrote nothing becomes an empty object.
    @inline(__always)
    func close(to target: Int) {
        if isExpecting {
            isExpecting = false
            buffer.append("{}")
        }
        while depth > target {
            depth &-= 1
            buffer.append(open[depth].isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"))
        }
    }

    /// Makes room for one more member or element, and announces it.
    @inline(__always)
    func next(in place: Place) throws {
        let level = Int(place.depth)
        guard level < depth, open[level].serial == place.serial else { throw misuse() }
        close(to: level &+ 1)
        if open[level].isEmpty {
            open[level].isEmpty = false
        } else {
            buffer.append(UInt8(ascii: ","))
        }
        begin()
    }

    @inline(__always)
    func name(_ name: String, in place: Place) throws {
        try next(in: place)
        JSONText.append(string: name, to: &buffer)
        buffer.append(UInt8(ascii: ":"))
    }

    // MARK: Leaves

    @inline(__always)
    func leaf(_ value: String) {
        isExpecting = false
        JSONText.append(string: value, to: &buffer)
    }

    @inline(__always)
    func leaf(_ value: some FixedWidthInteger) {
        isExpecting = false
        JSONText.append(integer: value, to: &buffer)
    }

    func leaf(_ value: Bool) {
        isExpecting = false
        buffer.append(value ? "true" : "false")
    }

    func leaf(_ value: Double) throws {
        guard value.isFinite else { throw notFinite(value) }
        isExpecting = false
        JSONText.append(value, to: &buffer)
    }

    func leaf(_ value: Float) throws {
        guard value.isFinite else { throw notFinite(value) }
        isExpecting = false
        JSONText.append(value, to: &buffer)
    }

    func leafNull() {
        isExpecting = false
        buffer.append("null")
    }

    // MARK: Errors

    @inline(never)
    private func misuse() -> EncodingError {
        .invalidValue(0, .init(codingPath: path(upTo: depth), debugDescription: "this place has been written, or left"))
    }

    @inline(never)
    private func tooDeep() -> EncodingError {
        .invalidValue(0, .init(codingPath: path(upTo: depth), debugDescription: "nested too deeply"))
    }

    @inline(never)
    private func notFinite(_ value: Any) -> EncodingError {
        .invalidValue(value, .init(codingPath: path(upTo: depth), debugDescription: "JSON has no infinities and no NaN"))
    }

    /// The names and indexes of the open places, read back from the bytes written: the common case keeps no record of them.
    @inline(never)
    func path(upTo limit: Int) -> [any CodingKey] {
        path(upTo: limit, before: buffer.count)
    }

    private func path(upTo limit: Int, before end: Int) -> [any CodingKey] {
        let outer = around.map { $0.output.path(upTo: $0.depth, before: $0.offset) } ?? []
        let bytes = UnsafeBufferPointer(rebasing: buffer.written.prefix(end))
        var keys: [any CodingKey] = []
        var isObject: [Bool] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                isObject.append(bytes[index] == UInt8(ascii: "{"))
                keys.append(JSONIndexKey(0))
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                _ = isObject.popLast()
                _ = keys.popLast()
            case UInt8(ascii: ","):
                if isObject.last == false, let last = keys.popLast() { keys.append(JSONIndexKey((last.intValue ?? 0) + 1)) }
            case UInt8(ascii: "\""):
                let start = index + 1
                index = start
                while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                    index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
                }
                if isObject.last == true, index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: ":") {
                    let text = UnsafeBufferPointer(rebasing: bytes[start..<index])
                    _ = keys.popLast()
                    keys.append(JSONNameKey(text.unescaped))
                }
            default: break
            }
            index += 1
        }
        return outer + keys.prefix(limit)
    }
}
