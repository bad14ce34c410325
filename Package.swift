// swift-tools-version: 6.2
import PackageDescription

// The manifest is the map of the house: an arrow that is not here does not exist, and Tests/Interop/imports.py reads every source so that
// it stays true. The rooms are described in README.md.

let settings: [SwiftSetting] = [.enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("ExistentialAny")]

func product(_ name: String, _ package: String) -> Target.Dependency { .product(name: name, package: package) }
/// A fuzzing build takes of some rooms only what reads the `wire`, which needs neither the database nor the sockets `beyond` it.
let isFuzzing = Context.environment["SWIFTLET_FUZZ"] == "1"
func room(
    _ name: String, _ folder: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [], wire: String? = nil,
    beyond: [Target.Dependency] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies + (isFuzzing ? [] : beyond), path: "Runtime/\(folder)", exclude: exclude,
        sources: isFuzzing ? wire.map { [$0] } : nil, swiftSettings: settings)
}
func tests(_ folder: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(folder)Tests", dependencies: dependencies, path: "Tests/\(folder)", exclude: exclude, swiftSettings: settings)
}

let nioCore = product("NIOCore", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioHelpers = product("NIOConcurrencyHelpers", "swift-nio")
let deque = product("DequeModule", "swift-collections")
let httpTypes = product("HTTPTypes", "swift-http-types")
let logging = product("Logging", "swift-log")
let metrics = product("CoreMetrics", "swift-metrics")
let lifecycle = product("ServiceLifecycle", "swift-service-lifecycle")

let package = Package(
    name: "swiftlet",
    products: [.executable(name: "swiftlet", targets: ["swiftlet"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-http-structured-headers", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
    ],
    targets: [
        // System libraries, and the thin C in front of them.
        .systemLibrary(name: "CLinux", path: "Runtime/CLinux"),
        .systemLibrary(name: "CBytes", path: "Runtime/CBytes"),
        .systemLibrary(name: "COpenSSL", path: "Runtime/COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", path: "Runtime/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CIDN2", path: "Runtime/CIDN2", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(name: "CVips", path: "Runtime/CVips"),
        .systemLibrary(name: "CCurl", path: "Runtime/CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),

        // Leaf rooms: pure, nothing of ours below them.
        room("SwiftletJSON", "JSON", ["CBytes"]),
        room("SwiftletHTTP", "HTTP"),
        room("SwiftletNet", "Net"),
        room("SwiftletCrypto", "Crypto", ["COpenSSL"]),
        room("SwiftletSanitize", "Sanitize", ["SwiftletNet", "CIDN2"], exclude: ["README.md"]),

        room("SwiftletWebSocket", "WebSocket", ["SwiftletHTTP", "SwiftletCrypto"]),
        room("SwiftletFiles", "Files", ["SwiftletJSON", "SwiftletHTTP", "SwiftletSanitize"]),

        // What a function author imports.
        room(
            "Swiftlet", "Swiftlet",
            ["SwiftletJSON", "SwiftletHTTP", "SwiftletNet", "SwiftletSanitize", httpTypes, logging, nioCore]),

        // Rooms that never import each other.
        room("SwiftletRateLimit", "RateLimit", []),
        room("SwiftletSecrets", "Secrets", ["Swiftlet"]),
        room("SwiftletAuth", "Auth", ["SwiftletCrypto", "SwiftletJSON"]),
        room("SwiftletEgress", "Egress", ["SwiftletNet", "CCurl", "CZlib", httpTypes]),
        room(
            "SwiftletStorage", "Storage",
            [
                "Swiftlet", "SwiftletCrypto", "SwiftletJSON", "SwiftletHTTP", "SwiftletSanitize", "SwiftletFiles", "CLinux",
                product("GRDB", "GRDB.swift"), nioCore,
            ], exclude: ["README.md"]),
        room("SwiftletTelemetry", "Telemetry", [logging, metrics]),
        room(
            "SwiftletWorkers", "Workers",
            ["Swiftlet", "SwiftletHTTP", "SwiftletNet", httpTypes, nioCore],
            wire: "Frames", beyond: ["CLinux", logging, nioPosix, nioHelpers]),
        // Pictures in processes of their own: it stands on the two rooms it joins.
        room(
            "SwiftletImages", "Images",
            ["SwiftletStorage", "SwiftletFiles", "SwiftletWorkers", "SwiftletCrypto", "CLinux", "CVips"]),
        room(
            "SwiftletRealtime", "Realtime",
            ["Swiftlet", "SwiftletCrypto", "SwiftletJSON", nioCore], exclude: ["README.md"],
            wire: "Protocol", beyond: ["SwiftletWebSocket", product("GRDB", "GRDB.swift"), deque]),
        room("SwiftletServer", "Server", ["SwiftletHTTP", "SwiftletWebSocket", "CLinux", nioCore, nioPosix, nioHelpers]),

        // A stand-in for an upstream, with its own sockets.
        room("SwiftletMock", "Mock", ["SwiftletHTTP", "SwiftletJSON", nioCore, nioPosix]),

        // Where they meet.
        room(
            "SwiftletHost", "Host",
            [
                "Swiftlet", "SwiftletJSON", "SwiftletHTTP", "SwiftletNet", "SwiftletCrypto", "SwiftletRateLimit",
                "SwiftletSanitize", "SwiftletSecrets", "SwiftletAuth", "SwiftletEgress", "SwiftletStorage", "SwiftletRealtime",
                "SwiftletWebSocket",
                "SwiftletTelemetry", "SwiftletServer",
                httpTypes, logging,
                metrics,
                lifecycle, product("UnixSignals", "swift-service-lifecycle"), nioCore, nioPosix,
            ]),
        room(
            "SwiftletTesting", "Testing",
            [
                "Swiftlet", "SwiftletHost", "SwiftletWorkers", "SwiftletJSON", "SwiftletAuth", "SwiftletTelemetry",
                "SwiftletRealtime", httpTypes, nioCore, nioPosix,
            ]),

        // The command line of a host; it knows no function.
        room(
            "SwiftletCommand", "Command",
            [
                "Swiftlet", "SwiftletHost", "SwiftletWorkers", "SwiftletTesting", "SwiftletJSON", "SwiftletAuth",
                "SwiftletCrypto",
                "SwiftletSecrets",
                "SwiftletStorage", "SwiftletImages", "SwiftletMock",
                "SwiftletTelemetry", "CLinux", product("ArgumentParser", "swift-argument-parser"),
                product("Configuration", "swift-configuration"),
                httpTypes, lifecycle, logging,
            ]),

        // The functions, and the executable that brings both sides together.
        .target(
            name: "Functions", dependencies: ["Swiftlet", "SwiftletJSON", "SwiftletSanitize", httpTypes], path: "Functions",
            exclude: ["Main", "GeminiProxy/README.md"],
            swiftSettings: settings),
        .executableTarget(
            name: "swiftlet", dependencies: ["Functions", "SwiftletCommand"], path: "Functions/Main", swiftSettings: settings),

        // Tests: one target per room, and what they share.
        .target(
            name: "Fixtures", dependencies: ["Swiftlet", "SwiftletJSON", httpTypes], path: "Tests/Fixtures",
            swiftSettings: settings),
        .executableTarget(
            name: "swiftlet-fixtures", dependencies: ["Fixtures", "Swiftlet", "SwiftletCommand"], path: "Tests/FixtureHost",
            swiftSettings: settings),
        .target(
            name: "Corpus",
            dependencies: [
                "SwiftletHost", "SwiftletJSON", "SwiftletHTTP", "SwiftletNet", "SwiftletEgress", "SwiftletAuth", "SwiftletCrypto",
                "SwiftletRateLimit", "SwiftletSanitize", "TestSupport", "CZlib", httpTypes,
                product("RawStructuredFieldValues", "swift-http-structured-headers"),
            ], path: "Tests/Corpus", swiftSettings: settings),
        .executableTarget(name: "swiftlet-corpus", dependencies: ["Corpus"], path: "Tests/CorpusTool", swiftSettings: settings),
        .systemLibrary(name: "CProbe", path: "Tests/CProbe"),
        // A process that is started the way a worker is, and tells what it may and may not do.
        .executableTarget(
            name: "worker-probe", dependencies: ["SwiftletWorkers", "CLinux", "CProbe"], path: "Tests/WorkerProbe",
            swiftSettings: settings),
        .target(name: "TestSupport", path: "Tests/Support", swiftSettings: settings),
        tests("JSON", ["SwiftletJSON", "TestSupport"]),
        tests("Sanitize", ["SwiftletSanitize", "SwiftletNet", "SwiftletJSON", "Corpus", "TestSupport"]),
        tests("HTTP", ["SwiftletHTTP", "TestSupport"]),
        tests("WebSocket", ["SwiftletWebSocket", "SwiftletHTTP", "TestSupport"]),
        tests("Net", ["SwiftletNet", "Corpus", "TestSupport"]),
        tests("Swiftlet", ["Swiftlet", "SwiftletJSON", nioCore]),
        tests(
            "Host",
            [
                "SwiftletHost", "SwiftletTesting", "Swiftlet", "SwiftletJSON", "SwiftletTelemetry", "SwiftletServer",
                "SwiftletAuth",
                "SwiftletCrypto", "SwiftletNet", "SwiftletRateLimit", "SwiftletWorkers", "Fixtures", "Corpus", "TestSupport",
                httpTypes,
            ]),
        tests("Functions", ["Functions", "Swiftlet", "SwiftletHost", "SwiftletTesting", "SwiftletJSON", httpTypes]),
        tests("Crypto", ["SwiftletCrypto"]),
        tests(
            "Storage",
            [
                "SwiftletStorage", "SwiftletFiles", "SwiftletCrypto", "SwiftletJSON", "SwiftletHTTP", "SwiftletSanitize",
                "Swiftlet",
                "TestSupport",
                "storage-probe", nioCore, product("GRDB", "GRDB.swift"),
            ], exclude: ["sigv4-cases.json", "sigv4_cases.py"]),
        tests(
            "Realtime",
            [
                "SwiftletRealtime", "Swiftlet", "SwiftletCrypto", "SwiftletJSON", "TestSupport", "history-probe", nioCore,
                product("GRDB", "GRDB.swift"),
            ]),
        tests("Files", ["SwiftletFiles", "SwiftletSanitize", "SwiftletJSON", "TestSupport"], exclude: ["Samples"]),
        // A process that makes pictures, and tells what it may and may not do; and some that misbehave.
        .executableTarget(
            name: "image-probe",
            dependencies: ["SwiftletImages", "SwiftletStorage", "SwiftletFiles", "SwiftletWorkers", "CLinux"],
            path: "Tests/ImageProbe", swiftSettings: settings),
        tests(
            "Images",
            ["SwiftletImages", "SwiftletStorage", "SwiftletFiles", "SwiftletWorkers", "SwiftletJSON", "image-probe"],
            exclude: ["Samples", "samples.py"]),
        // Uploads without end until it is killed.
        .executableTarget(
            name: "storage-probe", dependencies: ["SwiftletStorage"], path: "Tests/StorageProbe", swiftSettings: settings),
        // Writes numbered messages until it is killed.
        .executableTarget(
            name: "history-probe", dependencies: ["SwiftletRealtime"], path: "Tests/HistoryProbe", swiftSettings: settings),
        // Signs for S3 line by line, for scripts that judge it with other programs.
        .executableTarget(
            name: "storage-tool", dependencies: ["SwiftletStorage", "SwiftletCrypto", "SwiftletJSON"], path: "Tests/StorageTool",
            swiftSettings: settings),
        tests("Telemetry", ["SwiftletTelemetry", "TestSupport", logging, metrics]),
        tests("Auth", ["SwiftletAuth", "SwiftletCrypto", "SwiftletJSON", "Corpus"]),
        tests("Egress", ["SwiftletNet", "SwiftletEgress", "Corpus", "TestSupport", "CZlib", httpTypes]),
        tests("Server", ["SwiftletHTTP", "SwiftletServer", "SwiftletWebSocket", "TestSupport", nioCore, nioPosix, nioHelpers]),
        tests(
            "Workers",
            [
                "SwiftletWorkers", "Swiftlet", "SwiftletHTTP", "SwiftletNet", "CLinux", "worker-probe", httpTypes, logging,
                nioCore, nioPosix, nioHelpers,
            ]),
        tests(
            "RateLimit",
            [
                "SwiftletRateLimit", "Corpus", "TestSupport",
                product("RawStructuredFieldValues", "swift-http-structured-headers"),
            ]),
        tests("Secrets", ["SwiftletSecrets", "Swiftlet"]),
        tests("Mock", ["SwiftletMock", "SwiftletHTTP", "SwiftletJSON"]),
    ],
    swiftLanguageModes: [.v6]
)

// Fuzz targets need a fuzzing build (Tests/Fuzz/run makes one), benchmarks a release build: neither is part of a plain build.
if isFuzzing {
    package.targets.append(
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "Swiftlet", "SwiftletJSON", "SwiftletHTTP", "SwiftletNet", "SwiftletSanitize", "SwiftletFiles", "SwiftletWorkers",
                "SwiftletAuth", "SwiftletCrypto", "SwiftletWebSocket", "SwiftletRealtime", nioCore,
            ], path: "Tests/Fuzz",
            exclude: ["run", "rows.py", "samples.py"]
                + ["Frames", "HTTP", "JSON", "JWT", "Phoenix", "WebSocket"].map { "\($0)/seeds.py" },
            swiftSettings: settings))
}
if Context.environment["SWIFTLET_BENCH"] == "1" {
    func benchmark(_ name: String, _ folder: String, _ dependencies: Target.Dependency..., exclude: [String] = []) {
        package.targets.append(
            .executableTarget(
                name: name, dependencies: dependencies, path: "Tests/Benchmarks/\(folder)", exclude: exclude,
                swiftSettings: settings))
    }
    benchmark("bench-json", "JSON", "SwiftletJSON", exclude: ["orjson_peer.py"])
    benchmark("bench-html", "HTML", "SwiftletSanitize", exclude: ["html_peer.py", "html_rows.py", "ratios.py"])
    benchmark("bench-malicious", "Malicious", "SwiftletSanitize")
    benchmark("bench-sensitive", "Sensitive", "SwiftletSanitize", exclude: ["detect_secrets_peer.py", "lines.py"])
    benchmark("bench-checks", "Checks", "SwiftletSanitize")
    benchmark("bench-disk", "Disk", "SwiftletStorage")
    package.targets.append(.systemLibrary(name: "CEpoll", path: "Tests/Benchmarks/CEpoll"))
    benchmark("bench-sockets", "Sockets", "CEpoll")
    benchmark("bench-phoenix", "Phoenix", "SwiftletRealtime")
    benchmark("bench-websocket", "WebSocket", "SwiftletWebSocket")
    benchmark("bench-files", "Files", "SwiftletFiles", "SwiftletSanitize")
}
