/// The answer's rate-limit fields: `RateLimit-Policy` and `RateLimit` (IETF draft, structured fields), and `Retry-After`.
package enum RateLimitHeaders {
    /// The value of `RateLimit-Policy`, such as `"default";q=100;w=60`. Make it once for each limit. Windows round up to seconds.
    package static func policy(name: String, _ limit: RateLimit) -> [UInt8] {
        var bytes = quoted(name)
        bytes += [UInt8](";q=".utf8)
        append(UInt64(limit.requests), to: &bytes)
        bytes += [UInt8](";w=".utf8)
        append(seconds(limit.windowNanoseconds), to: &bytes)
        return bytes
    }

    /// Appends the value of `RateLimit`, such as `"default";r=50;t=30`. `reset` is nanoseconds and rounds up to seconds.
    package static func append(name: String = "default", remaining: Int, reset: UInt64, to bytes: inout [UInt8]) {
        if name == "default" { bytes += "\"default\"".utf8 } else { bytes += quoted(name) }
        bytes += ";r=".utf8
        append(UInt64(max(0, remaining)), to: &bytes)
        bytes += ";t=".utf8
        append(seconds(reset), to: &bytes)
    }

    /// The value of `Retry-After`: whole seconds, rounded up, at least 1.
    package static func retryAfterSeconds(_ nanoseconds: UInt64) -> UInt64 { max(1, seconds(nanoseconds)) }

    private static func seconds(_ nanoseconds: UInt64) -> UInt64 {
        let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return rest == 0 ? whole : whole + 1
    }

    /// A structured-field string; what such a string cannot hold is left out.
    private static func quoted(_ text: String) -> [UInt8] {
        var bytes = [UInt8(ascii: "\"")]
        for byte in text.utf8 where byte >= 0x20 && byte < 0x7F {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
        return bytes
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var start = digits.count
            var rest = number
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: digits[start...]))
        }
    }
}
