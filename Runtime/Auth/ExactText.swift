extension String {
    /// Same bytes. `==` also takes texts for equal that only look alike (the Kelvin sign for a K), which no identifier of a
    /// token may do.
    func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

extension Optional where Wrapped == String {
    func isExactly(_ other: String?) -> Bool {
        switch (self, other) {
        case (let left?, let right?): left.isExactly(right)
        case (nil, nil): true
        default: false
        }
    }
}
