import Fixtures
import Glibc
import Swiftlet
import SwiftletCommand

// The same host and flags as `swiftlet`, with the functions of Tests/Fixtures, and `/health` for raw HTTP rows. SWIFTLET_FIXTURES_ONLY names
// the functions to serve; those that crash by themselves are only served when they are named. A worker, whose environment is empty, knows all.
let all = fixtureFunctions + crashingFunctions
let isWorker = CommandLine.arguments.dropFirst().first == "worker"
let only = getenv("SWIFTLET_FIXTURES_ONLY").map { String(cString: $0).split(separator: ",").map(String.init) }
let served = isWorker ? all : only.map { only in all.filter { only.contains($0.name.text) } } ?? fixtureFunctions
CommandLineTool.run(served, mounts: served.contains { $0.name == "health" } ? ["/health": "health"] : [:])
