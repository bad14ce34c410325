import GRDB
import Synchronization
import Testing

@testable import SwiftletStorage

@Suite struct `Listing a folder` {
    let scratch = Scratch()

    private func names(_ entries: [ListEntry]) -> [String] {
        entries.map {
            switch $0 {
            case .object(let name, _): name
            case .folder(let name): name + "/"
            }
        }
    }

    private func filled(_ keys: [String], clock: TestClock = TestClock()) async throws -> DiskStore {
        let store = try openStore(scratch, clock: clock)
        for key in keys {
            try await put(store, intent(key, owner: key.contains("theirs") ? "u2" : "u1"), [1])
            clock.advance(1)
        }
        return store
    }

    @Test func `folders come first, each once, then the objects`() async throws {
        let store = try await filled(["z", "a", "b/1", "b/2", "b/c/3", "b-x/4", "b x/5", "a/6", "b.txt", "B/7", "é/8", "é"])
        let all = try await store.list(ListQuery(bucket: "b"))
        #expect(names(all) == ["B/", "a/", "b/", "b x/", "b-x/", "é/", "a", "b.txt", "z", "é"])
        #expect(try await names(store.list(ListQuery(bucket: "b", prefix: "b"))) == ["c/", "1", "2"])
        #expect(try await names(store.list(ListQuery(bucket: "b", prefix: "b/"))) == ["c/", "1", "2"])
        #expect(try await names(store.list(ListQuery(bucket: "b", prefix: "b/c"))) == ["3"])
        #expect(try await names(store.list(ListQuery(bucket: "b", prefix: "é"))) == ["8"])
        #expect(try await names(store.list(ListQuery(bucket: "b", prefix: "none"))) == [])
        #expect(try await names(store.list(ListQuery(bucket: "c"))) == [])
        #expect(await refusal { try await store.list(ListQuery(bucket: "none")) } == .noSuchBucket)
        #expect(
            try await names(store.list(ListQuery(bucket: "b", ascending: false)))
                == ["é/", "b-x/", "b x/", "b/", "a/", "B/", "é", "z", "b.txt", "a"])
    }

    @Test func `pages put together are the whole`() async throws {
        let keys =
            (0..<40).map { "f\($0)/x" } + (0..<40).map { "f1/g\($0)/y/z" } + (0..<40).map { "o\($0)" }
            + (0..<30).map { "f1/o\($0)" }
        let store = try await filled(keys)
        for prefix in ["", "f1"] {
            for ascending in [true, false] {
                let whole = try await store.list(ListQuery(bucket: "b", prefix: prefix, limit: 1000, ascending: ascending))
                #expect(whole.count == (prefix.isEmpty ? 80 : 71))
                for limit in [1, 7, 40] {
                    var pages: [ListEntry] = []
                    while true {
                        let page = try await store.list(
                            ListQuery(bucket: "b", prefix: prefix, limit: limit, offset: pages.count, ascending: ascending))
                        if page.isEmpty { break }
                        #expect(page.count == min(limit, whole.count - pages.count))
                        pages += page
                    }
                    #expect(pages == whole)
                }
            }
        }
    }

    @Test func `a search finds part of a name and knows no wildcards`() async throws {
        let store = try await filled(["100%", "1000", "a_b", "axb", "Photo.PNG", "photos/1", "x/photo", "[a]", "it's"])
        func found(_ text: String) async throws -> [String] { try await names(store.list(ListQuery(bucket: "b", search: text))) }
        #expect(try await found("100%") == ["100%"])
        #expect(try await found("%") == ["100%"])
        #expect(try await found("_") == ["a_b"])
        #expect(try await found("PHOTO") == ["photos/", "Photo.PNG"])
        #expect(try await found("[a]") == ["[a]"])
        #expect(try await found("'s") == ["it's"])
        #expect(try await found("*") == [])
        #expect(try await found("\u{0}") == [])
        #expect(try await found("").count == 9)
        #expect(try await names(store.list(ListQuery(bucket: "b", prefix: "%"))) == [])
    }

    @Test func `objects can be ordered by time, and only an owner's be shown`() async throws {
        let store = try await filled(["c", "a", "b", "theirs/x", "f/theirs", "g/mine", "theirs"])
        func order(_ column: ListQuery.SortColumn, _ ascending: Bool) async throws -> [String] {
            try await names(store.list(ListQuery(bucket: "b", sortBy: column, ascending: ascending, owner: "u1")))
        }
        #expect(try await order(.created_at, true) == ["g/", "c", "a", "b"])
        #expect(try await order(.created_at, false) == ["g/", "b", "a", "c"])
        try await put(store, intent("c", upsert: true), [1])
        #expect(try await order(.updated_at, false) == ["g/", "c", "b", "a"])
        #expect(try await order(.name, true) == ["g/", "a", "b", "c"])
        #expect(try await names(store.list(ListQuery(bucket: "b", owner: "u2"))) == ["f/", "theirs/", "theirs"])
    }

    @Test func `a page of a folder does not look at what lies in other folders`() throws {
        let folder = try DiskFolder(path: scratch.store, fault: nil)
        let catalogue = try Catalogue(folder)
        try catalogue.change { database in
            for number in 0..<20_000 {
                try CatalogueObjects.insert(
                    ObjectInfo(
                        id: "i", path: ObjectPath(bucket: "b", key: "deep/\(number % 10)/\(number)"), version: "\(number)",
                        owner: nil, size: 0,
                        contentType: "t", cacheControl: nil, etag: "", createdAt: 0, updatedAt: 0, metadata: nil, displayName: nil
                    ),
                    in: database)
            }
        }
        for (query, count) in [(ListQuery(bucket: "b"), 1), (ListQuery(bucket: "b", prefix: "deep"), 10)] {
            let listing = try #require(CatalogueListing(query))
            let steps = Atomic(0)
            let entries = try catalogue.ask { database -> [ListEntry] in
                database.trace { _ in steps.add(1, ordering: .relaxed) }
                defer { database.trace(options: []) }
                return try listing.entries(in: database)
            }
            #expect(entries.count == count)
            // One question a folder, one after the last, one for the objects.
            #expect(steps.load(ordering: .relaxed) == count + 2)
        }
    }
}
