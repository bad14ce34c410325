/// The request headers of TUS 1.0.0 (resumable uploads). A header that cannot be read is a `Fault`, which has the real status and
/// a message in plain text, as that protocol wants it.
///
/// Supported: creation with `Upload-Length`. Not supported and refused: `Upload-Defer-Length` and `Upload-Concat`.
package enum TusHeaders {
    package struct Fault: Error, Hashable, Sendable {
        package let status: Int
        /// With its line end; `text/plain`.
        package let message: String
    }

    package static let version = "1.0.0"
    /// The media type of every PATCH.
    package static let patchType = "application/offset+octet-stream"

    /// A fault with 412 is answered with `Tus-Version` beside it.
    package static func checkVersion(_ tusResumable: String?) throws(Fault) {
        guard tusResumable == version else {
            throw Fault(status: 412, message: "Tus-Resumable must be \(version)\n")
        }
    }

    /// The size of an upload to be created, in bytes.
    package static func length(
        uploadLength: String?, deferLength: String? = nil, concat: String? = nil, maxBytes: Int
    ) throws(Fault) -> Int {
        guard concat == nil else {
            throw Fault(status: 501, message: "Upload-Concat is not supported: upload the file in one piece\n")
        }
        guard deferLength == nil else {
            throw Fault(status: 501, message: "Upload-Defer-Length is not supported: send Upload-Length\n")
        }
        guard let uploadLength else { throw Fault(status: 400, message: "Upload-Length is missing\n") }
        guard let length = number(uploadLength) else {
            throw Fault(status: 400, message: "Upload-Length must be a number of bytes\n")
        }
        guard length <= maxBytes else { throw tooLarge }
        return length
    }

    package static let tooLarge = Fault(status: 413, message: "Maximum size exceeded\n")

    /// Where the bytes of a PATCH begin.
    package static func offset(_ uploadOffset: String?) throws(Fault) -> Int {
        guard let uploadOffset else { throw Fault(status: 400, message: "Upload-Offset is missing\n") }
        guard let offset = number(uploadOffset) else {
            throw Fault(status: 400, message: "Upload-Offset must be a number of bytes\n")
        }
        return offset
    }

    package static func checkPatchType(_ contentType: String?) throws(Fault) {
        guard HeaderParameters.isType(contentType, patchType) else {
            throw Fault(status: 415, message: "Content-Type must be \(patchType)\n")
        }
    }

    /// The pairs of `Upload-Metadata`.
    package struct Metadata: Hashable, Sendable {
        private var values: [String: String] = [:]

        package init() {}

        package subscript(key: String) -> String? { values[key] }
        package var keys: [String] { values.keys.sorted() }
        package var bucketName: String? { values["bucketName"] }
        package var objectName: String? { values["objectName"] }
        package var contentType: String? { values["contentType"] }
        package var cacheControl: String? { values["cacheControl"] }
        /// A JSON object as text, not looked at here.
        package var metadata: String? { values["metadata"] }

        /// - Returns: false when the key is there already.
        fileprivate mutating func add(_ key: String, _ value: String) -> Bool {
            guard values[key] == nil else { return false }
            values[key] = value
            return true
        }
    }

    /// Bytes of the header, pairs in it and bytes of a key.
    package static let maxMetadataBytes = 16 << 10
    package static let maxPairs = 16
    package static let maxKeyBytes = 64

    /// Keys are ASCII, each once; values are base64 of UTF-8 text, or missing and then empty. No header, no pairs.
    package static func metadata(_ uploadMetadata: String?) throws(Fault) -> Metadata {
        var out = Metadata()
        guard let uploadMetadata, !uploadMetadata.isEmpty else { return out }
        guard uploadMetadata.utf8.count <= maxMetadataBytes else {
            throw Fault(status: 400, message: "Upload-Metadata is longer than \(maxMetadataBytes) bytes\n")
        }
        let pairs = Array(uploadMetadata.utf8).split(
            separator: UInt8(ascii: ","), maxSplits: maxPairs, omittingEmptySubsequences: false)
        guard pairs.count <= maxPairs else {
            throw Fault(status: 400, message: "Upload-Metadata has more than \(maxPairs) pairs\n")
        }
        for pair in pairs {
            let parts = HeaderParameters.trimmed(pair).split(separator: 0x20, omittingEmptySubsequences: true)
            guard let key = parts.first, parts.count <= 2, key.count <= maxKeyBytes,
                key.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") })
            else { throw Fault(status: 400, message: "Upload-Metadata must be pairs of a key and a base64 value\n") }
            guard let bytes = Base64Text.decode(parts.count == 2 ? parts[1] : []),
                let value = String(validating: bytes, as: UTF8.self)
            else { throw Fault(status: 400, message: "A value of Upload-Metadata is not base64 of UTF-8 text\n") }
            guard out.add(String(decoding: key, as: UTF8.self), value) else {
                throw Fault(status: 400, message: "A key of Upload-Metadata is there twice\n")
            }
        }
        return out
    }

    /// Digits only; nil when there are none or the number is too large to hold.
    private static func number(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 19, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(text)
    }
}
