import ArgumentParser
import SwiftletHost

/// Flags of `serve` for the realtime channels that functions use.
struct RealtimeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A Supabase project whose realtime clients use instead of this host's. Needs the secret SUPABASE_ANON_KEY.",
            valueName: "url"))
    var realtimeEndpoint: String?
    @Option(
        help:
            "Who says who belongs to a conversation: claims (the token's app_metadata.conversations), table (a JSON file), sqlite (a query) or supabase (a project's REST interface). (default: claims)"
    )
    var realtimeMembers: Members?
    @Option(
        help: ArgumentHelp(
            "The table ({\"conversation\": {\"user\": \"read\" or \"write\"}}), or the SQLite file; read again on SIGHUP.",
            valueName: "file"))
    var realtimeMembersFile: String?
    @Option(
        help: ArgumentHelp(
            "sqlite: a SELECT of can_read and can_write by :user and :conversation. supabase: what follows /rest/v1/, with {conversation} and {user} where the ids go. Or @file with either.",
            valueName: "query"))
    var realtimeMembersQuery: String?
    @Option(
        help: ArgumentHelp("The Supabase project that knows the members. (default: --realtime-endpoint)", valueName: "url"))
    var realtimeMembersURL: String?
    @Option(
        help: ArgumentHelp("Time a token for channels is good at most, 30…86400. (default: 600)", valueName: "seconds"))
    var realtimeToken: Int?

    enum Members: String, ExpressibleByArgument, CaseIterable { case claims, table, sqlite, supabase }

    static let names: Set<String> = [
        "REALTIME_ENDPOINT", "REALTIME_MEMBERS", "REALTIME_MEMBERS_FILE", "REALTIME_MEMBERS_QUERY", "REALTIME_MEMBERS_URL",
        "REALTIME_TOKEN",
    ]

    func apply(to configuration: inout HostConfiguration) throws {
        let environment = Environment.shared
        let endpoint = realtimeEndpoint ?? environment.string("REALTIME_ENDPOINT")
        if let endpoint { configuration.realtime.place = .supabase(url: endpoint) }
        if let seconds = try realtimeToken ?? environment.number("REALTIME_TOKEN") {
            configuration.realtime.tokenLifetime = .seconds(seconds)
        }
        let members: Members
        if let text = realtimeMembers?.rawValue ?? environment.string("REALTIME_MEMBERS") {
            guard let known = Members(rawValue: text) else {
                throw ConfigurationProblem("realtime-members", "'\(text)' is not one of claims, table, sqlite, supabase")
            }
            members = known
        } else {
            members = .claims
        }
        let file = realtimeMembersFile ?? environment.string("REALTIME_MEMBERS_FILE")
        let url = realtimeMembersURL ?? environment.string("REALTIME_MEMBERS_URL")
        let query = try RealtimeOptions.text(realtimeMembersQuery ?? environment.string("REALTIME_MEMBERS_QUERY"))
        func needed(_ value: String?, _ setting: String) throws(ConfigurationProblem) -> String {
            guard let value else {
                throw ConfigurationProblem(setting, "is missing; --realtime-members \(members.rawValue) needs it")
            }
            return value
        }
        func unused(_ value: String?, _ setting: String) throws(ConfigurationProblem) {
            if value != nil { throw ConfigurationProblem(setting, "does not go with --realtime-members \(members.rawValue)") }
        }
        switch members {
        case .claims:
            configuration.realtime.members = .claims
            try unused(file, "realtime-members-file")
            try unused(query, "realtime-members-query")
        case .table:
            configuration.realtime.members = .table(file: try needed(file, "realtime-members-file"))
            try unused(query, "realtime-members-query")
        case .sqlite:
            configuration.realtime.members = .sqlite(
                file: try needed(file, "realtime-members-file"), query: try needed(query, "realtime-members-query"))
        case .supabase:
            configuration.realtime.members = .supabase(
                url: try needed(url ?? endpoint, "realtime-members-url"), query: try needed(query, "realtime-members-query"))
            try unused(file, "realtime-members-file")
        }
        if members != .supabase { try unused(url, "realtime-members-url") }
    }

    /// A text as it stands, or the content of the file after `@`.
    private static func text(_ text: String?) throws(ConfigurationProblem) -> String? {
        guard let text, text.first == "@" else { return text }
        let path = String(text.dropFirst())
        guard let bytes = SmallFile.read(path, limit: 64 << 10), let content = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationProblem("realtime-members-query", "\(path) cannot be read as text, or is larger than 64 KiB")
        }
        var words = content[...]
        while let last = words.last, last.isWhitespace { words = words.dropLast() }
        return String(words)
    }
}
