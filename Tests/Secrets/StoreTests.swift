import Foundation
import Swiftlet
import Testing

@testable import SwiftletSecrets

@Suite struct `A secret store` {
    @Test func `reload swaps the whole set and tells the names`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "KEEP=1\nCHANGE=1\nGO=1\n")
        let store = try SecretStore(SecretSources(environment: ["ENV": "1"], file: file))
        let before = store.current
        #expect(try store.reload() == [])
        try folder.write("secrets", "KEEP=1\nCHANGE=2\nCOME=1\n")
        #expect(store.current.value("CHANGE")?.reveal() == "1")
        #expect(try store.reload() == ["CHANGE", "COME", "GO"])
        #expect(store.current.value("CHANGE")?.reveal() == "2")
        #expect(store.current.value("GO") == nil && store.current.value("ENV")?.reveal() == "1")
        #expect(before.value("GO")?.reveal() == "1")
    }

    @Test func `a broken file leaves the old set in force and is reported once`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1\n")
        let store = try SecretStore(SecretSources(file: file, fileIsRequired: true))
        try folder.write("secrets", "A=2\nB=\"")
        #expect(store.changedOnDisk())
        #expect(throws: SecretProblem("\(file):2: the quote that opens the value of B is never closed")) { try store.reload() }
        #expect(store.current.value("A")?.reveal() == "1" && store.current.value("B") == nil)
        #expect(!store.changedOnDisk())
        try FileManager.default.removeItem(atPath: file)
        #expect(store.changedOnDisk())
        #expect(throws: SecretProblem.self) { try store.reload() }
        #expect(store.current.value("A")?.reveal() == "1")
        try folder.write("secrets", "A=3\n")
        #expect(try store.reload() == ["A"])
    }

    @Test func `a store does not open on a broken file`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "nonsense")
        #expect(throws: SecretProblem("\(file):1: expected NAME=VALUE")) { try SecretStore(SecretSources(file: file)) }
    }

    @Test func `changes of file and directory are seen`() throws {
        let folder = try Folder()
        let file = try folder.write("secrets", "A=1\n")
        let directory = try Folder()
        try directory.write("B", "1")
        let store = try SecretStore(SecretSources(directory: directory.path, file: file))
        #expect(!store.changedOnDisk())
        func sees(_ change: () throws -> Void) throws -> Bool {
            try change()
            let changed = store.changedOnDisk()
            try store.reload()
            return changed && !store.changedOnDisk()
        }
        #expect(try sees { try SecretFile.set(file, [("A", "2")]) })
        #expect(try sees { try directory.write("B", "22") })
        #expect(try sees { try directory.write("C", "1") })
        #expect(try sees { try FileManager.default.removeItem(atPath: directory.path + "/B") })
        #expect(try sees { try FileManager.default.removeItem(atPath: file) })
        #expect(store.current.names.map(\.name) == ["C"])
    }

    @Test func `readers beside reloads see whole sets`() async throws {
        let folder = try Folder()
        let file = folder.path + "/secrets"
        try SecretFile.set(file, [("A", "0"), ("B", "0")])
        let store = try SecretStore(SecretSources(file: file))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for round in 1...50 {
                    try SecretFile.set(file, [("A", "\(round)"), ("B", "\(round)")])
                    try store.reload()
                }
            }
            group.addTask {
                for _ in 0..<2000 {
                    let set = store.current
                    #expect(set.value("A")?.reveal() == set.value("B")?.reveal())
                }
            }
            try await group.waitForAll()
        }
        #expect(store.current.value("A")?.reveal() == "50")
    }
}
