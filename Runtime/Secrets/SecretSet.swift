package import Swiftlet

/// Where a secret came from.
package enum SecretSource: Sendable, Hashable, CustomStringConvertible {
    case environment
    case directory(String)
    case file(String)

    package var description: String {
        switch self {
        case .environment: "environment"
        case .directory(let path): "directory \(path)"
        case .file(let path): "file \(path)"
        }
    }
}

/// All secrets as they were at one moment. Never changes.
package struct SecretSet: Sendable {
    struct Entry: Sendable {
        let secret: Secret
        let source: SecretSource
    }

    let entries: [String: Entry]

    /// A set for tests and embedding; empty values count as not set.
    package init(_ values: [String: String] = [:], source: SecretSource = .environment) {
        entries = values.filter { !$0.value.isEmpty }.mapValues { Entry(secret: Secret($0), source: source) }
    }

    init(entries: [String: Entry]) { self.entries = entries }

    /// The secret a function sees under `name`, or `nil` when it is not set.
    ///
    /// For function `gemini-proxy` `GEMINI_PROXY__NAME` beats `NAME`, whichever source each comes from: what was set for one function is
    /// meant. Functions whose names differ only in case, or in `-` and `_`, share such a prefix.
    package func value(_ name: SecretName, forFunction function: FunctionName? = nil) -> Secret? {
        if let function, let own = entries[SecretSet.ownName(name, function)] { return own.secret }
        return entries[name.text]?.secret
    }

    /// The name that sets a secret for one function alone: `GEMINI_PROXY__GEMINI_API_KEY`.
    package static func ownName(_ name: SecretName, _ function: FunctionName) -> String {
        var bytes: [UInt8] = []
        for byte in function.text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): bytes.append(byte & 0xDF)
            case UInt8(ascii: "-"): bytes.append(UInt8(ascii: "_"))
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self) + "__" + name.text
    }

    /// What is set and where, sorted by name. The environment counts whole, so most of it may be no secret at all.
    package var names: [(name: String, source: SecretSource)] {
        entries.map { ($0.key, $0.value.source) }.sorted { $0.0 < $1.0 }
    }

    /// The names whose value was added, taken away or changed, sorted.
    package func changes(since old: SecretSet) -> [String] {
        Set(entries.keys).union(old.entries.keys).filter { name in
            guard let new = entries[name]?.secret, let old = old.entries[name]?.secret else { return true }
            return !new.withBytes { left in old.withBytes { right in left.elementsEqual(right) } }
        }.sorted()
    }
}
