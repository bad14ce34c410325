import Foundation
import GRDB
import Testing

@testable import SwiftletRealtime

@Suite struct `A history in a file` {
    let scratch = HistoryScratch()

    private func failure(_ path: String) -> HistoryError? {
        do throws(HistoryError) {
            _ = try SQLiteHistory(path: path)
            return nil
        } catch {
            return error
        }
    }

    private func stored(_ count: UInt64, topic: String = "t", bytes: Int = 2) async throws -> TopicPosition {
        let history = try SQLiteHistory(path: scratch.path)
        _ = try await history.position(of: topic, isPrivate: true)
        for offset in 1...count { try await history.append([message(topic, offset, bytes: bytes)]) }
        let position = try await history.position(of: topic, isPrivate: true)
        await history.close()
        return position
    }

    @Test func `opened again it goes on where it was`() async throws {
        let position = try await stored(3)
        let history = try SQLiteHistory(path: scratch.path)
        #expect(try await history.position(of: "t", isPrivate: true) == position)
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 9) == (1...3).map { message("t", $0) })
        try await history.append([message("t", 4)])
        await history.close()
    }

    @Test func `its folder is made, and only its user may read it`() async throws {
        let path = scratch.folder + "/inner/history.sqlite"
        let history = try SQLiteHistory(path: path)
        _ = try await history.position(of: "t", isPrivate: true)
        for name in ["", "/history.sqlite", "/history.sqlite-wal"] {
            let rights =
                try FileManager.default.attributesOfItem(atPath: scratch.folder + "/inner" + name)[.posixPermissions] as? Int
            #expect(rights == (name == "" ? 0o700 : 0o600), "\(name)")
        }
        await history.close()
    }

    @Test func `a second host is kept out while the first has it, and let in afterwards`() async throws {
        let first = try SQLiteHistory(path: scratch.path)
        let refusal = try #require(failure(scratch.path))
        #expect(refusal.code == .busy && refusal.message.contains(scratch.path))
        await first.close()
        await (try SQLiteHistory(path: scratch.path)).close()
    }

    @Test func `a lost or emptied file begins new epochs`() async throws {
        let position = try await stored(3)
        try Data().write(to: URL(fileURLWithPath: scratch.path))
        var history = try SQLiteHistory(path: scratch.path)
        let emptied = try await history.position(of: "t", isPrivate: true)
        #expect(emptied.epoch != position.epoch && emptied.lastOffset == 0)
        await history.close()
        try FileManager.default.removeItem(atPath: scratch.path)
        history = try SQLiteHistory(path: scratch.path)
        #expect(try await history.position(of: "t", isPrivate: true).epoch != emptied.epoch)
        await history.close()
    }

    @Test func `a file that is no database is refused by name and left alone`() throws {
        let content = Data(repeating: 0x41, count: 10_000)
        try content.write(to: URL(fileURLWithPath: scratch.path))
        let refusal = try #require(failure(scratch.path))
        #expect(refusal.code == .damaged && refusal.message.contains(scratch.path))
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path)) == content)
    }

    @Test func `a database with damage in the middle is refused by name and left alone`() async throws {
        _ = try await stored(200, bytes: 500)
        var content = try Data(contentsOf: URL(fileURLWithPath: scratch.path))
        #expect(content.count > 100_000)
        for index in stride(from: 4_096 * 4, to: content.count - 4_096, by: 4_096) {
            content.replaceSubrange(index..<index + 64, with: Data(repeating: 0xFF, count: 64))
        }
        try content.write(to: URL(fileURLWithPath: scratch.path))
        let refusal = try #require(failure(scratch.path))
        #expect(refusal.code == .damaged && refusal.message.contains(scratch.path))
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path)) == content)
    }

    @Test func `a database of another program is refused`() throws {
        let other = try DatabaseQueue(path: scratch.path)
        try other.write { try $0.execute(sql: "CREATE TABLE theirs (a)") }
        try other.close()
        let refusal = try #require(failure(scratch.path))
        #expect(refusal.code == .damaged && refusal.message.contains(scratch.path))
    }

    @Test func `a file of a newer version is refused`() async throws {
        _ = try await stored(1)
        let other = try DatabaseQueue(path: scratch.path)
        try await other.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('of the future')") }
        try other.close()
        let refusal = try #require(failure(scratch.path))
        #expect(refusal.code == .newer && refusal.message.contains(scratch.path))
    }

    @Test func `a place where no file can be is refused by name`() throws {
        try Data().write(to: URL(fileURLWithPath: scratch.folder + "/file"))
        for path in [scratch.folder + "/file/history.sqlite", scratch.folder + "/a/b/history.sqlite", "", "a\u{0}b"] {
            #expect(failure(path)?.code == .failed, "\(path)")
        }
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        #expect(failure(scratch.path)?.message.contains(scratch.path) == true)
    }

    @Test func `with a full disk nothing is half written, and it goes on when there is room`() async throws {
        let history = try SQLiteHistory(path: scratch.path)
        _ = try await history.position(of: "t", isPrivate: true)
        try await history.append([message("t", 1)])
        func limit(_ pages: Int) throws {
            try history.file.writer.writeWithoutTransaction { database in
                let now = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
                try database.execute(sql: "PRAGMA max_page_count = \(now + pages)")
            }
        }
        try limit(20)
        // Alone and together with others.
        #expect(await code { try await history.append((2...40).map { message("t", $0, bytes: 5_000) }) } == .full)
        let codes = await withTaskGroup(of: HistoryError.Code?.self) { group in
            for _ in 0..<8 {
                group.addTask { await code { try await history.append((2...40).map { message("t", $0, bytes: 5_000) }) } }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.allSatisfy { $0 == .full })
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 99).map(\.offset) == [1])
        #expect(try await history.position(of: "t", isPrivate: true).lastOffset == 1)
        try limit(1_000_000)
        try await history.append((2...40).map { message("t", $0, bytes: 5_000) })
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 99).map(\.offset) == Array(1...40))
        await history.close()
    }

    @Test func `what may not be written says so`() async throws {
        let history = try SQLiteHistory(path: scratch.path)
        _ = try await history.position(of: "t", isPrivate: true)
        try await history.file.writer.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = 1") }
        do {
            try await history.append([message("t", 1)])
            Issue.record("it was written")
        } catch let error as HistoryError {
            #expect(error.code == .readOnly && error.message.contains(scratch.path))
        }
        try await history.file.writer.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = 0") }
        try await history.append([message("t", 1)])
        await history.close()
    }

    @Test func `after a power cut every topic begins a new epoch, after a proper end none`() async throws {
        let position = try await stored(3)
        func mark(_ value: String?) throws {
            let other = try DatabaseQueue(path: scratch.path)
            try other.write { database in
                try database.execute(sql: "DELETE FROM marks")
                if let value { try database.execute(sql: "INSERT INTO marks VALUES ('open', ?)", arguments: [value]) }
            }
            try other.close()
        }
        func now() async throws -> TopicPosition {
            let history = try SQLiteHistory(path: scratch.path)
            let position = try await history.position(of: "t", isPrivate: true)
            await history.close()
            return position
        }
        #expect(try await now() == position)
        // Ended without a word, but the kernel is the same: nothing can be missing.
        let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        try mark(String(boot.prefix(36)))
        #expect(try await now() == position)
        try mark("another start of the machine")
        let after = try await now()
        #expect(after.epoch != position.epoch && after.lastOffset == 3)
        #expect(try await now() == after)
    }

    @Test func `a row that is not as it was written is an error, not the end of the process`() async throws {
        let history = try SQLiteHistory(path: scratch.path)
        _ = try await history.position(of: "t", isPrivate: true)
        try await history.append([message("t", 1)])
        try await history.file.writer.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA writable_schema = 1")
            try database.execute(
                sql: "UPDATE sqlite_schema SET sql = replace(replace(sql, ' NOT NULL', ''), ') STRICT', ')') WHERE type = 'table'"
            )
            try database.execute(sql: "PRAGMA writable_schema = RESET")
            try database.execute(sql: "UPDATE log SET time = NULL, is_binary = x'00'; UPDATE topics SET last_offset = 'x'")
        }
        await #expect(throws: HistoryError.self) { try await history.position(of: "t", isPrivate: true) }
        await #expect(throws: HistoryError.self) { try await history.read(topic: "t", isPrivate: true, after: 0, limit: 1) }
        await history.close()
    }

    @Test func `what is pruned makes room for what comes`() async throws {
        let history = try SQLiteHistory(path: scratch.path)
        _ = try await history.position(of: "t", isPrivate: true)
        var sizes: [Int] = []
        var offset: UInt64 = 0
        for _ in 0..<4 {
            try await history.append(
                (0..<300).map { _ in
                    offset += 1
                    return message("t", offset, bytes: 2_000)
                })
            #expect(try await history.prune(now: 0, maxAge: .max, maxPerTopic: 10, maxBytes: .max) == (sizes.isEmpty ? 290 : 300))
            sizes.append(
                try await history.file.writer.read { try Int.fetchOne($0, sql: "PRAGMA page_count") } ?? 0)
        }
        #expect(sizes.allSatisfy { $0 < 150 }, "\(sizes)")
        await history.close()
    }

    @Test func `waiting calls are answered before it is closed`() async throws {
        let history = try SQLiteHistory(path: scratch.path)
        for number in 0..<50 { _ = try await history.position(of: "t\(number)", isPrivate: true) }
        let outcomes = await withTaskGroup(of: (Int, HistoryError.Code?).self) { group in
            for number in 0..<50 {
                group.addTask { (number, await code { try await history.append([message("t\(number)", 1)]) }) }
            }
            group.addTask {
                await history.close()
                return (-1, nil)
            }
            return await group.reduce(into: [Int: HistoryError.Code?]()) { $0[$1.0] = $1.1 }
        }
        let again = try SQLiteHistory(path: scratch.path)
        for number in 0..<50 {
            let there = try await again.read(topic: "t\(number)", isPrivate: true, after: 0, limit: 9).count == 1
            switch outcomes[number] {
            case .some(.none): #expect(there)
            case .some(.some(let code)): #expect(code == .closed && !there)
            case .none: Issue.record("\(number) was not answered")
            }
        }
        await again.close()
    }
}
