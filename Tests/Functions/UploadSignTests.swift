import HTTPTypes
import Swiftlet
import SwiftletJSON
import SwiftletTesting
import Testing

@testable import Functions

@Suite struct UploadSignTests {
    private static func sign(_ host: TestHost, _ body: JSON, _ path: String = "", as user: String = "u1") async throws
        -> TestResponse
    {
        try await host.post("/functions/v1/upload-sign" + path, json: body, as: .user(user))
    }

    private static let note: JSON = [
        "bucket": "private-bucket", "name": "nöte.txt", "folder": "trip", "contentType": "text/plain", "size": 5,
        "metadata": ["a": 1],
    ]

    private static func put(_ host: TestHost, _ signed: JSON, _ content: String, type: String = "text/plain") async throws
        -> TestResponse
    {
        let url = signed["url"]?.string ?? ""
        let path = String(url.drop { $0 != ":" }.dropFirst(3).drop { $0 != "/" })
        return try await host.request("PUT", path, headers: [.contentType: type], body: Array(content.utf8))
    }

    @Test func `a file goes from the question to the download`() async throws {
        try await TestHost.run([Registration(UploadSign.self)]) { host async throws in
            let signed = try await Self.sign(host, Self.note)
            #expect(signed.status == 200)
            let answer = try #require(signed.json)
            let path = try #require(answer["path"]?.string)
            #expect(path.hasPrefix("u1/trip/") && path.hasSuffix(".txt") && answer["method"]?.string == "PUT")
            #expect(
                answer["url"]?.string?.hasPrefix(
                    "http://127.0.0.1:\(host.port)/storage/v1/object/upload/sign/private-bucket/u1/trip/") == true)
            #expect(answer["headers"]?["content-type"]?.string == "text/plain" && answer["fields"] == nil)
            #expect(try await Self.put(host, answer, "hello").json?["Key"]?.string == "private-bucket/\(path)")
            let info = try await Self.sign(host, ["bucket": "private-bucket", "path": .string(path)], "/info").json
            #expect(info?["name"]?.string == "nöte.txt" && info?["size"]?.int == 5 && info?["metadata"] == ["a": 1])
            let link = try await Self.sign(
                host, ["bucket": "private-bucket", "path": .string(path), "download": true], "/download"
            ).json
            let url = try #require(link?["url"]?.string)
            let read = try await host.get(String(url.drop { $0 != ":" }.dropFirst(3).drop { $0 != "/" }))
            #expect(read.text == "hello" && read.headers[.xContentTypeOptions] == "nosniff")
            let listed = try await Self.sign(host, ["bucket": "private-bucket", "folder": "trip"], "/list").json?["files"]?.array
            #expect(listed?.compactMap { $0["name"]?.string } == ["nöte.txt"])
            let removed = try await host.request(
                "DELETE", "/functions/v1/upload-sign", headers: [.contentType: "application/json"],
                body: (["bucket": "private-bucket", "path": .string(path)] as JSON).bytes, as: .user("u1"))
            #expect(removed.json?["removed"] == [.string(path)])
        }
    }

    @Test func `a refusal names the field`() async throws {
        let cases: [(JSON, String)] = [
            ([:], "name"), (["name": "a.txt"], "size"), (["name": "a.txt", "size": "5"], "size"),
            (["name": "a.txt", "size": 5], "bucket"), (["name": "a.txt", "size": 5, "bucket": "private-bucket"], "contentType"),
            (["name": "a.txt", "path": "u1/a.txt", "size": 5], "path"), (["files": []], "files"), (["files": "x"], "files"),
        ]
        try await TestHost.run([Registration(UploadSign.self)]) { host async throws in
            for (body, field) in cases {
                let answer = try await Self.sign(host, body)
                #expect(answer.status == 400 && answer.json?["problems"]?[0]?["field"]?.string == field, "\(body)")
            }
            #expect(try await Self.sign(host, ["bucket": "b"], "/nothing").status == 404)
            #expect(try await host.post("/functions/v1/upload-sign", json: Self.note).status == 401)
            #expect(
                try await host.post("/functions/v1/upload-sign", json: Self.note, as: .claims(["role": "anon"])).status == 403)
        }
    }

    @Test func `one user's files are nothing to another`() async throws {
        try await TestHost.run([Registration(UploadSign.self)]) { host async throws in
            let answer = try #require(try await Self.sign(host, Self.note).json)
            let path = try #require(answer["path"]?.string)
            #expect(try await Self.put(host, answer, "hello").status == 200)
            let asked: JSON = ["bucket": "private-bucket", "path": .string(path)]
            #expect(try await Self.sign(host, asked, "/info", as: "u2").status == 404)
            #expect(try await Self.sign(host, asked, "/download", as: "u2").status == 404)
            #expect(try await Self.sign(host, asked, "/delete", as: "u2").json?["removed"] == [])
            #expect(
                try await Self.sign(host, ["bucket": "private-bucket", "folder": "u1/trip"], "/list", as: "u2").json?["files"]
                    == [])
            #expect(try await Self.sign(host, asked, "/info").status == 200)
        }
    }

    @Test func `the storage is closed to functions that do not declare it`() async throws {
        struct Sneaky: EdgeFunction {
            static let name: FunctionName = "sneaky"
            static let policy = Policy()
            func handle(_ request: Request<Void>, from user: User, in context: Context) async throws -> Response {
                _ = try await context.storage.info(bucket: "private-bucket", path: "u1/a.txt")
                return .noContent()
            }
        }
        try await TestHost.run([Registration(UploadSign.self), Registration(Sneaky.self)]) { host async throws in
            let answer = try await host.request("POST", "/functions/v1/sneaky", as: .user("u1"))
            #expect(answer.status == 500)
        }
        try await TestHost.run([Registration(Sneaky.self)]) { host async throws in
            #expect(try await host.get("/storage/v1/bucket", as: .user("u1")).status == 404)
        }
    }
}
