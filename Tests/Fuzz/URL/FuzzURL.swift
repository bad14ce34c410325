import SwiftletNet
import SwiftletSanitize

/// Accepted URLs read back as themselves, their hosts are canonical, and links are what they say.
func fuzzURL(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    if let url = try? URLCheck.parse(text) {
        // A text within the limit can be longer once encoded.
        guard let again = try? WebURL.parse(url.href, maxBytes: 65_536), again == url, again.href == url.href else {
            fatalError("parse(href) is not the URL")
        }
        if case .name(let name) = url.host, ["http", "https", "ws", "wss", "ftp"].contains(url.scheme) {
            guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !($0 >= 0x41 && $0 <= 0x5A) }) else {
                fatalError("host not canonical")
            }
        }
        if let strict = WebURL(text), strict != url { fatalError("the conversion changed an ASCII host") }
    } else if WebURL(text) != nil {
        fatalError("the conversion refuses what is accepted without it")
    }
    if validateURL(text).valid {
        guard let url = try? URLCheck.parse(text), validateURL(url.href, maxLength: 65_536).valid else {
            fatalError("valid, but not in canonical form")
        }
        if case .address(let address) = url.host, AddressTable.deniedClass(of: address) != nil {
            fatalError("a special address is valid")
        }
    }
    if let link = sanitizeURL(text) {
        guard sanitizeURL(link) == link,
            link.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x3C && $0 != 0x3E })
        else {
            fatalError("a link that is not safe in an attribute")
        }
        guard ["http://", "https://", "mailto:", "tel:"].contains(where: link.hasPrefix) else {
            fatalError("a link of another scheme")
        }
    }
    if let link = sanitizeURL(text, allowRelative: true) {
        guard sanitizeURL(link, allowRelative: true) == link else { fatalError("a reference that changes again") }
        if sanitizeURL(text) == nil {
            let head = link.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            guard !link.hasPrefix("//"), !head.contains(":"), !link.contains("\\") else {
                fatalError("a reference that leads elsewhere")
            }
        }
    }
    if let ascii = InternationalName.ascii(text) {
        guard ascii.utf8.allSatisfy({ $0 < 0x80 }), InternationalName.isSound(ascii) else {
            fatalError("a name that is not sound")
        }
    }
    return 0
}
