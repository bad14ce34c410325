import SwiftletEgress
import HTTPTypes
import Swiftlet
import SwiftletNet
import SwiftletRealtime

/// Membership's way to a project elsewhere: the host's own egress, to that project and nowhere else.
struct RealtimeTransport: MembershipTransport {
    private let client: EgressClient
    private let policy: EgressPolicy

    init(origin: String, client: EgressClient) throws(ConfigurationProblem) {
        self.client = client
        do throws(EgressPolicyError) { policy = try EgressPolicy(origins: [origin]) } catch {
            throw ConfigurationProblem("realtime-members-url", "\(error)")
        }
    }

    func get(_ url: String, headers: [(name: String, value: String)], limit: Int) async throws -> (status: Int, body: [UInt8]) {
        var fields = HTTPFields()
        for (name, value) in headers {
            guard let name = HTTPField.Name(name) else { throw OutboundError(.invalidRequest, "a header's name is no token") }
            fields.append(HTTPField(name: name, value: value))
        }
        let response = try await client.send(
            EgressRequest(
                method: .get, url: url, fields: fields, body: .none,
                timeouts: EgressTimeouts(connect: .seconds(2), firstByte: .seconds(5), idle: .seconds(5), total: .seconds(5)),
                maxResponseBytes: limit), policy: policy)
        return (response.status, try await response.collect(upTo: limit))
    }

    /// `https://abc.supabase.co` of what an operator wrote, which may end with a slash.
    static func origin(_ text: String, setting: String) throws(ConfigurationProblem) -> String {
        guard let url = WebURL(text), url.scheme == "https" || url.scheme == "http", url.path.isEmpty || url.path == "/",
            url.query == nil, url.fragment == nil
        else { throw ConfigurationProblem(setting, "'\(text)' is no http or https URL of a project, without a path") }
        return url.origin
    }
}
