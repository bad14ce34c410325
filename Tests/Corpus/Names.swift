package import HTTPTypes

extension HTTPField.Name {
    /// The two API key fields that the product knows.
    package static var apiKey: HTTPField.Name { .init(parsed: "apikey") }
    package static var googleAPIKey: HTTPField.Name { .init(parsed: "x-goog-api-key") }

    private init(parsed name: String) {
        // Both names are tokens; the fallback keeps this total.
        self = HTTPField.Name(name) ?? .cookie
    }
}
