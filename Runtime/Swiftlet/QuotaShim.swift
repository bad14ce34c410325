extension Context {
    public func count(_ name: String, by amount: Int = 1, labels: [(String, String)] = []) {}
}
