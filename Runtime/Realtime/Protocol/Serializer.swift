package import NIOCore

/// How messages of one socket are written. Chosen by the `vsn` of the handshake's query.
package enum Serializer: Sendable, Hashable {
    /// Objects `{topic,event,payload,ref}`; text only.
    case v1
    /// Arrays `[join_ref, ref, topic, event, payload]`, and binary broadcasts.
    case v2

    /// A missing `vsn` is version 1. `nil` for a version nobody speaks: the handshake fails.
    package init?(vsn: String?) {
        guard let vsn else {
            self = .v1
            return
        }
        // `1.0.<anything>` and `2.0.<anything>`, as `~> 1.0.0` and `~> 2.0.0` have it.
        let parts = vsn.utf8.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1].elementsEqual("0".utf8), !parts[2].isEmpty, parts[2].count <= 9,
            parts[2].allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
        else { return nil }
        if parts[0].elementsEqual("1".utf8) {
            self = .v1
        } else if parts[0].elementsEqual("2".utf8) {
            self = .v2
        } else {
            return nil
        }
    }
}

/// The payload of one WebSocket message, ready to be framed. Copies share their bytes, so one encoding serves every receiver of a topic.
package struct WireFrame: Sendable {
    package enum Kind: Sendable, Hashable { case text, binary }
    package var kind: Kind
    package var payload: ByteBuffer

    package init(kind: Kind, payload: ByteBuffer) {
        self.kind = kind
        self.payload = payload
    }
}
