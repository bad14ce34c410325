import Swiftlet
import SwiftletJSON

extension UploadSign {
    /// Leave to upload one file.
    struct Upload: Encodable {
        let json: JSON

        init(_ signed: SignedUpload) {
            var members: [(String, JSON)] = [
                ("bucket", .string(signed.bucket)), ("path", .string(signed.path)), ("url", .string(signed.url)),
            ]
            if let token = signed.token { members.append(("token", .string(token))) }
            members.append(("method", .string(signed.method)))
            members.append(("headers", JSON(members: signed.headers.map { ($0.name, .string($0.value)) })))
            // For a form: what goes before the file.
            if !signed.fields.isEmpty {
                members.append(("fields", JSON(members: signed.fields.map { ($0.name, .string($0.value)) })))
            }
            members.append(("expiresAt", .string(ISOTime.text(signed.expiresAt))))
            json = JSON(members: members)
        }

        func encode(to encoder: any Encoder) throws { try json.encode(to: encoder) }

        /// One of a batch.
        enum Entry: Encodable {
            case signed(Upload)
            case refused(HTTPError)

            func encode(to encoder: any Encoder) throws {
                switch self {
                case .signed(let upload): try upload.encode(to: encoder)
                case .refused(let error): try Refused(path: nil, error: Refusal(error)).encode(to: encoder)
                }
            }
        }
    }

    struct Download: Encodable {
        let path: String
        let url: String
        let expiresAt: String

        init(_ signed: SignedDownload) {
            path = signed.path
            url = signed.url
            expiresAt = ISOTime.text(signed.expiresAt)
        }

        enum Entry: Encodable {
            case signed(Download)
            case refused(path: String, HTTPError)

            func encode(to encoder: any Encoder) throws {
                switch self {
                case .signed(let download): try download.encode(to: encoder)
                case .refused(let path, let error): try Refused(path: path, error: Refusal(error)).encode(to: encoder)
                }
            }
        }
    }

    struct Refused: Encodable {
        let path: String?
        let error: Refusal
    }

    struct Refusal: Encodable {
        let status: Int
        let code: String
        let message: String

        init(_ error: HTTPError) {
            status = error.status
            code = error.code.text
            message = error.message
        }
    }

    struct File: Encodable {
        let path: String
        let name: String
        let isFolder: Bool
        let id: String?
        let size: Int?
        let contentType: String?
        let etag: String?
        let createdAt: String?
        let updatedAt: String?
        let metadata: JSON?

        init(_ object: StoredObject) {
            path = object.path
            name = object.name
            isFolder = object.isFolder
            id = isFolder ? nil : object.id
            size = isFolder ? nil : object.size
            contentType = isFolder ? nil : object.contentType
            etag = isFolder ? nil : object.etag
            createdAt = isFolder ? nil : ISOTime.text(object.createdAt)
            updatedAt = isFolder ? nil : ISOTime.text(object.updatedAt)
            metadata = object.metadata.flatMap { try? JSON.parse(Array($0.utf8)) }
        }
    }

    /// The members of a body, each with a refusal that says what it should be.
    struct Fields {
        private let json: JSON
        private let root: String

        init(_ json: JSON, _ root: String = "") {
            self.json = json
            self.root = root
        }

        static func problem(_ field: String, _ what: String) -> HTTPError {
            HTTPError(400, .invalidInput, "\(field) is \(what)", problems: [.init(field: field, message: what)])
        }

        func text(_ name: String) throws(HTTPError) -> String? {
            guard let value = json[name], !value.isNull else { return nil }
            guard let text = value.string else { throw Fields.problem(root + name, "a text") }
            return text
        }

        func required(_ name: String) throws(HTTPError) -> String {
            guard let text = try text(name), !text.isEmpty else { throw Fields.problem(root + name, "a text that is not empty") }
            return text
        }

        func texts(_ name: String) throws(HTTPError) -> [String] {
            guard let list = json[name]?.array, (1...StorageAccess.batch).contains(list.count) else {
                throw Fields.problem(root + name, "a list of 1 to \(StorageAccess.batch) texts")
            }
            let texts = list.compactMap(\.string)
            guard texts.count == list.count else { throw Fields.problem(root + name, "a list of texts") }
            return texts
        }

        func number(_ name: String) throws(HTTPError) -> Int? {
            guard let value = json[name], !value.isNull else { return nil }
            guard let number = value.int, number >= 0 else { throw Fields.problem(root + name, "a whole number") }
            return number
        }

        func seconds(_ name: String) throws(HTTPError) -> Duration? {
            guard let number = try number(name) else { return nil }
            guard number > 0, number <= 31_536_000 else { throw Fields.problem(root + name, "a number of seconds") }
            return .seconds(number)
        }

        func flag(_ name: String) throws(HTTPError) -> Bool {
            guard let value = json[name], !value.isNull else { return false }
            guard let flag = value.bool else { throw Fields.problem(root + name, "true or false") }
            return flag
        }
    }
}
