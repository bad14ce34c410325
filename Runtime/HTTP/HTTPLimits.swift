/// How much of a request head is read before it is refused. All sizes are bytes on the wire, without the line end
/// unless said otherwise.
package struct HTTPLimits: Sendable, Hashable {
    /// Longest request line; a longer one is refused with 414.
    package var requestLine: Int
    /// Longest single field line (name, colon, value); a longer one is refused with 431.
    package var field: Int
    /// All field lines together, line ends included; more is refused with 431.
    package var fields: Int
    /// Most field lines; more are refused with 431.
    package var fieldCount: Int
    /// Longest method token; a longer one is refused with 501.
    package var method: Int
    /// All chunk extensions of one body together; more is refused with 400.
    package var chunkExtensions: Int
    /// All trailer lines of one body together, line ends included; more is refused with 431.
    package var trailers: Int

    package init(
        requestLine: Int = 8 * 1024,
        field: Int = 8 * 1024,
        fields: Int = 32 * 1024,
        fieldCount: Int = 100,
        method: Int = 32,
        chunkExtensions: Int = 4 * 1024,
        trailers: Int = 8 * 1024
    ) {
        // Offsets inside a head are stored in 32 bits; the clamp keeps every sum far away from that.
        func clamp(_ value: Int) -> Int { min(max(value, 1), 1 << 26) }
        self.requestLine = clamp(requestLine)
        self.field = clamp(field)
        self.fields = clamp(fields)
        self.fieldCount = clamp(fieldCount)
        self.method = clamp(method)
        self.chunkExtensions = clamp(chunkExtensions)
        self.trailers = clamp(trailers)
    }

    /// An upper bound for the bytes of one head, both line ends and one leading empty line included.
    package var head: Int { requestLine + fields + 8 }
}
