import HTTPTypes
import Swiftlet
import SwiftletTelemetry
import SwiftletTesting
import Testing

@testable import SwiftletHost

/// Counts what its query says: `?name=`, `?by=`, `?times=`, and each `l=name:value` as a label.
private struct Counts: EdgeFunction {
    static let name: FunctionName = "counts"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        var labels: [(String, String)] = []
        for label in request.query.all("l") {
            let parts = label.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            labels.append((String(parts[0]), parts.count > 1 ? String(parts[1]) : ""))
        }
        for time in 0..<(Int(request.query["times"] ?? "1") ?? 1) {
            let name = request.query["name"] ?? "things"
            let each = request.query["each"] == nil ? labels : labels + [("number", "\(time)")]
            context.count(name, by: Int(request.query["by"] ?? "1") ?? 1, labels: each)
        }
        return .text("ok")
    }
}

@Suite struct CounterTests {
    /// The lines of the function's own counters.
    private static func lines(_ host: TestHost) -> [String] {
        host.metrics.split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("swiftlet_function_") && !$0.hasPrefix("swiftlet_function_running")
        }
    }

    private static func run(_ body: @Sendable (TestHost) async throws -> Void) async throws {
        let configuration = TestHost.settings { $0.addressLimit = nil }
        try await TestHost.run([Registration(Counts.self)], configuration: configuration, body)
    }

    @Test func `what a function counts is on the page of metrics when its answer has come`() async throws {
        try await CounterTests.run { host async throws in
            #expect(CounterTests.lines(host).isEmpty)
            _ = try await host.get(path("counts?name=calls&l=model:gemini-3&l=shape:openai"))
            #expect(
                CounterTests.lines(host) == [
                    #"swiftlet_function_calls_total{function="counts",model="gemini-3",shape="openai"} 1"#
                ])
            _ = try await host.get(path("counts?name=calls&times=3&by=5&l=model:gemini-3&l=shape:openai"))
            _ = try await host.get(path("counts?name=misses"))
            #expect(
                CounterTests.lines(host) == [
                    #"swiftlet_function_calls_total{function="counts",model="gemini-3",shape="openai"} 16"#,
                    #"swiftlet_function_misses_total{function="counts"} 1"#,
                ])
            #expect(host.metrics.contains("# TYPE swiftlet_function_calls_total counter\n"))
        }
    }

    @Test func `many requests at once lose nothing`() async throws {
        try await CounterTests.run { host async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<60 {
                    group.addTask { _ = try await host.get(path("counts?name=calls&times=7&l=model:m\(number % 3)")) }
                }
                try await group.waitForAll()
            }
            #expect(
                CounterTests.lines(host)
                    == (0..<3).map { #"swiftlet_function_calls_total{function="counts",model="m\#($0)"} 140"# })
        }
    }

    @Test func `values that cannot be shown are counted as other, names that are none not at all`() async throws {
        try await CounterTests.run { host async throws in
            for value in ["a%0Ab", "%C3%A4", String(repeating: "x", count: 65), "%00", "%7F"] {
                _ = try await host.get(path("counts?name=odd&l=v:\(value)"))
            }
            _ = try await host.get(path("counts?name=odd&l=v:%22%5C%20%7B%7D"))
            _ = try await host.get(path("counts?name=odd&l=v:\(String(repeating: "x", count: 64))"))
            let names = [
                "", "1a", "_a", "Ab", "a-b", "a%0A", "%C3%A4", "a%7Bx%3D%22y%22%7D", String(repeating: "a", count: 65),
            ]
            for name in names {
                _ = try await host.get(path("counts?name=\(name)"))
                _ = try await host.get(path("counts?name=fine&l=\(name):1"))
            }
            _ = try await host.get(path("counts?name=fine&l=function:another"))
            for by in [0, -1, Int.min] { _ = try await host.get(path("counts?name=fine&by=\(by)")) }
            #expect(
                CounterTests.lines(host) == [
                    ##"swiftlet_function_odd_total{function="counts",v="\"\\ {}"} 1"##,
                    #"swiftlet_function_odd_total{function="counts",v="other"} 5"#,
                    #"swiftlet_function_odd_total{function="counts",v="\#(String(repeating: "x", count: 64))"} 1"#,
                ])
            let long = String(repeating: "n", count: 64)
            _ = try await host.get(path("counts?name=\(long)&l=a:1&l=b:2&l=c:3&l=d:4&l=e:5"))
            #expect(
                CounterTests.lines(host).contains(
                    #"swiftlet_function_\#(long)_total{a="1",b="2",c="3",d="4",function="counts"} 1"#))
        }
    }

    @Test func `a function has at most 200 series, and what comes later is counted in one of each name`() async throws {
        try await CounterTests.run { host async throws in
            _ = try await host.get(path("counts?name=many&times=500&each=1&l=model:m&by=2"))
            let lines = CounterTests.lines(host)
            #expect(lines.count == 201)
            #expect(lines.contains(#"swiftlet_function_many_total{function="counts",model="other",number="other"} 600"#))
            // The known ones go on.
            _ = try await host.get(path("counts?name=many&times=1&each=1&l=model:m&by=2"))
            #expect(
                CounterTests.lines(host).contains(#"swiftlet_function_many_total{function="counts",model="m",number="0"} 4"#))
            for number in 0..<40 { _ = try await host.get(path("counts?name=made_up_\(number)")) }
            let after = CounterTests.lines(host)
            #expect(after.count <= 201 + 16)
            #expect(after.contains(#"swiftlet_function_other_total{function="counts"} 25"#))
        }
    }

    @Test func `no amount turns a counter over or back`() async throws {
        try await CounterTests.run { host async throws in
            _ = try await host.get(path("counts?name=huge&by=\(Int.max)&times=3"))
            let line = try #require(CounterTests.lines(host).first)
            let count = try #require(line.split(separator: " ").last.flatMap { Int($0) })
            #expect(count >= 1 << 40 && count <= 3 << 40)
        }
    }
}
