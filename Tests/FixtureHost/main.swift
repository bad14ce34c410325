import Fixtures
import Glibc
import Swiftlet
import SwiftletCommand

// The same host and flags as `swiftlet`, with the functions of Tests/Fixtures, and `/health` for raw HTTP rows. A benchmark serves some of
// them only; their workers, whose environment is empty, know all.
let only = getenv("SWIFTLET_FIXTURES_ONLY").map { String(cString: $0).split(separator: ",").map(String.init) }
CommandLineTool.run(
    fixtureFunctions.filter { only?.contains($0.name.text) ?? true }, mounts: ["/health": "health"])
