/// Why a request is not read any further. After a refusal the connection carries no further request.
package struct HTTPRefusal: Error, Sendable, Hashable {
    /// The stable name of the reason, for logs and counters; never sent to the client.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        // The request line.
        case method, connect, target, version
        case requestLineTooLong = "request_line_too_long"
        // Field lines.
        case fieldName = "field_name"
        case spaceBeforeColon = "space_before_colon"
        case obsoleteFold = "obs_fold"
        case bareLineFeed = "bare_lf"
        case bareCarriageReturn = "bare_cr"
        case nul
        case control
        case fieldTooLong = "field_too_long"
        case fieldsTooLong = "fields_too_long"
        case tooManyFields = "too_many_fields"
        // Meaning.
        case hostMissing = "host_missing"
        case hostDuplicate = "host_duplicate"
        case hostInvalid = "host_invalid"
        case hostMismatch = "host_mismatch"
        case contentLength = "content_length"
        case contentLengthDuplicate = "content_length_duplicate"
        case transferEncoding = "transfer_encoding"
        case transferEncodingDuplicate = "transfer_encoding_duplicate"
        case transferEncodingVersion = "transfer_encoding_version"
        case bothFramings = "both_framings"
        // The chunked body.
        case chunkSize = "chunk_size"
        case chunkExtension = "chunk_extension"
        case chunkEnd = "chunk_end"
        case trailer
        // The connection.
        case proxyHeader = "proxy_header"
        case headTimeout = "head_timeout"
    }

    /// 400, 408, 414, 431, 501 or 505.
    package let status: Int
    package let kind: Kind
    /// How many bytes of the head (or of the chunked body) were read when the reason became certain.
    package let offset: Int

    package init(status: Int, kind: Kind, offset: Int) {
        self.status = status
        self.kind = kind
        self.offset = offset
    }
}
