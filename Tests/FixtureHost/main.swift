import Fixtures
import SwiftletCommand

// The same host and flags as `swiftlet`, with the functions of Tests/Fixtures, and `/health` for raw HTTP rows.
CommandLineTool.run(fixtureFunctions, mounts: ["/health": "health"])
