import SwiftletJSON

/// Lists, removal, moving, buckets.
extension StorageAPI {
    // MARK: Lists

    /// `POST /object/list/{bucket}` `{"prefix", "limit", "offset", "sortBy", "search"}`: one folder.
    func list(_ request: StorageRequest, _ bucket: Bucket) async throws(StorageError) -> StorageReply {
        let caller = try knownCaller(request)
        let body = try await Self.object(request)
        var query = ListQuery(bucket: bucket.id)
        query.prefix = body["prefix"]?.string ?? ""
        query.search = body["search"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        query.limit = try Self.number(body["limit"], in: 1...1000, default: 100, named: "limit")
        query.offset = try Self.number(body["offset"], in: 0...10_000_000, default: 0, named: "offset")
        try Self.sort(body["sortBy"], &query)
        guard try see(&query, caller) else { return Self.json([]) }
        let entries = try await store.list(query)
        return Self.json(
            .array(
                entries.map { entry in
                    switch entry {
                    case .object(let name, let info): return Self.listed(name, info)
                    case .folder(let name): return Self.folder(name)
                    }
                }))
    }

    private static func folder(_ name: String) -> JSON {
        ["name": .string(name), "id": nil, "updated_at": nil, "created_at": nil, "last_accessed_at": nil, "metadata": nil]
    }

    /// `POST /object/list-v2/{bucket}`: the same in pages; the cursor says how many came before.
    func listPages(_ request: StorageRequest, _ bucket: Bucket) async throws(StorageError) -> StorageReply {
        let caller = try knownCaller(request)
        let body = try await Self.object(request)
        var query = ListQuery(bucket: bucket.id)
        query.prefix = body["prefix"]?.string ?? ""
        let limit = try Self.number(body["limit"], in: 1...1000, default: 1000, named: "limit")
        if let cursor = body["cursor"]?.string, !cursor.isEmpty {
            guard let offset = Int(cursor), offset >= 0 else {
                throw StorageError(.invalidParameter, "The cursor is none of this list's")
            }
            query.offset = offset
        }
        try Self.sort(body["sortBy"], &query)
        guard try see(&query, caller) else { return Self.json(["hasNext": false, "folders": [], "objects": []]) }
        query.limit = limit
        let page = try await store.list(query)
        query.offset += page.count
        query.limit = 1
        let hasNext = page.count == limit ? try await !store.list(query).isEmpty : false
        var folders: [JSON] = []
        var objects: [JSON] = []
        let root = query.prefix.isEmpty || query.prefix.hasSuffix("/") ? query.prefix : query.prefix + "/"
        for entry in page {
            switch entry {
            case .folder(let name): folders.append(["name": .string(name), "key": .string("\(root)\(name)/")])
            case .object(let name, let info):
                guard case .object(let members) = Self.listed(name, info) else { continue }
                objects.append(JSON(members: members.map { ($0.name, $0.value) } + [("key", .string(info.path.key))]))
            }
        }
        return Self.json(
            JSON(members: [
                ("hasNext", .bool(hasNext)), ("folders", .array(folders)), ("objects", .array(objects)),
                ("nextCursor", hasNext ? .string(String(query.offset)) : nil),
            ]))
    }

    /// Whether there is anything to see in the folder asked for: everything for the project; for a user what lies below the user's own folder,
    /// and at the root that folder alone.
    private func see(_ query: inout ListQuery, _ caller: StorageCaller) throws(StorageError) -> Bool {
        switch caller {
        case .service: return true
        case .nobody: throw StorageError(.accessDenied, "Sign in to list objects")
        case .user(let id):
            var folder = query.prefix
            while folder.utf8.last == UInt8(ascii: "/") { folder.removeLast() }
            if folder.isEmpty { query.owner = id }
            return folder.isEmpty || StorageRules.isBelow(folder + "/", id)
        }
    }

    private static func sort(_ json: JSON?, _ query: inout ListQuery) throws(StorageError) {
        guard let json, !json.isNull else { return }
        if let column = json["column"]?.string {
            guard let known = ListQuery.SortColumn(rawValue: column) else {
                throw StorageError(.invalidParameter, "sortBy/column is one of name, created_at, updated_at, last_accessed_at")
            }
            query.sortBy = known
        }
        query.ascending = json["order"]?.string != "desc"
    }

    private static func number(_ json: JSON?, in range: ClosedRange<Int>, default value: Int, named name: String)
        throws(StorageError) -> Int
    {
        guard let json, !json.isNull else { return value }
        guard let number = number(json), range.contains(number) else {
            throw StorageError(.invalidParameter, "\(name) is a whole number of \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    // MARK: Removal and moving

    func remove(_ request: StorageRequest, _ path: ObjectPath) async throws(StorageError) -> StorageReply {
        let caller = try caller(request)
        _ = try bucket(of: path)
        try StorageRules.mayRead(path.key, caller)
        guard try await !store.remove(bucket: path.bucket, keys: [path.key], owner: nil).isEmpty else { throw .noObject }
        return Self.json(["message": "Successfully deleted"])
    }

    /// `DELETE /object/{bucket}` `{"prefixes": [keys]}`: those that were there and are the caller's.
    func removeMany(_ request: StorageRequest, _ bucket: Bucket) async throws(StorageError) -> StorageReply {
        let caller = try knownCaller(request)
        let body = try await Self.object(request)
        guard let keys = body["prefixes"]?.array?.map(\.string), (1...1000).contains(keys.count) else {
            throw StorageError(.invalidRequest, "body/prefixes must be an array of 1 to 1000 keys")
        }
        let own = keys.compactMap { $0 }.filter { (try? StorageRules.mayRead($0, caller)) != nil }
        let removed = try await store.remove(bucket: bucket.id, keys: own, owner: nil)
        return Self.json(
            .array(
                removed.map { info in
                    JSON(members: [
                        ("name", .string(info.path.key)), ("bucket_id", .string(info.path.bucket)), ("id", .string(info.id)),
                        ("owner", info.owner.map { .string($0) } ?? nil), ("version", .string(info.version)),
                        ("updated_at", .string(Self.text(time: info.updatedAt))),
                        ("created_at", .string(Self.text(time: info.createdAt))),
                        (
                            "metadata",
                            ["eTag": .string(info.etag), "size": JSON(info.size), "mimetype": .string(info.contentType)]
                        ),
                    ])
                }))
    }

    /// `POST /object/move` and `/object/copy` `{"bucketId", "sourceKey", "destinationKey"}`, within one bucket.
    func move(_ request: StorageRequest, copying: Bool) async throws(StorageError) -> StorageReply {
        let caller = try knownCaller(request)
        let body = try await Self.object(request)
        guard let id = body["bucketId"]?.string, let from = body["sourceKey"]?.string, let to = body["destinationKey"]?.string
        else {
            throw StorageError(.invalidRequest, "body must have bucketId, sourceKey and destinationKey")
        }
        guard let bucket = store.bucket(id) else { throw .noBucket }
        if let other = body["destinationBucket"]?.string, !other.utf8.elementsEqual(id.utf8) {
            throw StorageError(.invalidParameter, "Objects stay in their bucket; download and upload to change it")
        }
        try StorageRules.check(key: from)
        try StorageRules.check(key: to)
        try StorageRules.mayRead(from, caller)
        try mayWrite(to, caller)
        let source = ObjectPath(bucket: id, key: from)
        // A file keeps the ending that goes with its content.
        let info = try await store.info(source)
        _ = try StorageRules.check(name: StorageRules.name(to), type: info.contentType, size: max(1, info.size), in: bucket)
        let upsert = request.field("x-upsert") == "true"
        // The paths have said who may do this; what the project put into a user's folder is the user's to copy and move.
        if copying {
            let made = try await store.copy(bucket: id, from: from, to: to, upsert: upsert) { owner in
                caller.owner ?? StorageRules.owner(owner, at: to)
            }
            return Self.json(["Id": .string(made.id), "Key": .string("\(id)/\(to)")])
        }
        let moved = try await store.move(bucket: id, from: from, to: to, upsert: upsert) { owner in
            StorageRules.owner(owner, at: to)
        }
        return Self.json(["message": "Successfully moved", "Id": .string(moved.id), "Key": .string("\(id)/\(to)")])
    }

    // MARK: Buckets

    /// Buckets are the operator's: they come from the configuration, and clients can only look at them.
    func answerBuckets(_ request: StorageRequest, _ parts: [String]) async throws(StorageError) -> StorageReply? {
        let caller = try caller(request)
        guard caller != .nobody else { throw StorageError(.accessDenied, "Sign in to see buckets") }
        switch (request.method, parts.count) {
        case ("GET", 0): return Self.json(.array(store.buckets.map(shown)))
        case ("GET", 1): return Self.json(shown(try bucket(parts[0])))
        case ("POST", 2) where parts[1] == "empty":
            guard caller == .service else { throw StorageError(.accessDenied, "Only the project's own key empties buckets") }
            let bucket = try bucket(parts[0])
            try await empty(bucket)
            return Self.json(["message": "Successfully emptied"])
        case ("POST", 0), ("PUT", 1), ("DELETE", 1):
            throw StorageError(
                .accessDenied, "Buckets come from the host's configuration (--storage-buckets); they are not made or changed here"
            )
        default: return nil
        }
    }

    private func empty(_ bucket: Bucket) async throws(StorageError) {
        while true {
            let keys = try await store.keys(of: bucket.id, limit: 500)
            guard !keys.isEmpty else { return }
            guard try await !store.remove(bucket: bucket.id, keys: keys, owner: nil).isEmpty else { return }
        }
    }

    private func shown(_ bucket: Bucket) -> JSON {
        let since = Self.text(time: startedAt)
        return JSON(members: [
            ("id", .string(bucket.id)), ("name", .string(bucket.id)), ("owner", ""), ("public", .bool(bucket.isPublic)),
            ("file_size_limit", JSON(bucket.maxBytes)),
            ("allowed_mime_types", bucket.allowedTypes.map { .array($0.map { .string($0) }) } ?? nil),
            ("created_at", .string(since)), ("updated_at", .string(since)),
        ])
    }
}
