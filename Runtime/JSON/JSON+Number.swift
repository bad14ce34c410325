extension JSON.Number {
    /// The same number in the first form that holds it exactly.
    private var canonical: JSON.Number {
        switch self {
        case .integer: self
        case .unsigned(let value): Int64(exactly: value).map { .integer($0) } ?? self
        case .decimal(let value):
            Int64(exactly: value).map { .integer($0) } ?? UInt64(exactly: value).map { .unsigned($0) } ?? self
        }
    }

    /// By value: `1`, `1.0` and `1e0` are one number.
    public static func == (left: Self, right: Self) -> Bool {
        switch (left.canonical, right.canonical) {
        case (.integer(let left), .integer(let right)): left == right
        case (.unsigned(let left), .unsigned(let right)): left == right
        case (.decimal(let left), .decimal(let right)): left == right
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch canonical {
        case .integer(let value): hasher.combine(value)
        case .unsigned(let value): hasher.combine(value)
        case .decimal(let value): hasher.combine(value)
        }
    }
}

extension JSON.Number {
    public var double: Double {
        switch self {
        case .integer(let value): Double(value)
        case .unsigned(let value): Double(value)
        case .decimal(let value): value
        }
    }

    @inline(__always)
    func exactly<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
        switch self {
        case .integer(let value): Value(exactly: value)
        case .unsigned(let value): Value(exactly: value)
        case .decimal(let value): Value(exactly: value)
        }
    }

    /// The number a checked node means.
    @inline(__always)
    init(_ node: JSONNode, in base: UnsafePointer<UInt8>) {
        let text = node.slice(in: base)
        // Up to 18 characters cannot overflow.
        if node.kind == .integer, text.count <= 18, text[0] != UInt8(ascii: "-") {
            var value: Int64 = 0
            for digit in text { value = value &* 10 &+ Int64(digit &- UInt8(ascii: "0")) }
            self = .integer(value)
        } else {
            self.init(text, isInteger: node.kind == .integer)
        }
    }

    @inline(never)
    init(_ text: UnsafeBufferPointer<UInt8>, isInteger: Bool) {
        if isInteger, let exact = JSON.Number(integer: text) {
            self = exact
            return
        }
        self = .decimal(JSON.Number.double(text))
    }

    /// The integer that a number written with a fraction or an exponent is, digit by digit, where a `Double` holds only one near it; `nil`
    /// when it is none of 64 bits.
    init?(whole text: UnsafeBufferPointer<UInt8>) {
        let isNegative = text.first == UInt8(ascii: "-")
        // Zeros wait until another digit follows, so that those at the end cost no room.
        var magnitude: UInt64 = 0
        var zeros = 0
        var exponent = 0
        var isFraction = false
        var index = isNegative ? 1 : 0
        while index < text.count, text[index] | 0x20 != UInt8(ascii: "e") {
            let byte = text[index]
            index &+= 1
            guard byte.isDigit else {
                isFraction = true
                continue
            }
            if isFraction { exponent &-= 1 }
            zeros &+= 1
            guard byte != UInt8(ascii: "0") else { continue }
            guard let shifted = JSON.Number.shifted(magnitude, by: zeros) else { return nil }
            let (sum, overflowed) = shifted.addingReportingOverflow(UInt64(byte &- UInt8(ascii: "0")))
            if overflowed { return nil }
            magnitude = sum
            zeros = 0
        }
        if index < text.count {
            index &+= 1
            let isDown = index < text.count && text[index] == UInt8(ascii: "-")
            var written = 0
            for byte in text[index...] where byte.isDigit {
                written = min(written &* 10 &+ Int(byte &- UInt8(ascii: "0")), 100_000)
            }
            exponent &+= isDown ? 0 &- written : written
        }
        guard exponent &+ zeros >= 0, let value = JSON.Number.shifted(magnitude, by: exponent &+ zeros) else { return nil }
        if !isNegative {
            self = Int64(exactly: value).map { .integer($0) } ?? .unsigned(value)
        } else if value <= Int64.min.magnitude {
            self = .integer(Int64(truncatingIfNeeded: 0 &- value))
        } else {
            return nil
        }
    }

    /// Times ten, so many times.
    private static func shifted(_ value: UInt64, by places: Int) -> UInt64? {
        guard value > 0 else { return 0 }
        guard places < 20 else { return nil }
        var value = value
        for _ in 0..<places {
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            if overflowed { return nil }
            value = product
        }
        return value
    }

    /// `nil` when no 64-bit integer is the number: it is too large, or a negative zero.
    private init?(integer text: UnsafeBufferPointer<UInt8>) {
        let isNegative = text.first == UInt8(ascii: "-")
        var value: UInt64 = 0
        for digit in isNegative ? text.dropFirst() : text[...] {
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowed) = product.addingReportingOverflow(UInt64(digit &- UInt8(ascii: "0")))
            if tooLarge || overflowed { return nil }
            value = sum
        }
        if !isNegative {
            self = Int64(exactly: value).map { .integer($0) } ?? .unsigned(value)
        } else if value > 0, value <= Int64.min.magnitude {
            self = .integer(Int64(truncatingIfNeeded: 0 &- value))
        } else {
            return nil
        }
    }

    /// Both exact in a `Double`, so one multiplication or division rounds just once.
    private static let powers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
        1e22,
    ]

    /// The `Double` nearest to a number whose form was checked; infinite when it is too large.
    static func double(_ text: UnsafeBufferPointer<UInt8>) -> Double {
        var mantissa: UInt64 = 0
        var exponent = 0
        var written = 0
        var isFraction = false
        var index = text.first == UInt8(ascii: "-") ? 1 : 0
        let isNegative = index == 1
        scan: while index < text.count, text.count <= 24 {
            let byte = text[index]
            index &+= 1
            if byte.isDigit {
                mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
                if mantissa > 0 { written &+= 1 }
                if isFraction { exponent &-= 1 }
            } else if byte == UInt8(ascii: ".") {
                isFraction = true
            } else {
                let isDown = text[index] == UInt8(ascii: "-")
                if isDown || text[index] == UInt8(ascii: "+") { index &+= 1 }
                var value = 0
                while index < text.count {
                    value = min(value &* 10 &+ Int(text[index] &- UInt8(ascii: "0")), 10_000)
                    index &+= 1
                }
                exponent &+= isDown ? 0 &- value : value
            }
        }
        if text.count <= 24, written <= 18, mantissa <= 1 << 53, exponent.magnitude < powers.count {
            let power = powers[Int(exponent.magnitude)]
            let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            return isNegative ? -value : value
        }
        // Not reached for a checked number; NaN would be refused like an infinity.
        return Double(String(decoding: text, as: UTF8.self)) ?? .nan
    }
}
