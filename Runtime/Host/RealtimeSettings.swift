package import SwiftletRealtime

/// What an operator says of realtime.
package struct RealtimeSettings: Sendable {
    package enum Place: Sendable {
        /// This host's own engine.
        case here
        /// A Supabase project; callers take their own tokens there.
        case supabase(url: String)
    }

    /// Who says who belongs to a conversation.
    package enum Members: Sendable {
        /// The token: `app_metadata.conversations`.
        case claims
        /// A JSON file.
        case table(file: String)
        /// A SELECT on a SQLite file.
        case sqlite(file: String, query: String)
        /// A Supabase project's REST interface, asked with the user's own token.
        case supabase(url: String, query: String)
    }

    package var place = Place.here
    package var members = Members.claims
    /// How long a token for channels is good at most.
    package var tokenLifetime = Duration.seconds(600)
    /// What moves the messages; nil while there is nothing.
    package var engine: (any RealtimeEngine)?

    /// A file for what was said in private channels and conversations, so that it survives a restart; nil keeps it in memory only.
    package var history: String?
    package var limits = HubLimits()
    package var hub = Hub.Settings()

    package static let tokenSeconds = 30...86_400

    package init() {}
}
