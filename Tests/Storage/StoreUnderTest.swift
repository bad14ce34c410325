import NIOCore
import SwiftletCrypto
import SwiftletHTTP
import SwiftletJSON
import Synchronization
import Testing

@testable import SwiftletStorage

/// A store behind the seam, with its other side: what clients do with the links it gives.
protocol StoreUnderTest: Sendable {
    var storage: any StorageBackend { get }
    var clock: TestClock { get }
    /// How often the store itself was asked something.
    var questions: Int { get }

    /// What a client sends, and hears. The status is the one that says what happened.
    func send(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)], _ body: [UInt8],
        form: [(name: String, value: String)]
    ) async throws -> ClientAnswer

    /// Gives an object another key, without the seam knowing.
    func move(_ from: String, to: String) async throws
}

struct ClientAnswer: Sendable {
    var status: Int
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []

    var isGood: Bool { (200...299).contains(status) }
    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name }?.value }
}

/// What a store promises beyond what all of them do: the differences between them, each by its name.
struct StorePromises: Sendable {
    enum Search: Sendable { case partOfNameOrDisplayName, partOfName, startOfName }
    enum Question: Sendable, CaseIterable { case signUpload, list, info, remove }

    /// A link to upload is for so many bytes, for this type, for this content.
    var bindsSize = true
    var bindsType = true
    var bindsDigest = true
    /// A link to upload makes one object and no second one.
    var isOneTime = true
    /// A link to upload ends when it was asked to.
    var bindsTime = true
    var keepsOwner = true
    var keepsDisplayName = true
    /// Types, owners and display names are known in listings, and not only one by one.
    var listsAll = true
    /// Else folders stand among the objects, in the order of names.
    var foldersFirst = true
    /// Else an owner's objects can be listed only below the folder of that name.
    var listsOwners = true
    var search = Search.partOfNameOrDisplayName
    /// Where a missing bucket is told from a missing object.
    var tellsMissingBucket = Set(Question.allCases)
}

enum Store: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case local, s3, supabase

    var testDescription: String { rawValue }

    static let buckets = [Bucket(id: "attachments", maxBytes: 1 << 20), Bucket(id: "pictures", maxBytes: 1 << 20)]

    func open() throws -> any StoreUnderTest {
        switch self {
        case .local: try LocalUnderTest()
        case .s3: try S3UnderTest()
        case .supabase: try SupabaseUnderTest()
        }
    }

    var promises: StorePromises {
        var promises = StorePromises()
        switch self {
        case .local: break
        case .s3:
            promises.isOneTime = false
            promises.listsAll = false
            promises.foldersFirst = false
            promises.listsOwners = false
            promises.search = .partOfName
            // It looks for an object by asking for its head, and a head says only that something is not there.
            promises.tellsMissingBucket = [.list]
        case .supabase:
            promises.bindsSize = false
            promises.bindsType = false
            promises.bindsDigest = false
            promises.isOneTime = false
            promises.bindsTime = false
            promises.keepsOwner = false
            promises.keepsDisplayName = false
            promises.listsOwners = false
            promises.search = .startOfName
            promises.tellsMissingBucket = [.signUpload]
        }
        return promises
    }
}

extension StoreUnderTest {
    /// Sends bytes as the link says: its headers, and the length they have.
    func put(_ upload: StoreUpload, _ body: [UInt8], url: String? = nil, type: String? = nil) async throws -> ClientAnswer {
        var headers = upload.headers.filter { $0.name != "content-length" }
        if let type { headers = headers.map { $0.name == "content-type" ? ($0.name, type) : $0 } }
        headers.append(("content-length", String(body.count)))
        return try await send(upload.method, url ?? upload.url, upload.fields.isEmpty ? headers : [], body, form: upload.fields)
    }

    func get(_ link: StoreDownload) async throws -> ClientAnswer { try await send("GET", link.url, [], [], form: []) }

    /// Signs and uploads, and tells what came of it.
    @discardableResult
    func store(_ key: String, _ text: String = "hello", change: (inout UploadGrant) -> Void = { _ in }) async throws
        -> ClientAnswer
    {
        let signed = try await storage.signUpload(Self.grant(key, text, change))
        let answer = try await put(signed, Array(text.utf8))
        #expect(answer.isGood, "\(key): \(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
        return answer
    }

    static func grant(_ key: String, _ text: String = "hello", _ change: (inout UploadGrant) -> Void = { _ in }) -> UploadGrant {
        var grant = UploadGrant(
            path: at(key), owner: "u1", contentType: "text/plain", size: .exactly(text.utf8.count), expiresInSeconds: 600)
        change(&grant)
        return grant
    }

    static func at(_ key: String, _ bucket: String = "attachments") -> ObjectPath { ObjectPath(bucket: bucket, key: key) }
}

// MARK: Files of this machine

/// The disk, and the storage API of the same host as the other side.
struct LocalUnderTest: StoreUnderTest {
    let scratch = Scratch()
    let clock = TestClock()
    let disk: DiskStore
    let api: StorageAPI
    let storage: any StorageBackend
    /// The disk is not counted; what is refused before is refused by the same lines as for the others.
    let questions = 0

    init(_ limits: StorageLimits = StorageLimits()) throws {
        let clock = clock
        let now: @Sendable () -> Int64 = { clock.now }
        disk = try DiskStore(directory: scratch.store, buckets: Store.buckets, limits: limits, now: now)
        let signer = TokenSigner(key: try disk.signingKey())
        api = StorageAPI(store: disk, signer: signer, now: now)
        storage = LocalStorage(store: disk, signer: signer, now: now)
    }

    func send(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)], _ body: [UInt8],
        form: [(name: String, value: String)]
    ) async throws -> ClientAnswer {
        try await send(method, url, headers, body, as: .nobody)
    }

    func send(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)] = [], _ body: [UInt8] = [],
        as caller: StorageCaller
    ) async throws -> ClientAnswer {
        let target = url.dropFirst(url.hasPrefix("/storage/v1") ? "/storage/v1".count : 0)
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        var fields = HeaderFields()
        for (name, value) in headers { fields.append(name, value) }
        let reply = await api.answer(
            StorageRequest(
                method: method, path: try #require(parts.first), query: parts.count > 1 ? parts[1] : nil, fields: fields,
                caller: caller, credentialFault: nil, origin: "https://host.example", body: WholeBody(body)))
        var answer = ClientAnswer(status: reply.status, headers: reply.fields)
        switch reply.body {
        case .none: break
        case .bytes(let bytes): answer.body = bytes
        case .file(let file, let range): answer.body = Array(try bytes(of: file)[range])
        }
        if reply.status == 400, let inner = (try? JSON.parse(answer.body))?["statusCode"]?.string.flatMap({ Int($0) }) {
            answer.status = inner
        }
        return answer
    }

    func move(_ from: String, to: String) async throws { _ = try await disk.move(bucket: "attachments", from: from, to: to) }
}

/// A body that is there already.
final class WholeBody: StorageBody {
    let length: Int?
    private let rest: Mutex<[UInt8]>

    init(_ bytes: [UInt8]) {
        length = bytes.count
        rest = Mutex(bytes)
    }

    func next() async throws(StorageError) -> ByteBuffer? {
        let bytes = rest.withLock { rest in
            defer { rest = [] }
            return rest
        }
        return bytes.isEmpty ? nil : ByteBuffer(bytes: bytes)
    }
}
