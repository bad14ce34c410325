import SwiftletJSON

/// One meta of one presence key, as clients see it.
package struct PresenceEntry: Sendable, Hashable {
    package let key: String
    /// Unique for this meta; always the server's, whatever the fields say.
    package let phxRef: String
    /// The `phxRef` of the meta this one took the place of.
    package let phxRefPrev: String?
    /// The user's fields as they were tracked, an object.
    package let fields: RawJSON
    /// The fields without their brackets, and without names that are the server's.
    let members: [UInt8]

    /// `fields` that are no object count as none.
    package init(key: String, phxRef: String, phxRefPrev: String? = nil, fields: RawJSON) {
        self.key = key
        self.phxRef = phxRef
        self.phxRefPrev = phxRefPrev
        self.fields = fields
        members = PresenceEntry.members(of: fields)
    }

    /// `{"phx_ref":…[,"phx_ref_prev":…][,fields]}`
    func write(to writer: inout FrameWriter) {
        writer.text(#"{"phx_ref":"#)
        writer.string(phxRef)
        if let phxRefPrev {
            writer.text(#","phx_ref_prev":"#)
            writer.string(phxRefPrev)
        }
        if !members.isEmpty {
            writer.text(",")
            writer.bytes(members)
        }
        writer.text("}")
    }

    private static func members(of fields: RawJSON) -> [UInt8] {
        guard fields.isObject else { return [] }
        let inside = fields.bytes.dropFirst().dropLast()
        guard inside.contains(where: { $0 > 0x20 }) else { return [] }
        return mayHoldReserved(inside) ? withoutReserved(fields) : [UInt8](inside)
    }

    /// An escape may hide any name.
    private static func mayHoldReserved(_ bytes: ArraySlice<UInt8>) -> Bool {
        let word = "phx_ref".utf8
        return bytes.indices.contains { index in
            bytes[index] == UInt8(ascii: "\\") || bytes[index] == UInt8(ascii: "p") && bytes[index...].starts(with: word)
        }
    }

    private static func withoutReserved(_ fields: RawJSON) -> [UInt8] {
        fields.bytes.withUnsafeBytes { bytes in
            guard let slices = try? JSONSlices(bytes, limits: .checkedBefore) else { return [] }
            var kept: [UInt8] = []
            var members = slices.children(of: slices.root)
            while let member = slices.nextMember(&members) {
                if slices.isName(of: member, "phx_ref") || slices.isName(of: member, "phx_ref_prev") { continue }
                if !kept.isEmpty { kept.append(UInt8(ascii: ",")) }
                kept.append(contentsOf: slices.written(member))
            }
            return kept
        }
    }
}
