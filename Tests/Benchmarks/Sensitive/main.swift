import Dispatch
import Foundation
import SwiftletSanitize

/// Of this thread alone: other work on the machine counts less.
func now() -> UInt64 { clock_gettime_nsec(CLOCK_THREAD_CPUTIME_ID) }
func clock_gettime_nsec(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Nanoseconds a call, the best of several rounds.
func time(_ rounds: Int, _ calls: Int, _ work: () -> Void) -> Double {
    var best = Double.infinity
    for _ in 0..<rounds {
        let start = now()
        for _ in 0..<calls { work() }
        best = min(best, Double(now() - start) / Double(calls))
    }
    return best
}

func number(_ value: Double, _ digits: Int = 1) -> String { String(format: "%.\(digits)f", value) }
func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }

func repeated(_ unit: String, bytes: Int) -> String { String(repeating: unit, count: bytes / unit.utf8.count + 1) }

let prose = """
    Hi Anna, thanks for the notes from Tuesday. I moved the meeting to 14:30 on 2026-11-08, room 4.12; please bring the list of open \
    questions (about 20, I think) and the key figures. The build needs Swift 6.3 or newer: run `swift build -c release` and set \
    PORT=8080, LOG_LEVEL=info. See https://docs.example.org/guide/setup?step=3 for more, or call me. Cheers, Tom 🙂

    """

// The first call makes the rule table.
let first = time(1, 1) { _ = detectSensitiveData(prose).found }
print("first call, with the rule table: \(number(first / 1000, 0)) us")

for size in [256, 1024, 4096] {
    let text = String(repeated(prose, bytes: size).prefix(size))
    let cost = time(15, 400) { _ = detectSensitiveData(text).found }
    print(padded("message of \(text.utf8.count) bytes", 44), number(cost / 1000), "us")
}

let worst: [(String, String)] = [
    ("prose", prose), ("digits", "4"), ("digit groups", "4111 "), ("single digits", "4 "), ("3-digit groups", "078-"),
    ("ssn", "078-05-"),
    ("sk-", "sk-"), ("sk-proj-", "sk-proj-"), ("api_key=", "api_key="), ("api_key= \"", "api_key= \""), ("key:=", "key:=,"),
    ("key=long value", "api_key=" + String(repeating: "a1b2C3d4", count: 40) + "\""),
    ("vendors=", "twitter_linkedin_discord_kucoin="),
    ("-----BEGIN", "-----BEGIN"), ("PEM heads", "-----BEGIN RSA PRIVATE KEY-----\n"), ("eyJ", "eyJ"), ("eyJ.", "eyJhbGciOiJ."),
    ("eyJ long.", "eyJ" + String(repeating: "hbGciOiJ", count: 500) + "."), ("ZXlK", "ZXlK"),
    ("ZXlK.", "ZXlK" + String(repeating: "aGJH", count: 12) + "."),
    ("://", "://"), ("://a:b@", "://aaaa:bbbb@"), ("curl -u ", "curl -u "), ("curl -u a:b", "curl -u aaa:bbb\""),
    ("xoxb-", "xoxb-"),
    ("authorization: ", "authorization: basic "), ("dots", "a.aaaaaa."), ("discord", "MaaaaaaaaaaaaaaaaaaaaaaA1.aaaaaa."),
    ("colons", "key:"),
    ("s.", "s."), ("SK", " SK"), ("ghp_", "ghp_"), ("_mmk", "_mmk"), ("commas", "key,"), ("GB29", "GB29 "), ("at", "a@a.a"),
    ("::", "::1"),
    ("phone", "+49 "), ("NUL", "\0"), ("emoji", "👩‍👩‍👧"), ("cards", "4111 1111 1111 1111, "),
    ("keys", "ghp_" + String(repeating: "a1B", count: 12) + " "),
    (" service_account", "\"type\": \"service_account\","), ("private-lines", "private-lines: 3\n"),
    ("_authtoken", "//a/:_authtoken="),
]
let only = ProcessInfo.processInfo.environment["SWIFTLET_BENCH_ONLY"]
print("\n" + padded("1 MB of", 20), padded("detect, all", 16), padded("default", 12), "redact  (ms)")
for (name, unit) in worst where only == nil || only == name {
    let text = repeated(unit, bytes: 1_000_000)
    let all = time(3, 1) { _ = detectSensitiveData(text, types: .all).found } / 1e6
    let usual = time(3, 1) { _ = detectSensitiveData(text).found } / 1e6
    let redact = time(2, 1) { _ = redactSensitiveData(text, types: .all).data.found } / 1e6
    print(
        padded(name, 20), padded(number(all), 16), padded(number(usual), 12), number(redact), all > 20 ? "  <-- over the bar" : ""
    )
}

// The same lines for the peer: the shared rows where they are, else a few of our own.
var lines = prose.split(separator: "\n").map(String.init)
if let path = CommandLine.arguments.dropFirst().first, let text = try? String(contentsOfFile: path, encoding: .utf8) {
    lines = text.split(separator: "\n").map(String.init)
}
let ours = time(9, 1) { for line in lines { _ = detectSensitiveData(line).found } } / Double(lines.count)
print("\n\(lines.count) lines of \(lines.reduce(0) { $0 + $1.utf8.count } / max(1, lines.count)) bytes on average, ns a line")
print(padded("swiftlet", 20), number(ours, 0))
if let python = ProcessInfo.processInfo.environment["SWIFTLET_PYTHON"] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = [
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("detect_secrets_peer.py").path
    ]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    let all = Data(lines.joined(separator: "\n").utf8)
    DispatchQueue.global().async {
        input.fileHandleForWriting.write(all)
        try? input.fileHandleForWriting.close()
    }
    let answer = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if let theirs = Double(answer.trimmingCharacters(in: .whitespacesAndNewlines)) {
        print(padded("detect-secrets", 20), number(theirs, 0), "  ratio", number(theirs / ours, 0))
    }
}
