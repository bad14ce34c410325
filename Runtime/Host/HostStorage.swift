import Glibc
import Logging
import Swiftlet
import SwiftletCrypto
import SwiftletSecrets
package import SwiftletStorage
import Synchronization

/// What an operator says of storage.
package struct StorageSettings: Sendable {
    package enum Place: Sendable {
        /// A folder of this machine; the host serves it under `/storage/v1`.
        case local(directory: String?)
        case s3(endpoint: String, region: String, pathStyle: Bool)
        case supabase(url: String)
    }

    package var place = Place.local(directory: nil)
    package var buckets = StorageSettings.usual
    /// Bytes one user may have stored.
    package var quota: Int?
    /// How clients reach this host, `https://api.example`; nil takes it from each request.
    package var publicURL: String?

    /// Makes what makes small pictures, given the folder of the files; nil leaves pictures as they are.
    package var thumbnails: (@Sendable (_ folder: String) throws(StorageError) -> any ThumbnailMaker)?

    package init() {}

    /// What chats attach, and a place for everything else.
    package static let usual = [
        Bucket(id: "message-attachments", maxBytes: 50 << 20), Bucket(id: "private-bucket", maxBytes: 50 << 20),
    ]
}

/// The host's storage: opened when it is first needed, or with the host when a function declares it.
final class HostStorage: Sendable {
    /// What is there once it is open.
    struct Open: Sendable {
        let desk: StorageDesk
        /// Only files of this machine are served here.
        let api: StorageAPI?
        let store: DiskStore?
        /// In words, for the log.
        let place: String
    }

    private enum State {
        case closed
        case opened(Open)
        case failed(StorageError)
    }

    let settings: StorageSettings
    private let clock: HostClock
    private let secrets: SecretStore
    private let transport: any RemoteTransport
    private let state = Mutex(State.closed)

    init(_ settings: StorageSettings, clock: HostClock, secrets: SecretStore, transport: any RemoteTransport) {
        self.settings = settings
        self.clock = clock
        self.secrets = secrets
        self.transport = transport
    }

    /// Opens it, once; who comes later hears what came of it.
    func open() throws(StorageError) -> Open {
        try state.withLock { state throws(StorageError) in
            switch state {
            case .opened(let opened): return opened
            case .failed(let error): throw error
            case .closed:
                do throws(StorageError) {
                    let opened = try make()
                    state = .opened(opened)
                    return opened
                } catch {
                    state = .failed(error)
                    throw error
                }
            }
        }
    }

    var place: String? { state.withLock { if case .opened(let opened) = $0 { opened.place } else { nil } } }

    func close() async {
        guard let open = state.withLock({ if case .opened(let opened) = $0 { opened } else { nil } }) else { return }
        await open.store?.close()
    }

    func maintain() async {
        guard let open = state.withLock({ if case .opened(let opened) = $0 { opened } else { nil } }) else { return }
        await open.store?.maintain()
    }

    /// How a client reached this host.
    func origin(of client: Client, host: String?) -> String {
        settings.publicURL ?? "\(client.isSecure ? "https" : "http")://\(client.host ?? host ?? "localhost")"
    }

    private func make() throws(StorageError) -> Open {
        let clock = clock
        let now: @Sendable () -> Int64 = { clock.wall() / 1_000_000 }
        switch settings.place {
        case .local(let directory):
            guard let directory = directory ?? HostStorage.usualDirectory else {
                throw StorageError(.notConfigured, "Storage needs a folder, and HOME names none; give one with --storage")
            }
            var limits = StorageLimits()
            limits.ownerQuotaBytes = settings.quota
            let store = try DiskStore(directory: directory, buckets: settings.buckets, limits: limits, now: now)
            let signer = TokenSigner(key: try signingKey(store))
            let desk = StorageDesk(
                backend: LocalStorage(store: store, signer: signer, now: now), buckets: settings.buckets, quota: settings.quota,
                usage: { owner throws(StorageError) in try store.usage(of: owner) })
            let api = StorageAPI(
                store: store, signer: signer, uploadSeconds: StorageDesk.uploadSeconds,
                thumbnails: try settings.thumbnails?(directory), now: now)
            return Open(desk: desk, api: api, store: store, place: directory)
        case .s3(let endpoint, let region, let pathStyle):
            guard let place = S3Endpoint(endpoint, region: region, addressing: pathStyle ? .path : .virtualHost) else {
                throw StorageError(
                    .notConfigured, "The storage's endpoint or region is none: https://host[:port], and a name such as us-east-1")
            }
            // The id stands in every link; only the other one is a secret.
            let id = try secret("S3_ACCESS_KEY_ID").withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            let credentials = S3Credentials(accessKey: id, secret: try secret("S3_SECRET_ACCESS_KEY"))
            let backend = S3Storage(
                presigner: S3Presigner(endpoint: place, credentials: credentials), transport: transport, now: now)
            return Open(
                desk: StorageDesk(backend: backend, buckets: settings.buckets), api: nil, store: nil, place: endpoint)
        case .supabase(let url):
            let key = try secret("SUPABASE_SERVICE_ROLE_KEY")
            guard let backend = SupabaseStorage(url: url, serviceKey: key, transport: transport, now: now) else {
                throw StorageError(.notConfigured, "The storage's endpoint is no address of a Supabase project")
            }
            return Open(
                desk: StorageDesk(backend: backend, buckets: settings.buckets), api: nil, store: nil, place: url)
        }
    }

    private func secret(_ name: SecretName) throws(StorageError) -> SecretBytes {
        guard let value = secrets.current.value(name, forFunction: nil) else {
            throw StorageError(
                .notConfigured, "Storage lacks the secret \(name.text); set it with `swiftlet secrets set \(name.text)=…`")
        }
        return value.withBytes { SecretBytes(Array($0)) }
    }

    /// The operator's, so that several hosts read each other's links; else one that lies beside the files.
    private func signingKey(_ store: DiskStore) throws(StorageError) -> SecretBytes {
        guard let own = secrets.current.value("STORAGE_SIGNING_KEY", forFunction: nil) else { return try store.signingKey() }
        let bytes = own.withBytes { Array($0) }
        guard bytes.count >= 32 else {
            throw StorageError(.notConfigured, "STORAGE_SIGNING_KEY is shorter than 32 bytes; `openssl rand -hex 32` makes one")
        }
        return SecretBytes(bytes)
    }

    private static var usualDirectory: String? {
        if let data = getenv("XDG_DATA_HOME").map({ String(cString: $0) }), data.hasPrefix("/") {
            return data + "/swiftlet/storage"
        }
        guard let home = getenv("HOME").map({ String(cString: $0) }), home.hasPrefix("/") else { return nil }
        return home + "/.local/share/swiftlet/storage"
    }
}

extension Host {
    /// Opened before anything listens, so that what is wrong with it keeps the host from starting.
    func openStorage() throws(ConfigurationProblem) {
        guard hasStorage else { return }
        let opened: HostStorage.Open
        do throws(StorageError) { opened = try storage.open() } catch { throw ConfigurationProblem("storage", error.message) }
        var metadata: Logger.Metadata = [
            "place": "\(opened.place)", "buckets": "\(storage.settings.buckets.map(\.id).joined(separator: ","))",
        ]
        guard let report = opened.store?.sweepReport else { return log.info("storage.opened", metadata: metadata) }
        metadata["removed_staged"] = "\(report.stagedFiles)"
        metadata["removed_unnamed"] = "\(report.unnamedFiles)"
        metadata["missing"] = "\(report.missingFiles)"
        log.info("storage.opened", metadata: metadata)
        if report.missingFiles > 0 {
            log.error(
                "storage.incomplete: content of \(report.missingFiles) objects is gone",
                metadata: ["versions": "\(report.missingVersions.prefix(10).joined(separator: ","))"])
        }
    }

    /// Clears away what is too old, every minute.
    func keepStorage() async {
        while (try? await Task.sleep(for: .seconds(60))) != nil { await storage.maintain() }
    }

    /// Where files lie, in words; nil while no function uses them.
    package var storagePlace: String? { hasStorage ? storage.place : nil }
}

extension StorageCaller {
    /// A user by the token's subject; the project by its own key or token; everybody else is nobody here.
    init(_ identity: Identity) {
        guard case .user(let user) = identity else {
            self = .nobody
            return
        }
        if user.role == "service_role" {
            self = .service
        } else if let subject = user.subject, !subject.isEmpty {
            self = .user(subject)
        } else {
            self = .nobody
        }
    }
}
