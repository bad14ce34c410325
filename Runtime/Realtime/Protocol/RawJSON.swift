package import SwiftletJSON

/// One JSON value as its own bytes: checked once, never changed. Numbers keep their digits, objects the order of their members, strings
/// their escapes.
///
/// Two are equal when their bytes are, so `1.0` and `1` differ.
package struct RawJSON: Sendable, Hashable {
    /// Valid JSON, without blanks around it.
    package let bytes: [UInt8]

    /// For bytes that are known to be one valid value, without blanks around it. Nothing is checked: what is given here goes out to clients.
    package init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    package init(unchecked bytes: UnsafeRawBufferPointer) { self.bytes = [UInt8](bytes) }

    /// `nil` when the bytes are not one value within `limits`. Blanks around the value are left out.
    package init?(checking bytes: [UInt8], limits: JSONLimits = RealtimeLimits.standard.json) {
        let checked: RawJSON? = bytes.withUnsafeBytes { bytes in
            do throws(JSONError) {
                let slices = try JSONSlices(bytes, limits: limits)
                return RawJSON(unchecked: slices.bytes(of: slices.root))
            } catch {
                return nil
            }
        }
        guard let checked else { return nil }
        self = checked
    }

    /// A JSON string of this text.
    package init(string: String) {
        var string = string
        let plain: [UInt8]? = string.withUTF8 { utf8 in
            for byte in utf8 where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return nil }
            return [UInt8](unsafeUninitializedCapacity: utf8.count &+ 2) { target, count in
                count = utf8.count &+ 2
                target[0] = UInt8(ascii: "\"")
                target[count &- 1] = UInt8(ascii: "\"")
                if !utf8.isEmpty { _ = UnsafeMutableBufferPointer(rebasing: target[1..<count &- 1]).update(fromContentsOf: utf8) }
            }
        }
        var bytes = plain ?? []
        if plain == nil { JSONText.append(string: string, to: &bytes) }
        self.bytes = bytes
    }

    package init(_ number: some BinaryInteger) {
        var bytes: [UInt8] = []
        JSONText.append(number, to: &bytes)
        self.bytes = bytes
    }

    package static let emptyObject = RawJSON(unchecked: Array("{}".utf8))
    package static let null = RawJSON(unchecked: Array("null".utf8))

    package var isObject: Bool { bytes.first == UInt8(ascii: "{") }
    package var isNull: Bool { bytes == RawJSON.null.bytes }

    /// The text of a JSON string, escapes resolved; `nil` for other values.
    package var string: String? {
        guard bytes.first == UInt8(ascii: "\"") else { return nil }
        return bytes.withUnsafeBytes { bytes in
            guard let slices = try? JSONSlices(bytes, limits: .checkedBefore) else { return nil }
            return slices.text(of: slices.root)
        }
    }

    /// The bytes of one member's value, escapes in its name resolved; `nil` when this is no object or has no such member.
    package func member(_ name: String) -> RawJSON? {
        guard isObject else { return nil }
        return bytes.withUnsafeBytes { bytes in
            guard let slices = try? JSONSlices(bytes, limits: .checkedBefore),
                let value = slices.member(name, of: slices.root)
            else { return nil }
            return RawJSON(unchecked: slices.bytes(of: value))
        }
    }
}

extension RawJSON: CustomStringConvertible {
    package var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension RawJSON {
    /// The text of a member that is a string.
    func stringMember(_ name: String) -> String? { text(of: name) { $0 == .string } }

    /// The text of a member that is a string, or the digits of one that is a whole number.
    func idMember(_ name: String) -> String? { text(of: name) { $0 == .string || $0 == .number } }

    private func text(of name: String, _ isTaken: (JSONSlices.Kind) -> Bool) -> String? {
        guard isObject else { return nil }
        return bytes.withUnsafeBytes { bytes in
            guard let slices = try? JSONSlices(bytes, limits: .checkedBefore),
                let value = slices.member(name, of: slices.root), isTaken(value.kind)
            else { return nil }
            if value.kind == .string { return slices.text(of: value) }
            return slices.integer(of: value, as: Int64.self).map { String($0) }
                ?? slices.integer(of: value, as: UInt64.self).map { String($0) }
        }
    }
}
