import HTTPTypes
import NIOCore
import Swiftlet
import SwiftletEgress
import SwiftletNet
import SwiftletStorage

/// The storage's way to a store elsewhere: the host's own egress, to that store and nowhere else.
struct StorageTransport: RemoteTransport {
    private let client: EgressClient
    private let policy: EgressPolicy

    init(_ settings: StorageSettings, client: EgressClient) throws(ConfigurationProblem) {
        self.client = client
        var origins: [String] = []
        switch settings.place {
        case .local: break
        case .s3(let text, _, let pathStyle):
            guard let url = WebURL(text), url.scheme == "https" || url.scheme == "http" else {
                throw ConfigurationProblem("storage-endpoint", "'\(text)' is no http or https URL")
            }
            let port = url.origin.dropFirst(url.scheme.count + 3 + url.hostname.count)
            origins = pathStyle ? [url.origin] : settings.buckets.map { "\(url.scheme)://\($0.id).\(url.hostname)\(port)" }
        case .supabase(let text):
            guard let url = WebURL(text), url.scheme == "https" || url.scheme == "http" else {
                throw ConfigurationProblem("storage-endpoint", "'\(text)' is no http or https URL")
            }
            origins = [url.origin]
        }
        do throws(EgressPolicyError) { policy = try EgressPolicy(origins: origins) } catch {
            throw ConfigurationProblem("storage-endpoint", "\(error)")
        }
    }

    func send(_ request: RemoteRequest, limit: Int) async throws -> RemoteAnswer {
        guard let method = HTTPRequest.Method(request.method) else {
            throw OutboundError(.invalidRequest, "the method is no token")
        }
        var fields = HTTPFields()
        for (name, value) in request.headers {
            guard let name = HTTPField.Name(name) else { throw OutboundError(.invalidRequest, "a header's name is no token") }
            fields.append(HTTPField(name: name, value: value))
        }
        let response = try await client.send(
            EgressRequest(
                method: method, url: request.url, fields: fields, body: request.body.isEmpty ? .none : .bytes(request.body),
                timeouts: EgressTimeouts(connect: .seconds(5), firstByte: .seconds(15), idle: .seconds(15), total: .seconds(30)),
                maxResponseBytes: limit), policy: policy)
        let headers = response.fields.map { (name: $0.name.canonicalName, value: $0.value) }
        return RemoteAnswer(status: response.status, headers: headers, body: try await response.collect(upTo: limit))
    }
}
