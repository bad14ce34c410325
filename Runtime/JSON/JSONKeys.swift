struct JSONIndexKey: CodingKey {
    let index: Int
    init(_ index: Int) { self.index = index }
    init?(intValue: Int) { index = intValue }
    init?(stringValue: String) { return nil }
    var intValue: Int? { index }
    var stringValue: String { "Index \(index)" }
}

struct JSONNameKey: CodingKey {
    let stringValue: String
    /// The name is the sender's choice, not the program's, and must not be shown.
    let isForeign: Bool

    init(_ name: String, isForeign: Bool = false) {
        stringValue = name
        self.isForeign = isForeign
    }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { self.init(String(intValue)) }
    var intValue: Int? { nil }
}
