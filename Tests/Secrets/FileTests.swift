import Foundation
import Swiftlet
import Testing

@testable import SwiftletSecrets

@Suite struct `A secrets file` {
    static let odd = [
        "plain", "with space", " lead and trail ", "\"", "'", "`", "'\"`", "#", "a #b", "#a", "\\", "\\n", "a\\", "line\nline",
        "\n", "\r\n", "\r",
        "tab\there", "$HOME ${X} $(x)", "ключ", "🔑", "e\u{301}", "=", "a=b==", "export A=b", "A='b'\nC=\"d\"", "\u{1}\u{7F}",
        "\u{FEFF}x", " ", "'\\$'\n",
        "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n", "{\"default\":\"sb_secret_x\"}",
    ]

    @Test func `every odd value reads back as it was set`() throws {
        let folder = try Folder()
        let file = folder.path + "/secrets"
        let pairs = `A secrets file`.odd.enumerated().map { (name: "N\($0)", value: $1) }
        for pair in pairs { try SecretFile.set(file, [pair]) }
        for round in 0..<2 {
            let set = try SecretSources(file: file).load().set
            for (name, value) in pairs {
                #expect(set.value(SecretName(name))?.withBytes { Array($0) } == Array(value.utf8), "round \(round)")
            }
            try SecretFile.set(file, pairs)
        }
        #expect(try SecretFile.unset(file, pairs.map(\.name)).count == pairs.count)
        #expect(try folder.text("secrets") == "")
    }

    @Test func `a shell reads what was set`() throws {
        let folder = try Folder()
        let file = folder.path + "/secrets"
        for value in ["with space", "$HOME", "'\"\\$x`", "a'b", "#x", "\\n"] {
            try SecretFile.set(file, [("A", value)])
            // In double quotes a shell still runs backticks; such a value needs `'`, which has none beside it here.
            if value.contains("'"), value.contains("`") { continue }
            let process = Process()
            let output = Pipe()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", ". \"$0\"; printf %s \"$A\"", file]
            process.standardOutput = output
            try process.run()
            process.waitUntilExit()
            #expect(String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) == value)
        }
    }

    @Test func `a new file is private`() throws {
        let folder = try Folder()
        let file = folder.path + "/secrets"
        #expect(try SecretFile.names(file) == [])
        #expect(try SecretFile.unset(file, ["A"]) == [])
        #expect(try SecretFile.set(file, [("B", "1"), ("A", "2")]).written == ["B", "A"])
        #expect(try folder.text("secrets") == "B=1\nA=2\n")
        #expect(try folder.mode("secrets") == 0o600)
        #expect(try SecretFile.names(file) == ["A", "B"])
        #expect(try folder.list() == ["secrets"])
    }

    @Test func `comments, order and the rest stay`() throws {
        let folder = try Folder()
        let file = try folder.write(
            "secrets", "# head\n\n  export A = 'old' # keep\nB=1   # keep too\nC= # empty\nA=again\n# tail\nD=\"x\ny\"",
            mode: 0o644)
        try SecretFile.set(file, [("A", "n e w"), ("B", "2"), ("C", "3"), ("E", "5")])
        #expect(
            try folder.text("secrets")
                == "# head\n\n  export A = 'n e w' # keep\nB=2   # keep too\nC=3 # empty\n# tail\nD=\"x\ny\"\nE=5\n")
        #expect(try folder.mode("secrets") == 0o600)
        #expect(try SecretFile.unset(file, ["A", "D", "NONE"]) == ["A", "D"])
        #expect(try folder.text("secrets") == "# head\n\nB=2   # keep too\nC=3 # empty\n# tail\nE=5\n")
    }

    @Test func `line ends of the file are kept`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1\r\nB=2")
        try SecretFile.set(file, [("A", "x y"), ("C", "3")])
        #expect(try folder.text("secrets") == "A='x y'\r\nB=2\r\nC=3\r\n")
    }

    @Test func `reserved names are passed over with a word`() throws {
        let folder = try Folder()
        let file = folder.path + "/secrets"
        let change = try SecretFile.set(file, [("SUPABASE_URL", "x"), ("A", "1"), ("supabase_x", "2")])
        #expect(change.skipped == ["Env name cannot start with SUPABASE_, skipping: SUPABASE_URL"])
        #expect(change.written == ["A", "supabase_x"])
        #expect(try SecretFile.set(file, [("SUPABASE_URL", "x")]).written == [])
        #expect(try SecretFile.names(file) == ["A", "supabase_x"])
    }

    @Test(arguments: [
        ("1A", "hunter2"), ("", "hunter2"), ("A-B", "hunter2"), ("A B", "hunter2"),
        (String(repeating: "n", count: 257), "hunter2"), ("A", ""),
        ("A", "hunter2\u{0}"), ("A", String(repeating: "hunter2", count: 8 * 1024)),
    ])
    func `a bad pair is refused before anything is written`(name: String, value: String) throws {
        let folder = try Folder()
        let problem = #expect(throws: SecretProblem.self) {
            try SecretFile.set(folder.path + "/secrets", [("GOOD", "1"), (name, value)])
        }
        #expect(problem?.message.contains("hunter2") == false)
        #expect(try folder.list() == [])
    }

    @Test func `the hundredth secret fits, the next does not`() throws {
        let folder = try Folder()
        let file = folder.path + "/secrets"
        try SecretFile.set(file, (0..<100).map { ("N\($0)", "v") })
        try SecretFile.set(file, [("N0", "w")])
        #expect(throws: SecretProblem("'\(file)' would hold 101 secrets, the most is 100. Unset some first")) {
            try SecretFile.set(file, [("M", "v")])
        }
        #expect(try SecretFile.names(file).count == 100)
    }

    @Test func `pairs are split at the first sign`() throws {
        let pair = try SecretFile.pair("A=b=c")
        #expect(pair.name == "A" && pair.value == "b=c")
        for text in ["hunter2", "=hunter2", ""] {
            #expect(throws: SecretProblem("Invalid secret pair. Must be NAME=VALUE.")) { try SecretFile.pair(text) }
        }
        #expect(throws: SecretProblem.self) { try SecretFile.set("/tmp/none", []) }
    }

    @Test func `a file that cannot be understood is not rewritten`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A='1\n")
        #expect(throws: SecretProblem.self) { try SecretFile.set(file, [("A", "2")]) }
        #expect(throws: SecretProblem.self) { try SecretFile.unset(file, ["A"]) }
        #expect(try folder.text("secrets") == "A='1\n")
    }

    @Test func `a failure in the middle leaves the old file`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1\n")
        // A file cannot take the place of a folder: the last step fails, after everything was written.
        try FileManager.default.createDirectory(atPath: folder.path + "/taken/x", withIntermediateDirectories: true)
        #expect(throws: FileAccess.Failure.self) { try FileAccess.replace(folder.path + "/taken", with: [1], keeping: nil) }
        #expect(try folder.list() == ["secrets", "taken"])
        #expect(throws: FileAccess.Failure.self) { try FileAccess.replace(folder.path + "/none/x", with: [1], keeping: nil) }
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "A=1\n")
    }

    @Test(.enabled(if: geteuid() != 0, "root writes anywhere"))
    func `a folder that cannot be written to leaves the old file`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1\n")
        #expect(chmod(folder.path, 0o500) == 0)
        defer { chmod(folder.path, 0o700) }
        let problem = #expect(throws: SecretProblem.self) { try SecretFile.set(file, [("A", "2")]) }
        #expect(problem?.message.contains("The file is as it was") == true)
        #expect(try folder.text("secrets") == "A=1\n")
    }

    @Test func `a missing folder is told`() throws {
        let problem = #expect(throws: SecretProblem.self) { try SecretFile.set("/nowhere/at/all", [("A", "1")]) }
        #expect(
            problem?.message
                == "failed to write '/nowhere/at/all': folder '/nowhere/at': No such file or directory. Create the folder first")
    }

    @Test func `a link stays a link`() throws {
        let folder = try Folder()
        try folder.write("real", "A=1\n")
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: "real")
        try SecretFile.set(folder.path + "/link", [("A", "2")])
        #expect(try folder.text("real") == "A=2\n")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path + "/link") == "real")
    }

    @Test func `writers at one time lose nothing`() async throws {
        let folder = try Folder()
        let file = folder.path + "/secrets"
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<12 { group.addTask { try SecretFile.set(file, [("N\(index)", "\(index)")]) } }
            try await group.waitForAll()
        }
        #expect(try SecretFile.names(file).count == 12)
        #expect(try folder.list() == ["secrets"])
    }
}
