import SwiftletSanitize

/// Accepted addresses have one `@`, a name as domain, and read back as themselves.
func fuzzEmail(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    let address = EmailAddress(text)
    guard (address != nil) == validateEmail(text).valid else { fatalError("two answers") }
    guard let address else { return 0 }
    let out = address.description
    guard out.utf8.count <= 254, out.utf8.filter({ $0 == UInt8(ascii: "@") }).count == 1 else { fatalError("not one address") }
    guard out.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"(),:;<>[]\\".utf8.contains($0) }) else { fatalError("not plain") }
    guard address.domain.utf8.allSatisfy({ $0 >= 0x61 && $0 <= 0x7A || $0 >= 0x30 && $0 <= 0x39 || $0 == 0x2D || $0 == 0x2E }),
        address.domain.contains("."), !address.domain.hasSuffix("."), !address.local.hasPrefix("."), !address.local.contains("..")
    else { fatalError("not canonical") }
    guard EmailAddress(out) == address else { fatalError("does not read back") }
    return 0
}
