extension Context {
    public func count(_ name: String, by amount: Int = 1, labels: [(String, String)] = []) {}
    public func optionalSecret(_ name: SecretName) -> Secret? { nil }
}
