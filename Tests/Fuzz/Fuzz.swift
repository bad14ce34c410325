import Glibc

/// All fuzz targets in one program, so that one instrumented build serves them: `SWIFTLET_FUZZ_TARGET` says which runs.
private let targets: [String: @Sendable (UnsafePointer<UInt8>, Int) -> Int32] = [
    "content": fuzzContent, "fields": fuzzStorageHeaders, "multipart": fuzzMultipart, "email": fuzzEmail,
    "filename": fuzzFileName, "frames": fuzzFrames, "html": fuzzHTMLText, "http": fuzzHTTP, "json": fuzzJSON,
    "jwt": fuzzJWT, "malicious": fuzzMalicious, "phoenix": fuzzPhoenix, "sensitive": fuzzSensitive, "text": fuzzText,
    "url": fuzzURL, "websocket": fuzzWebSocket,
]

private let target: @Sendable (UnsafePointer<UInt8>, Int) -> Int32 = {
    let name = getenv("SWIFTLET_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = targets[name] else {
        fatalError("SWIFTLET_FUZZ_TARGET is one of: \(targets.keys.sorted().joined(separator: " "))")
    }
    return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 { target(start, count) }
