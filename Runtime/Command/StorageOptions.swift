import ArgumentParser
import SwiftletHost
import SwiftletImages
import SwiftletJSON
import SwiftletStorage

/// Flags of `serve` for the storage that functions use.
struct StorageOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder of the stored files and their catalogue; one host at a time. (default: ~/.local/share/swiftlet/storage)",
            valueName: "folder"))
    var storage: String?
    @Option(help: "Where files lie: local, s3 or supabase. (default: local)") var storageBackend: Backend?
    @Option(
        help: ArgumentHelp(
            "The S3 store (https://host[:port]) or Supabase project. S3 needs the secrets S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, Supabase SUPABASE_SERVICE_ROLE_KEY.",
            valueName: "url"))
    var storageEndpoint: String?
    @Option(help: ArgumentHelp("Region of the S3 store. (default: us-east-1)", valueName: "name")) var storageRegion: String?
    @Flag(help: "S3 buckets stand in the host's name (bucket.host) instead of the path.") var storageVirtualHosts = false
    @Option(
        help: ArgumentHelp(
            "A JSON file with the buckets: [{\"id\", \"public\", \"file_size_limit\", \"allowed_mime_types\"}]. (default: message-attachments and private-bucket, 50 MiB)",
            valueName: "file"))
    var storageBuckets: String?
    @Option(
        help: ArgumentHelp(
            "Bytes one user may store, as a number or 500MB; not with S3 or Supabase. (default: no limit)", valueName: "size"))
    var storageQuota: String?
    @Option(
        help: ArgumentHelp(
            "How clients reach this host (https://api.example): what signed links begin with. (default: what each request says)",
            valueName: "url"))
    var publicURL: String?

    enum Backend: String, ExpressibleByArgument, CaseIterable { case local, s3, supabase }

    static let names: Set<String> = [
        "STORAGE", "STORAGE_BACKEND", "STORAGE_ENDPOINT", "STORAGE_REGION", "STORAGE_VIRTUAL_HOSTS", "STORAGE_BUCKETS",
        "STORAGE_QUOTA", "PUBLIC_URL",
    ]

    func apply(to configuration: inout HostConfiguration) throws {
        let environment = Environment.shared
        var settings = StorageSettings()
        let backend: Backend
        if let text = storageBackend?.rawValue ?? environment.string("STORAGE_BACKEND") {
            guard let known = Backend(rawValue: text) else {
                throw ConfigurationProblem("storage-backend", "'\(text)' is not one of local, s3, supabase")
            }
            backend = known
        } else {
            backend = .local
        }
        let endpoint = storageEndpoint ?? environment.string("STORAGE_ENDPOINT")
        if backend == .local {
            if endpoint != nil { throw ConfigurationProblem("storage-endpoint", "goes with --storage-backend s3 or supabase") }
            settings.place = .local(directory: storage ?? environment.string("STORAGE"))
        } else {
            guard let endpoint else {
                throw ConfigurationProblem("storage-endpoint", "is missing: where is the \(backend.rawValue) store?")
            }
            let isVirtual = try storageVirtualHosts || environment.flag("STORAGE_VIRTUAL_HOSTS")
            settings.place =
                backend == .s3
                ? .s3(
                    endpoint: endpoint, region: storageRegion ?? environment.string("STORAGE_REGION") ?? "us-east-1",
                    pathStyle: !isVirtual) : .supabase(url: endpoint)
        }
        settings.thumbnails = { folder throws(StorageError) in
            try ThumbnailWorker(folder: folder + "/thumbnails", environment: Environment.variables)
        }
        if let file = storageBuckets ?? environment.string("STORAGE_BUCKETS") { settings.buckets = try BucketFile.read(file) }
        if let text = storageQuota ?? environment.string("STORAGE_QUOTA") {
            guard let bytes = BucketFile.bytes(text), bytes > 0 else {
                throw ConfigurationProblem("storage-quota", "'\(text)' is no number of bytes and no size such as 500MB")
            }
            guard backend == .local else { throw ConfigurationProblem("storage-quota", "is only known of files on this machine") }
            settings.quota = bytes
        }
        if let url = publicURL ?? environment.string("PUBLIC_URL") { settings.publicURL = try StorageOptions.origin(url) }
        configuration.storage = settings
    }

    private static func origin(_ text: String) throws(ConfigurationProblem) -> String {
        var url = text
        while url.utf8.last == UInt8(ascii: "/") { url.removeLast() }
        let rest = url.hasPrefix("https://") ? url.dropFirst(8) : url.hasPrefix("http://") ? url.dropFirst(7) : ""
        guard !rest.isEmpty, rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"/?#@\"\\".utf8.contains($0) }) else {
            throw ConfigurationProblem("public-url", "'\(text)' is no origin; write https://api.example[:port] without a path")
        }
        return url
    }
}

/// The operator's buckets, with the names Supabase gives their members.
enum BucketFile {
    static func read(_ path: String) throws(ConfigurationProblem) -> [Bucket] {
        guard let bytes = SmallFile.read(path, limit: 1 << 20) else {
            throw ConfigurationProblem("storage-buckets", "\(path) cannot be read, or is larger than 1 MiB")
        }
        let json: JSON
        do throws(JSONError) { json = try JSON.parse(bytes) } catch {
            throw ConfigurationProblem("storage-buckets", "\(path) is no JSON: \(error)")
        }
        guard let list = json.array, !list.isEmpty, list.count <= 100 else {
            throw ConfigurationProblem("storage-buckets", "\(path) holds no list of 1 to 100 buckets")
        }
        var buckets: [Bucket] = []
        for (index, item) in list.enumerated() {
            func problem(_ what: String) -> ConfigurationProblem {
                ConfigurationProblem("storage-buckets", "\(path): bucket \(index + 1) \(what)")
            }
            guard let members = item.object, let id = item["id"]?.string, isName(id) else {
                throw problem("has no id of 1 to 100 letters, digits, '-', '_' and '.'")
            }
            let known: Set<String> = ["id", "name", "public", "file_size_limit", "allowed_mime_types"]
            if let unknown = members.names.first(where: { !known.contains($0) }) {
                throw problem("has the member '\(unknown)', which is none of \(known.sorted().joined(separator: ", "))")
            }
            if buckets.contains(where: { $0.id == id }) { throw problem("is called \(id) like another") }
            var isPublic = false
            if let value = item["public"] {
                guard let flag = value.bool else { throw problem("says neither true nor false for public") }
                isPublic = flag
            }
            var limit = 50 << 20
            if let value = item["file_size_limit"], !value.isNull {
                guard let size = value.int ?? value.string.flatMap({ BucketFile.bytes($0) }), size > 0, size <= 5 << 30 else {
                    throw problem("has a file_size_limit that is no number of bytes up to 5 GiB and no size such as 50MB")
                }
                limit = size
            }
            var types: [String]?
            if let value = item["allowed_mime_types"], !value.isNull {
                guard let list = value.array?.map({ $0.string ?? "" }), !list.isEmpty, list.allSatisfy(isType) else {
                    throw problem("has allowed_mime_types that are no list of type/subtype or type/*")
                }
                types = list
            }
            buckets.append(Bucket(id: id, isPublic: isPublic, maxBytes: limit, allowedTypes: types))
        }
        return buckets
    }

    /// `1000`, `50MB`: decimal units, as Supabase counts.
    static func bytes(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits) else { return nil }
        let factor: Int
        switch text.dropFirst(digits.count).lowercased() {
        case "", "b": factor = 1
        case "kb": factor = 1000
        case "mb": factor = 1_000_000
        case "gb": factor = 1_000_000_000
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    private static func isName(_ text: String) -> Bool {
        (1...100).contains(text.utf8.count) && text != "." && text != ".."
            && text.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || $0.properties.numericType != nil || "-_.".unicodeScalars.contains($0))
            }
    }

    private static func isType(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                !part.isEmpty && part.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"(),;<>@[]?={}".utf8.contains($0) }
            } && text == text.lowercased()
    }
}
