import Foundation
import Glibc
import SwiftletSanitize

// `bench-html ROWS`: reads JSON Lines with `id` and `input`, prints the nanoseconds that `sanitizeHTML` takes for each. `bench-html
// --worst`: the milliseconds for a megabyte of what is hard for sanitisers. `bench-html --loop N ROWS`: only works, for profilers.

/// Nanoseconds of processor time of this thread: other work on the machine does not count.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

/// Nanoseconds a call: the median of several rounds, or the best one.
func time(_ calls: Int, rounds: Int = 15, best: Bool = false, _ work: () -> Void) -> Double {
    var all: [Double] = []
    for _ in 0..<rounds {
        let start = now()
        for _ in 0..<calls { work() }
        all.append((now() - start) / Double(calls))
    }
    return all.sorted()[best ? 0 : all.count / 2]
}

func repeated(_ piece: String, _ size: Int = 1_000_000) -> String {
    String(repeating: piece, count: size / piece.utf8.count)
}

func numbered(_ size: Int, _ piece: (Int) -> String) -> String {
    var text = ""
    var number = 0
    while text.utf8.count < size {
        text += piece(number)
        number += 1
    }
    return text
}

func worst() -> [(String, String)] {
    let million = 1_000_000
    var cases = [
        "<div>", "<blockquote>", "<b>", "<a>", "<a href=http://x>", "<p>", "<li>", "<ul><li>", "&", "<", "</", "<!", "</p>",
        "</b>", "<p><b>", "<b><p>",
    ]
    .map { ($0, repeated($0)) }
    cases += [
        "<b><p></b>", "<p><b><i><u>x", "<a><p>", "<b></p><p>x", "&a", "&amp", "&CounterClockwiseContourIntegra", "&#x", "\"", "'",
        "\0", "\r", "é", "x",
        "<svg>", "<template>", "<script>", "<!--", "<h1>", "<pre>\n", "<br>", "</br>", "<span>", "</span>", "<i></b>", "<a></b>",
        "<em><blockquote></em>",
    ].map { ($0, repeated($0)) }
    cases.append(("one tag, attributes", "<a " + repeated("a=1 ") + ">"))
    cases.append(("one tag, names", "<a " + numbered(million) { "a\($0) " } + ">"))
    cases.append(("one tag, href again", "<a " + repeated("href=http://x ") + ">"))
    cases.append(("one long href", "<a href=\"http://" + repeated("x") + "\">"))
    cases.append(("long href, many p", "<a href=\"http://" + repeated("x", 500_000) + "\">" + repeated("<p>x", 500_000)))
    cases.append(("b title differs", numbered(million) { "<b title=\($0)>" }))
    cases.append(("a title differs, p", numbered(million) { "<p><a title=\($0)>x" }))
    cases.append(("rich abbr", numbered(million) { "<p><b><i>\($0)</p>" }))
    cases.append(("deep spans, li", repeated("<span>", 600) + repeated("<li></li>")))
    cases.append(("li in deep spans", "<ul><li>" + repeated("<span>", 570) + repeated("<ul><li></ul>")))
    cases.append(
        ("deep b, end of first", "<i>" + repeated("<b>", 120) + "<blockquote>" + repeated("<b>", 120) + repeated("</i><i>")))
    cases.append(
        ("span under blocks", "<span>" + repeated("<b>", 120) + "<blockquote>" + repeated("<sub>", 235) + repeated("</span>")))
    cases.append(("8 rounds", repeated("<b><p><h1><ul><ol><li><pre><blockquote></b>")))
    cases.append(("nine formats, p", repeated("<b><i><u><s><em><strong><code>") + ""))
    cases.append(("formats and text", repeated("<p><b><i><u><s><em><strong><code>x")))
    cases.append(("all misnested", repeated("<b><i><p></b></i></p>")))
    return cases
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "--worst" {
    var slowest = 0.0
    for (name, text) in worst() {
        var length = 0
        let milliseconds =
            time(1, rounds: 9, best: true) { length = sanitizeHTML(text, policy: .chat).utf8.count } / 1e6 * 1e6
            / Double(text.utf8.count)
        slowest = max(slowest, milliseconds)
        print(
            name.debugDescription.padding(toLength: 42, withPad: " ", startingAt: 0),
            String(format: "%7.2f ms/MB   output %.2f x", milliseconds, Double(length) / Double(text.utf8.count)),
            milliseconds > 20 ? "MISSED" : "")
    }
    print(String(format: "slowest %.2f ms/MB, bar 20", slowest))
    exit(slowest > 20 ? 1 : 0)
}
let isLoop = arguments.first == "--loop"
guard let path = isLoop ? arguments.dropFirst(2).first : arguments.first, let file = FileManager.default.contents(atPath: path)
else {
    print("usage: bench-html ROWS | --worst | --loop N ROWS")
    exit(64)
}
var sink = 0
let rows = try file.split(separator: 0x0A).compactMap { try JSONSerialization.jsonObject(with: $0) as? [String: Any] }
let inputs = rows.compactMap { row in (row["input"] as? String).map { String(decoding: Array($0.utf8), as: UTF8.self) } }
if isLoop {
    for _ in 0..<(Int(arguments.dropFirst().first ?? "") ?? 1) { for input in inputs { sink += sanitizeHTML(input).utf8.count } }
} else {
    for (row, input) in zip(rows, inputs) {
        let calls = max(20, 200_000 / (input.utf8.count + 100))
        print(row["id"] as? String ?? "", time(calls) { sink += sanitizeHTML(input).utf8.count })
    }
}
exit(sink == -1 ? 2 : 0)
