import Dispatch
import Foundation
import SwiftletJSON

struct Message: Codable {
    let role: String
    let text: String
}
struct Options: Codable {
    let tone: String
    let maxOptions: Int
}
struct Body: Codable {
    let prompt: String
    let operation: String
    let history: [Message]
    let options: Options
    let stream: Bool
}

let text = #"""
    {"prompt":"Write a friendly answer to the last message, please","operation":"smartReply","history":[{"role":"me","text":"Hi, how was your day?"},{"role":"other","text":"Quite good, thank you! Do you have time tomorrow?"}],"options":{"tone":"friendly","maxOptions":3},"stream":false}
    """#
let body = Array(text.utf8)

/// Nanoseconds a call of both, the best of several rounds in turns: other work on the machine only ever makes them slower.
func time(_ calls: Int, _ ours: () throws -> Void, _ theirCalls: Int, _ theirs: () throws -> Void) rethrows -> (Double, Double) {
    func round(_ calls: Int, _ work: () throws -> Void) rethrows -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<calls { try work() }
        return Double(DispatchTime.now().uptimeNanoseconds - start) / Double(calls)
    }
    var best = (Double.infinity, Double.infinity)
    for _ in 0..<40 { best = try (min(best.0, round(calls, ours)), min(best.1, round(theirCalls, theirs))) }
    return best
}

/// What orjson needs for the same bytes, or `nil` without it.
func peer() throws -> (loads: Double, dumps: Double)? {
    let python = ProcessInfo.processInfo.environment["SWIFTLET_PYTHON"] ?? "python3"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("orjson_peer.py").path
    process.arguments = [python, script]
    let input = Pipe()
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    input.fileHandleForWriting.write(Data(body))
    try input.fileHandleForWriting.close()
    let line = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let numbers = line.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    return process.terminationStatus == 0 && numbers.count == 2 ? (numbers[0], numbers[1]) : nil
}

func padded(_ text: String, _ width: Int) -> String {
    let gap = String(repeating: " ", count: max(0, width - text.count))
    return text.first.map { $0.isNumber || $0 == "-" } == true ? gap + text : text + gap
}

var failed = false
@MainActor func row(_ name: String, _ ours: Double, _ theirs: Double?, _ peer: String, bar: Double?) {
    var line = padded(name, 10) + padded("\(Int(ours))", 9) + "  "
    if let theirs {
        let ratio = theirs / ours
        let passes = bar.map { ratio >= $0 } ?? true
        if !passes { failed = true }
        line += padded(peer, 22) + padded("\(Int(theirs))", 9) + padded(String(format: "%.2f", ratio), 9) + "  "
        line += bar.map { "bar \($0) \(passes ? "met" : "MISSED")" } ?? ""
    } else {
        failed = true
        line += padded(peer, 22) + " not there"
    }
    print(line)
}

let value = try JSONReader().decode(Body.self, from: body)
let json = try JSON.parse(body)
guard try JSONWriter().encode(value) == body, json.bytes == body else {
    print("what was written is not what was read")
    exit(2)
}
let mode = CommandLine.arguments.dropFirst().first
if let mode {
    // One piece of work alone, for profilers.
    let calls = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 2000
    for _ in 0..<calls {
        switch mode {
        case "decode": _ = try JSONReader().decode(Body.self, from: body)
        case "encode": _ = try JSONWriter().encode(value)
        case "parse": _ = try JSON.parse(body)
        case "write": _ = json.bytes
        default: exit(64)
        }
    }
    exit(0)
}
let data = Data(body)
let decoder = JSONDecoder()
let encoder = JSONEncoder()
let python = try peer()
print("\(body.count) bytes, nanoseconds a call, best of 40 rounds in turns; ratio = theirs / ours")
let decoding = try time(
    4000, { _ = try JSONReader().decode(Body.self, from: body) }, 600, { _ = try decoder.decode(Body.self, from: data) })
row("decode", decoding.0, decoding.1, "Foundation JSONDecoder", bar: 8)
let encoding = try time(4000, { _ = try JSONWriter().encode(value) }, 600, { _ = try encoder.encode(value) })
row("encode", encoding.0, encoding.1, "Foundation JSONEncoder", bar: nil)
let values = try time(5000, { _ = try JSON.parse(body) }, 10_000, { _ = json.bytes })
row("parse", values.0, python?.loads, "orjson.loads", bar: 0.5)
row("write", values.1, python?.dumps, "orjson.dumps", bar: 0.5)
exit(failed ? 1 : 0)
