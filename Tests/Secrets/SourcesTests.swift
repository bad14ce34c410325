import Foundation
import Swiftlet
import Testing

@testable import SwiftletSecrets

@Suite struct `Secret sources` {
    @Test func `the environment beats the directory beats the file`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "ALL=file\nTWO=file\nONE=file\nEMPTY_ABOVE=file\n")
        let directory = try Folder()
        try directory.write("ALL", "directory\n")
        try directory.write("TWO", "directory\r\n")
        try directory.write("EMPTY_ABOVE", "\n")
        let sources = SecretSources(
            environment: ["ALL": "environment", "EMPTY_ABOVE": "", "PATH": "/bin"], directory: directory.path, file: file)
        let (set, warnings) = try sources.load()
        #expect(set.value("ALL")?.reveal() == "environment")
        #expect(set.value("TWO")?.reveal() == "directory")
        #expect(set.value("ONE")?.reveal() == "file")
        #expect(set.value("EMPTY_ABOVE")?.reveal() == "file")
        #expect(set.value("NONE") == nil && set.value("PATH") == nil)
        #expect(set.names.map(\.name) == ["ALL", "EMPTY_ABOVE", "ONE", "TWO"])
        #expect(set.names.map(\.source) == [.environment, .file(file), .file(file), .directory(directory.path)])
        #expect(warnings.isEmpty)
    }

    @Test func `a function's own secret beats the shared one, from any source`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "GEMINI_PROXY__KEY=own\nA_B__KEY=\n")
        let set = try SecretSources(environment: ["KEY": "shared"], file: file).load().set
        #expect(set.value("KEY", forFunction: "gemini-proxy")?.reveal() == "own")
        #expect(set.value("KEY", forFunction: "Gemini_Proxy")?.reveal() == "own")
        #expect(set.value("KEY", forFunction: "a-b")?.reveal() == "shared")
        #expect(set.value("KEY", forFunction: "health")?.reveal() == "shared")
        #expect(set.value("KEY")?.reveal() == "shared")
        #expect(SecretSet.ownName("K", "aZ-9_x") == "AZ_9_X__K")
    }

    @Test func `a missing file is an error only where it was asked for`() throws {
        let folder = try Folder()
        let path = folder.path + "/none"
        #expect(try SecretSources(file: path).load().set.names.isEmpty)
        let problem = #expect(throws: SecretProblem.self) { try SecretSources(file: path, fileIsRequired: true).load() }
        #expect(
            problem?.message
                == "failed to open env file '\(path)': No such file or directory. Create it with mode 600 and one NAME=VALUE a line, or leave the setting out"
        )
    }

    @Test func `a missing directory is an error`() throws {
        let problem = #expect(throws: SecretProblem.self) { try SecretSources(directory: "/nowhere/at/all").load() }
        #expect(problem?.message.hasPrefix("failed to open secrets directory '/nowhere/at/all': No such file") == true)
    }

    @Test func `a broken file is told by place and never by value`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1\nB='hunter2\n")
        #expect(throws: SecretProblem("\(file):2: the quote that opens the value of B is never closed")) {
            try SecretSources(file: file).load()
        }
    }

    @Test func `what is no regular file is refused and never waited for`() throws {
        let folder = try Folder()
        let pipe = folder.path + "/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        for path in [pipe, folder.path] {
            #expect(throws: SecretProblem("env file '\(path)' is not a regular file. Give the path of a file")) {
                try SecretSources(file: path).load()
            }
        }
        // In a directory they are no secrets.
        #expect(try SecretSources(directory: folder.path).load().set.names.isEmpty)
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o660])
    func `a file others may read is warned about`(mode: Int) throws {
        let folder = try Folder()
        let file = try folder.write("SECRET", "A=hunter2hunter2", mode: mode)
        let expected = ["\(file) is open to other users (mode 0\(String(mode, radix: 8))). Run: chmod 600 '\(file)'"]
        #expect(try SecretSources(file: file).load().warnings == expected)
        #expect(try SecretSources(directory: folder.path).load().warnings == expected)
    }

    @Test(arguments: [0o600, 0o400]) func `a file of one's own is not warned about`(mode: Int) throws {
        let folder = try Folder()
        #expect(try SecretSources(file: try folder.write("secrets", "A=1", mode: mode)).load().warnings.isEmpty)
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give files away"))
    func `a file of another user is warned about`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1")
        #expect(chown(file, 65_534, 65_534) == 0)
        #expect(try SecretSources(file: file).load().warnings.contains { $0.contains("belongs to another user (uid 65534") })
    }

    @Test func `a name set twice is warned about`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1\nB=2\nA=3\n")
        let (set, warnings) = try SecretSources(file: file).load()
        #expect(set.value("A")?.reveal() == "3")
        #expect(warnings == ["\(file):3: A was set in line 1 already; the later line counts"])
    }

    @Test func `files with other names are passed over, hidden ones in silence`() throws {
        let folder = try Folder()
        try folder.write(".hidden", "x")
        try folder.write("not-a-name", "x")
        try folder.write("GOOD", "x")
        try FileManager.default.createDirectory(atPath: folder.path + "/SUB", withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/LINK", withDestinationPath: "GOOD")
        let (set, warnings) = try SecretSources(directory: folder.path).load()
        #expect(set.names.map(\.name) == ["GOOD", "LINK"])
        #expect(warnings.count == 1 && warnings[0].hasPrefix("\(folder.path)/not-a-name was passed over"))
    }

    @Test func `bytes that are no text survive, and only one line end goes`() throws {
        let folder = try Folder()
        let bytes: [UInt8] = [0xFF, 0x00, 0x0A, 0x0A]
        let file = folder.path + "/RAW"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        let secret = try #require(try SecretSources(directory: folder.path).load().set.value("RAW"))
        #expect(secret.withBytes { Array($0) } == [0xFF, 0x00, 0x0A])
    }

    @Test func `a hundred secrets fit, a hundred and one do not`() throws {
        let folder = try Folder()
        let lines = (0..<100).map { "N\($0)=v" }.joined(separator: "\n")
        #expect(try SecretSources(file: try folder.write("secrets", lines)).load().set.names.count == 100)
        let file = try folder.write("secrets", lines + "\nM=v")
        #expect(throws: SecretProblem("env file '\(file)' holds more than 100 secrets. Take some away")) {
            try SecretSources(file: file).load()
        }
        let directory = try Folder()
        for index in 0..<100 { try directory.write("N\(index)", "v") }
        #expect(try SecretSources(directory: directory.path).load().set.names.count == 100)
        try directory.write("M", "v")
        #expect(throws: SecretProblem.self) { try SecretSources(directory: directory.path).load() }
    }

    @Test func `a value of 48 KiB fits, a longer one does not`() throws {
        let folder = try Folder()
        let most = String(repeating: "v", count: 48 * 1024)
        try folder.write("BIG", most + "\n")
        #expect(try SecretSources(directory: folder.path).load().set.value("BIG")?.count == 48 * 1024)
        try folder.write("BIG", most + "v")
        #expect(throws: SecretProblem("secret '\(folder.path)/BIG' is longer than 48 KiB. Shorten it, or take it away")) {
            try SecretSources(directory: folder.path).load()
        }
        let (set, warnings) = try SecretSources(environment: ["BIG": most + "v"]).load()
        #expect(set.names.isEmpty && warnings.count == 1)
    }

    @Test func `the process environment can be read`() {
        setenv("SWIFTLET_SECRETS_TEST", "a=b", 1)
        #expect(SecretSources.processEnvironment()["SWIFTLET_SECRETS_TEST"] == "a=b")
    }

    @Test func `a digest shows eight digits`() {
        #expect(secretDigest(Secret("x")) { _ in [0x00, 0xAB, 0x1F, 0xF0, 0x99] } == "00ab1ff0")
        #expect(secretDigest(Secret("x")) { Array($0) } == "78")
    }
}
