import SwiftletJSON

/// The response of a join.
package enum JoinResponse {
    /// `{"postgres_changes":[…],"recovery":…}`: each entry as the client wrote it, with its `id`. The first member is always there, because
    /// some clients wait for it.
    package static func ok(postgresChanges: [RawJSON] = [], recovery: RawJSON? = nil) -> RawJSON {
        var bytes = Array(#"{"postgres_changes":["#.utf8)
        for (place, binding) in postgresChanges.enumerated() {
            if place > 0 { bytes.append(UInt8(ascii: ",")) }
            echo(binding, to: &bytes)
        }
        bytes.append(UInt8(ascii: "]"))
        if let recovery {
            bytes.append(contentsOf: #","recovery":"#.utf8)
            bytes.append(contentsOf: recovery.bytes)
        }
        bytes.append(UInt8(ascii: "}"))
        return RawJSON(unchecked: bytes)
    }

    /// `{"reason":…}`
    package static func failure(reason: String) -> RawJSON {
        var bytes = Array(#"{"reason":"#.utf8)
        JSONText.append(string: reason, to: &bytes)
        bytes.append(UInt8(ascii: "}"))
        return RawJSON(unchecked: bytes)
    }

    /// The id of a binding: not zero, below 2^48, and the same in every process for the same parameters in whatever order. A null
    /// parameter is as good as none, and an `id` the client wrote does not count.
    package static func id(of binding: RawJSON) -> Int {
        binding.bytes.withUnsafeBytes { bytes in
            guard let slices = try? JSONSlices(bytes, limits: .checkedBefore) else { return 1 }
            return id(slices)
        }
    }

    private static func id(_ slices: borrowing JSONSlices) -> Int {
        var parameters: [(name: String, value: JSONSlices.Value)] = []
        var members = slices.children(of: slices.root)
        while let member = slices.nextMember(&members) {
            if member.value.kind == .null || slices.isName(of: member, "id") { continue }
            parameters.append((slices.name(of: member), member.value))
        }
        parameters.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        var hash = FNV()
        for (name, value) in parameters {
            hash.add(name.utf8)
            if let text = slices.text(of: value) {
                hash.add(byte: UInt8(ascii: "\""))
                hash.add(text.utf8)
            } else {
                hash.add(byte: UInt8(ascii: "="))
                hash.add(slices.bytes(of: value))
            }
        }
        // Every client holds 48 bits exactly, JavaScript too; zero would count as no id.
        let folded = (hash.value ^ hash.value &>> 48) & 0xFFFF_FFFF_FFFF
        return folded == 0 ? 1 : Int(folded)
    }

    /// The binding with its id, whatever id the client gave.
    private static func echo(_ binding: RawJSON, to bytes: inout [UInt8]) {
        binding.bytes.withUnsafeBytes { source in
            bytes.append(UInt8(ascii: "{"))
            var id = 1
            if let slices = try? JSONSlices(source, limits: .checkedBefore) {
                id = JoinResponse.id(slices)
                var members = slices.children(of: slices.root)
                while slices.root.kind == .object, let member = slices.nextMember(&members) {
                    if slices.isName(of: member, "id") { continue }
                    bytes.append(contentsOf: slices.written(member))
                    bytes.append(UInt8(ascii: ","))
                }
            }
            bytes.append(contentsOf: #""id":"#.utf8)
            JSONText.append(id, to: &bytes)
            bytes.append(UInt8(ascii: "}"))
        }
    }
}

/// A hash that is the same everywhere and always. Not for secrets, and not against collisions somebody wants: a client that makes two of its
/// own bindings collide confuses itself.
private struct FNV {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// With its length, so that parts cannot be cut otherwise.
    mutating func add(_ bytes: some Collection<UInt8>) {
        for shift in [0, 8, 16, 24] { add(byte: UInt8(truncatingIfNeeded: bytes.count &>> shift)) }
        for byte in bytes { add(byte: byte) }
    }
}
