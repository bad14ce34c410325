import SwiftletCrypto
import SwiftletJSON
import Testing

@testable import SwiftletStorage

/// What every store behind the seam does alike, asked of each with clients of its own. Where one cannot, its promises say so, and it is held
/// to that as well.
@Suite(.timeLimit(.minutes(2))) struct `Every store` {
    // MARK: Uploads

    @Test(arguments: Store.allCases) func `what is uploaded with a link is there as it was signed`(_ kind: Store) async throws {
        let (store, promises) = (try kind.open(), kind.promises)
        try await store.store("u1/a b.txt") { grant in
            (grant.metadata, grant.displayName) = (#"{"a":"é","b":[1]}"#, "Ärger & Co \"1\".txt")
            grant.sha256 = SHA256.hash(Array("hello".utf8)).bytes
        }
        let info = try await store.storage.info(Self.at("u1/a b.txt"))
        #expect(info.path == Self.at("u1/a b.txt"))
        #expect((info.size, info.contentType) == (5, "text/plain"))
        #expect(!info.id.isEmpty && !info.etag.isEmpty && !info.version.isEmpty)
        let metadata = try JSON.parse(Array((info.metadata ?? "").utf8))
        #expect(metadata == ["a": "é", "b": [1]])
        #expect(info.owner == (promises.keepsOwner ? "u1" : nil))
        #expect(info.displayName == (promises.keepsDisplayName ? "Ärger & Co \"1\".txt" : nil))
        #expect(abs(info.updatedAt - store.clock.now) < 1000 && abs(info.createdAt - store.clock.now) < 1000)
        let listed = try await Self.objects(store.storage.list(ListQuery(bucket: "attachments", prefix: "u1")))
        #expect(listed.map(\.path) == [info.path] && listed.map(\.size) == [5] && listed.map(\.id) == [info.id])
        #expect(listed.map(\.etag) == [info.etag] && listed.map(\.updatedAt) == [info.updatedAt])
        #expect(listed.map(\.contentType) == [promises.listsAll ? "text/plain" : "application/octet-stream"])
        if promises.listsAll { #expect(listed.map(\.displayName) == [info.displayName] && listed.map(\.owner) == [info.owner]) }
    }

    @Test(arguments: Store.allCases) func `what is there is overwritten with leave only`(_ kind: Store) async throws {
        let store = try kind.open()
        // Both asked for while nothing was there.
        let first = try await store.storage.signUpload(Self.grant("u1/a.txt"))
        let second = try await store.storage.signUpload(Self.grant("u1/a.txt"))
        #expect(try await store.put(first, Array("hello".utf8)).isGood)
        let late = try await store.put(second, Array("jello".utf8))
        #expect(late.status == 409 || late.status == 412)
        #expect(
            await Self.fault { () throws(StorageError) in try await store.storage.signUpload(Self.grant("u1/a.txt")) }
                == .keyAlreadyExists)
        let before = try await store.storage.info(Self.at("u1/a.txt"))
        store.clock.advance(5000)
        try await store.store("u1/a.txt", "longer text") { $0.upsert = true }
        let after = try await store.storage.info(Self.at("u1/a.txt"))
        #expect(after.size == 11 && after.id == before.id && after.version != before.version)
        #expect(after.updatedAt > before.updatedAt)
    }

    @Test(arguments: Store.allCases) func `a link is for what was signed, as far as the store can hold it to that`(_ kind: Store)
        async throws
    {
        let (store, promises) = (try kind.open(), kind.promises)
        func sent(
            _ key: String, _ text: String, type: String? = nil, url: (String) -> String = { $0 },
            change: (inout UploadGrant) -> Void = { _ in }
        ) async throws -> Bool {
            let signed = try await store.storage.signUpload(Self.grant(key, change))
            return try await store.put(signed, Array(text.utf8), url: url(signed.url), type: type).isGood
        }
        #expect(try await sent("u1/1.txt", "hello!") == !promises.bindsSize)
        #expect(try await sent("u1/2.txt", "hell") == !promises.bindsSize)
        #expect(try await sent("u1/3.txt", "hello", type: "text/csv") == !promises.bindsType)
        let digest = SHA256.hash(Array("hello".utf8)).bytes
        #expect(try await sent("u1/4.txt", "jello", change: { $0.sha256 = digest }) == !promises.bindsDigest)
        #expect(try await sent("u1/5.txt", "hello", change: { $0.sha256 = digest }))
        #expect(try await sent("u1/6.txt", "1234567", change: { $0.size = .upTo(6) }) == !promises.bindsSize)
        #expect(try await sent("u1/7.txt", "123", change: { $0.size = .upTo(6) }))
        // Another place, whatever the store.
        for other in ["u1/9.txt", "u2/8.txt", "u1/8.txt.txt"] {
            #expect(try await sent("u1/8.txt", "hello", url: { $0.replacing("/u1/8.txt", with: "/\(other)") }) == false)
        }
        #expect(try await sent("u1/8.txt", "hello", url: { $0.replacing("attachments", with: "pictures") }) == false)
        // A changed signature.
        #expect(try await sent("u1/8.txt", "hello", url: { String($0.dropLast()) }) == false)
        for key in ["u1/8.txt", "u1/9.txt", "u2/8.txt", "u1/8.txt.txt"] {
            #expect(await Self.fault { () throws(StorageError) in try await store.storage.info(Self.at(key)) } == .noSuchKey)
        }
    }

    @Test(arguments: Store.allCases) func `a link makes one object, as far as the store can count`(_ kind: Store) async throws {
        let store = try kind.open()
        let signed = try await store.storage.signUpload(Self.grant("u1/a.txt") { $0.upsert = true })
        #expect(try await store.put(signed, Array("hello".utf8)).isGood)
        #expect(try await store.put(signed, Array("jello".utf8)).isGood == !kind.promises.isOneTime)
        #expect(try await store.storage.info(Self.at("u1/a.txt")).size == 5)
    }

    @Test(arguments: Store.allCases) func `links end with their time`(_ kind: Store) async throws {
        let (store, promises) = (try kind.open(), kind.promises)
        let signed = try await store.storage.signUpload(Self.grant("u1/a.txt") { $0.expiresInSeconds = 60 })
        let whole = store.clock.now / 1000 * 1000
        #expect(signed.expiresAt == whole + (promises.bindsTime ? 60_000 : SupabaseDouble.uploadSeconds * 1000))
        try await store.store("u1/b.txt")
        let options = DownloadOptions(expiresInSeconds: 60)
        let link = try await Self.one(store.storage.signDownloads([Self.at("u1/b.txt")], options))
        #expect(link.expiresAt == whole + 60_000)
        store.clock.advance(59_000)
        #expect(try await store.get(link).body == Array("hello".utf8))
        store.clock.advance(2000)
        let late = try await store.get(link)
        #expect(!late.isGood && late.body != Array("hello".utf8))
        #expect(try await store.put(signed, Array("hello".utf8)).isGood == !promises.bindsTime)
        store.clock.advance(SupabaseDouble.uploadSeconds * 1000)
        #expect(try await !store.put(signed, Array("hello".utf8)).isGood)
    }

    @Test(arguments: Store.allCases) func `a grant that no store could keep is refused before it is asked`(_ kind: Store)
        async throws
    {
        let store = try kind.open()
        let cases: [(StorageError.Code, (inout UploadGrant) -> Void)] = [
            (.invalidParameter, { $0.size = .exactly(-1) }), (.invalidParameter, { $0.size = .upTo(-1) }),
            (.invalidParameter, { $0.sha256 = [1, 2, 3] }), (.invalidParameter, { $0.expiresInSeconds = 0 }),
            (.invalidParameter, { $0.expiresInSeconds = 604_801 }), (.invalidParameter, { $0.expiresInSeconds = .max }),
            (.invalidMimeType, { $0.contentType = "text" }), (.invalidMimeType, { $0.contentType = "" }),
            (.invalidMimeType, { $0.contentType = "text/plain\r\nx: y" }), (.invalidMimeType, { $0.contentType = "text/plaïn" }),
        ]
        for (number, (code, change)) in cases.enumerated() {
            let grant = Self.grant("u1/a.txt", change)
            #expect(
                await Self.fault { () throws(StorageError) in try await store.storage.signUpload(grant) } == code,
                "case \(number)")
        }
        #expect(store.questions == 0)
    }

    // MARK: Downloads

    @Test(arguments: Store.allCases) func `links to read come one for each path, and a miss is its own`(_ kind: Store)
        async throws
    {
        let store = try kind.open()
        try await store.store("u1/a b.txt", "first")
        try await store.store("u1/(c) & $d=1?.txt", "second")
        let paths = [
            Self.at("u1/a b.txt"), Self.at("u1/gone.txt"), Self.at("u1/a b.txt", "pictures"), Self.at("u1/a b.txt", "missing"),
            Self.at("../u1/a b.txt"), Self.at("u1/(c) & $d=1?.txt"), Self.at("u1/a b.txt"),
        ]
        let links = try await store.storage.signDownloads(paths, DownloadOptions(expiresInSeconds: 60))
        #expect(links.count == paths.count)
        let bodies = [0: "first", 5: "second", 6: "first"]
        for (place, link) in links.enumerated() {
            switch (place, link) {
            case (0, .success(let link)), (5, .success(let link)), (6, .success(let link)):
                #expect(try await store.get(link).body == bodies[place].map { Array($0.utf8) })
                // Nobody writes with it.
                #expect(try await !store.send("PUT", link.url, [("content-length", "5")], Array("jello".utf8), form: []).isGood)
            case (1, .failure(let error)), (2, .failure(let error)): #expect(error.code == .noSuchKey)
            case (3, .failure(let error)): #expect([.noSuchKey, .noSuchBucket].contains(error.code))
            case (4, .failure(let error)): #expect(error.code == .invalidKey)
            default: Issue.record("\(place): \(link)")
            }
        }
        #expect(try await store.storage.signDownloads([], DownloadOptions(expiresInSeconds: 60)).isEmpty)
        let upload = try await store.storage.signUpload(Self.grant("u1/a b.txt") { $0.upsert = true })
        #expect(try await !store.send("GET", upload.url, [], [], form: []).isGood)
        for seconds in [0, -1, 604_801] {
            #expect(
                await Self.fault { () throws(StorageError) in
                    try await store.storage.signDownloads([paths[0]], DownloadOptions(expiresInSeconds: seconds))
                } == .invalidParameter)
        }
    }

    @Test(arguments: Store.allCases) func `a download is saved under the name asked for, in any letters`(_ kind: Store)
        async throws
    {
        let store = try kind.open()
        try await store.store("u1/a.txt") { $0.displayName = "Über.txt" }
        func disposition(_ name: String?) async throws -> String {
            let options = DownloadOptions(expiresInSeconds: 60, download: .attachment(name: name))
            let link = try await Self.one(store.storage.signDownloads([Self.at("u1/a.txt")], options))
            return try await store.get(link).header("content-disposition") ?? ""
        }
        let named = try await disposition("Größe \"1\"; x=y.txt")
        #expect(named.hasPrefix("attachment") && named.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(named.contains("filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22%3B%20x%3Dy.txt"))
        let own = try await disposition(nil)
        #expect(own.hasPrefix("attachment"))
        if kind.promises.keepsDisplayName { #expect(own.contains("filename*=UTF-8''%C3%9Cber.txt")) }
    }

    // MARK: What is there

    @Test(arguments: Store.allCases) func `what is moved away is no longer where it was`(_ kind: Store) async throws {
        let store = try kind.open()
        try await store.store("u1/a.txt")
        let options = DownloadOptions(expiresInSeconds: 60)
        let old = try await Self.one(store.storage.signDownloads([Self.at("u1/a.txt")], options))
        try await store.move("u1/a.txt", to: "u1/new/b.txt")
        #expect(try await store.get(old).status == 404)
        #expect(await Self.fault { () throws(StorageError) in try await store.storage.info(Self.at("u1/a.txt")) } == .noSuchKey)
        let links = try await store.storage.signDownloads([Self.at("u1/a.txt"), Self.at("u1/new/b.txt")], options)
        #expect(links.first.flatMap(Self.code) == .noSuchKey)
        #expect(try await store.get(links[1].get()).body == Array("hello".utf8))
        #expect(try await store.storage.info(Self.at("u1/new/b.txt")).size == 5)
        #expect(try await Self.names(store.storage.list(ListQuery(bucket: "attachments", prefix: "u1"))) == ["new/"])
        // Its old place is free.
        try await store.store("u1/a.txt")
    }

    @Test(arguments: Store.allCases) func `what is removed is told and gone`(_ kind: Store) async throws {
        let store = try kind.open()
        for key in ["u1/a.txt", "u1/b.txt", "u1/c.txt"] { try await store.store(key) }
        let link = try await Self.one(store.storage.signDownloads([Self.at("u1/a.txt")], DownloadOptions(expiresInSeconds: 60)))
        let wanted = [
            "u1/a.txt", "u1/gone.txt", "u1/b.txt", "u1/a.txt", "../u1/c.txt", "", "/u1/c.txt", "u1/c.txt\u{0}", "u1", "u1/",
        ]
        let removed = try await store.storage.remove(bucket: "attachments", keys: wanted)
        #expect(removed.map(\.path.key).sorted() == ["u1/a.txt", "u1/b.txt"] && removed.allSatisfy { $0.size == 5 })
        #expect(await Self.fault { () throws(StorageError) in try await store.storage.info(Self.at("u1/a.txt")) } == .noSuchKey)
        #expect(try await store.get(link).status == 404)
        #expect(try await Self.names(store.storage.list(ListQuery(bucket: "attachments", prefix: "u1"))) == ["c.txt"])
        #expect(try await store.storage.remove(bucket: "attachments", keys: wanted).isEmpty)
        #expect(try await store.storage.remove(bucket: "attachments", keys: []).isEmpty)
        // Not one of the same name elsewhere.
        #expect(try await store.storage.remove(bucket: "pictures", keys: ["u1/c.txt"]).isEmpty)
        #expect(try await store.storage.info(Self.at("u1/c.txt")).size == 5)
    }

    @Test(arguments: Store.allCases) func `a folder is listed without what lies deeper`(_ kind: Store) async throws {
        let store = try kind.open()
        for key in ["u1/z.txt", "u1/b/1.txt", "u1/b/c/2.txt", "u1/m.txt", "u1/x/3.txt", "u10/4.txt", "5.txt"] {
            try await store.store(key)
        }
        func listed(_ prefix: String, ascending: Bool = true) async throws -> [String] {
            try await Self.names(store.storage.list(ListQuery(bucket: "attachments", prefix: prefix, ascending: ascending)))
        }
        let (folders, objects) = (["b/", "x/"], ["m.txt", "z.txt"])
        let mixed = ["b/", "m.txt", "x/", "z.txt"]
        for prefix in ["u1", "u1/"] {
            #expect(try await listed(prefix) == (kind.promises.foldersFirst ? folders + objects : mixed))
            let reversed = try await listed(prefix, ascending: false)
            #expect(reversed == (kind.promises.foldersFirst ? folders.reversed() + objects.reversed() : mixed.reversed()))
        }
        #expect(try await Set(listed("")) == ["u1/", "u10/", "5.txt"])
        #expect(try await listed("u1/b") == (kind.promises.foldersFirst ? ["c/", "1.txt"] : ["1.txt", "c/"]))
        #expect(try await listed("u1/b/c") == ["2.txt"])
        #expect(try await listed("u1/none").isEmpty)
        #expect(try await listed("u").isEmpty)
        #expect(try await Self.names(store.storage.list(ListQuery(bucket: "pictures"))).isEmpty)
        let paths = try await Self.objects(store.storage.list(ListQuery(bucket: "attachments", prefix: "u1/b/"))).map(\.path.key)
        #expect(paths == ["u1/b/1.txt"])
    }

    @Test(arguments: Store.allCases) func `pages put together are the whole folder`(_ kind: Store) async throws {
        let store = try kind.open()
        for number in 0..<11 { try await store.store("u1/o\(number).txt") }
        for number in 0..<4 { try await store.store("u1/p\(number)/x.txt") }
        for ascending in [true, false] {
            let whole = try await store.storage.list(
                ListQuery(bucket: "attachments", prefix: "u1", limit: 1000, ascending: ascending))
            #expect(whole.count == 15 && Set(Self.names(whole)).count == 15)
            for limit in [1, 4, 15] {
                var pages: [ListEntry] = []
                while true {
                    let page = try await store.storage.list(
                        ListQuery(bucket: "attachments", prefix: "u1", limit: limit, offset: pages.count, ascending: ascending))
                    if page.isEmpty { break }
                    #expect(page.count == min(limit, 15 - pages.count))
                    pages += page
                }
                #expect(pages == whole)
            }
        }
        #expect(try await store.storage.list(ListQuery(bucket: "attachments", prefix: "u1", offset: 15)).isEmpty)
    }

    @Test(arguments: Store.allCases) func `objects can be listed by time`(_ kind: Store) async throws {
        let store = try kind.open()
        for key in ["u1/b.txt", "u1/c.txt", "u1/a.txt"] {
            try await store.store(key)
            store.clock.advance(2000)
        }
        func listed(_ column: ListQuery.SortColumn, _ ascending: Bool) async throws -> [String] {
            let query = ListQuery(bucket: "attachments", prefix: "u1", sortBy: column, ascending: ascending)
            return try await Self.names(store.storage.list(query))
        }
        #expect(try await listed(.created_at, true) == ["b.txt", "c.txt", "a.txt"])
        #expect(try await listed(.created_at, false) == ["a.txt", "c.txt", "b.txt"])
        try await store.store("u1/b.txt", "again") { $0.upsert = true }
        #expect(try await listed(.updated_at, false) == ["b.txt", "a.txt", "c.txt"])
    }

    @Test(arguments: Store.allCases) func `a search finds names, as far as the store looks`(_ kind: Store) async throws {
        let store = try kind.open()
        try await store.store("u1/holiday.txt") { $0.displayName = "Sömmer Photo.txt" }
        try await store.store("u1/photo-1.txt") { $0.displayName = "one.txt" }
        try await store.store("u1/my photo.txt") { $0.displayName = "two.txt" }
        try await store.store("u1/photos/3.txt")
        try await store.store("u2/photo-4.txt")
        func found(_ text: String) async throws -> Set<String> {
            try await Set(Self.names(store.storage.list(ListQuery(bucket: "attachments", prefix: "u1", search: text))))
        }
        let start: Set = ["photo-1.txt", "photos/"]
        switch kind.promises.search {
        case .partOfNameOrDisplayName:
            #expect(try await found("PHOTO") == start.union(["my photo.txt", "holiday.txt"]))
            #expect(try await found("sömmer") == ["holiday.txt"])
            // As a system writes it that takes letters apart.
            #expect(try await found("so\u{308}mmer") == ["holiday.txt"])
            #expect(try await found("\u{200B}").isEmpty)
        case .partOfName: #expect(try await found("PHOTO") == start.union(["my photo.txt"]))
        case .startOfName: #expect(try await found("PHOTO") == start)
        }
        #expect(try await found("photo-1") == ["photo-1.txt"])
        #expect(try await found("nothing").isEmpty)
        #expect(try await found("").count == 4)
    }

    @Test(arguments: Store.allCases) func `an owner's objects alone are listed, where the store knows owners`(_ kind: Store)
        async throws
    {
        let store = try kind.open()
        try await store.store("u1/a.txt")
        try await store.store("u1/b.txt") { $0.owner = "u2" }
        var query = ListQuery(bucket: "attachments", prefix: "u1", owner: "u1")
        if kind.promises.listsOwners {
            #expect(try await Self.names(store.storage.list(query)) == ["a.txt"])
        } else {
            // The folder stands for the owner; elsewhere it does not.
            #expect(try await Self.names(store.storage.list(query)) == ["a.txt", "b.txt"])
            query.prefix = "u2"
            let elsewhere = query
            #expect(await Self.fault { () throws(StorageError) in try await store.storage.list(elsewhere) } == .invalidParameter)
        }
    }

    // MARK: Refusals

    static let elsewhere = [
        "../x.txt", "u1/../../x.txt", "u1/..", "u1/./x.txt", "", "/x.txt", "//x.txt", "u1/x\u{0}.txt", "u1/x\r\n.txt",
        "u1/\u{7F}",
        String(repeating: "x", count: 1025),
    ]

    @Test(arguments: Store.allCases) func `a key that leads elsewhere does not reach the store`(_ kind: Store) async throws {
        let store = try kind.open()
        for key in Self.elsewhere {
            let (grant, path) = (Self.grant(key), Self.at(key))
            #expect(
                await Self.fault { () throws(StorageError) in try await store.storage.signUpload(grant) } == .invalidKey, "\(key)"
            )
            #expect(await Self.fault { () throws(StorageError) in try await store.storage.info(path) } == .invalidKey, "\(key)")
            let links = try await store.storage.signDownloads([path], DownloadOptions(expiresInSeconds: 60))
            #expect(links.compactMap(Self.code) == [.invalidKey], "\(key)")
            #expect(try await store.storage.remove(bucket: "attachments", keys: [key]).isEmpty, "\(key)")
            if key.isEmpty { continue }
            let query = ListQuery(bucket: "attachments", prefix: key)
            #expect(await Self.fault { () throws(StorageError) in try await store.storage.list(query) } == .invalidKey, "\(key)")
        }
        // More letters may stand in names that others put there, but nobody gets leave for them.
        for key in ["u1/é.txt", "u1/a%2e.txt", "u1/a\\b.txt", "u1/a//b.txt", "u1/.", "u1/a#b.txt"] {
            let grant = Self.grant(key)
            #expect(
                await Self.fault { () throws(StorageError) in try await store.storage.signUpload(grant) } == .invalidKey, "\(key)"
            )
        }
        #expect(store.questions == 0)
    }

    @Test(arguments: Store.allCases) func `a listing that cannot be kept is refused before the store is asked`(_ kind: Store)
        async throws
    {
        let store = try kind.open()
        for query in [
            ListQuery(bucket: "attachments", limit: 0), ListQuery(bucket: "attachments", limit: 1001),
            ListQuery(bucket: "attachments", limit: .min), ListQuery(bucket: "attachments", offset: -1),
        ] {
            #expect(await Self.fault { () throws(StorageError) in try await store.storage.list(query) } == .invalidParameter)
        }
        #expect(store.questions == 0)
    }

    @Test(arguments: Store.allCases) func `more than a thousand at once are refused`(_ kind: Store) async throws {
        let store = try kind.open()
        let keys = (0...1000).map { "u1/\($0)" }
        #expect(
            await Self.fault { () throws(StorageError) in try await store.storage.remove(bucket: "attachments", keys: keys) }
                == .invalidParameter)
        let paths = keys.map { Self.at($0) }
        #expect(
            await Self.fault { () throws(StorageError) in
                try await store.storage.signDownloads(paths, DownloadOptions(expiresInSeconds: 60))
            } == .invalidParameter)
        #expect(store.questions == 0)
    }

    @Test(arguments: Store.allCases) func `a bucket that is not there holds nothing, and most say so`(_ kind: Store) async throws
    {
        let (store, tells) = (try kind.open(), kind.promises.tellsMissingBucket)
        for name in ["missing", "ATTACHMENTS", "attachment", "att%61chments", "..", "a/b", ""] {
            let sign = await Self.fault { () throws(StorageError) in
                try await store.storage.signUpload(Self.grant("u1/a.txt") { $0.path = Self.at("u1/a.txt", name) })
            }
            let info = await Self.fault { () throws(StorageError) in try await store.storage.info(Self.at("u1/a.txt", name)) }
            let remove = await Self.fault { () throws(StorageError) in
                let removed = try await store.storage.remove(bucket: name, keys: ["u1/a.txt"])
                #expect(removed.isEmpty)
            }
            let list = await Self.fault { () throws(StorageError) in
                let entries = try await store.storage.list(ListQuery(bucket: name))
                #expect(entries.isEmpty)
            }
            guard name == "missing" || kind == .local else {
                // A name that no bucket may have is refused as that, or is a bucket that is not there.
                let refusals: Set<StorageError.Code?> = [.invalidBucketName, .noSuchBucket, .noSuchKey, nil]
                #expect(refusals.isSuperset(of: [sign, info, remove, list]), "\(name)")
                continue
            }
            #expect(sign == (tells.contains(.signUpload) ? .noSuchBucket : nil))
            #expect(info == (tells.contains(.info) ? .noSuchBucket : .noSuchKey))
            #expect(remove == (tells.contains(.remove) ? .noSuchBucket : nil))
            #expect(list == (tells.contains(.list) ? .noSuchBucket : nil))
        }
    }

    // MARK: Help

    private static func at(_ key: String, _ bucket: String = "attachments") -> ObjectPath { ObjectPath(bucket: bucket, key: key) }

    private static func grant(_ key: String, _ change: (inout UploadGrant) -> Void = { _ in }) -> UploadGrant {
        LocalUnderTest.grant(key, "hello", change)
    }

    private static func one(_ links: [Result<StoreDownload, StorageError>]) throws -> StoreDownload {
        #expect(links.count == 1)
        return try #require(links.first).get()
    }

    private static func code(_ link: Result<StoreDownload, StorageError>) -> StorageError.Code? {
        if case .failure(let error) = link { error.code } else { nil }
    }

    private static func objects(_ entries: [ListEntry]) -> [ObjectInfo] {
        entries.compactMap { if case .object(_, let info) = $0 { info } else { nil } }
    }

    private static func names(_ entries: [ListEntry]) -> [String] {
        entries.map { entry in
            switch entry {
            case .object(let name, _): name
            case .folder(let name): name + "/"
            }
        }
    }

    private static func fault<Value>(_ body: () async throws(StorageError) -> Value) async -> StorageError.Code? {
        await storageFault(body)?.code
    }
}
