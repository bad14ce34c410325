import Synchronization

/// A way to a value of one type that does not go through its `init(from:)`, which for the types of the standard library only leads back
/// here by many more steps.
@usableFromInline
class JSONShortcut<Value> {
    @usableFromInline
    func decode(_ document: JSONDocument, _ index: Int) throws -> Value {
        // Never called: every shortcut overrides it.
        throw document.mismatch(Value.self, at: index)
    }
}

/// Every shortcut that was ever asked for: one for a type, kept for good.
enum JSONShortcuts {
    /// A shortcut holds nothing that changes.
    private struct Made: @unchecked Sendable {
        let shortcut: Unmanaged<AnyObject>?
    }

    private static let made = Mutex<[ObjectIdentifier: Made]>([:])

    static func shortcut<Value: Decodable>(for type: Value.Type) -> Unmanaged<AnyObject>? {
        let identifier = ObjectIdentifier(type)
        if let known = made.withLock({ $0[identifier] }) { return known.shortcut }
        let new = ((type as? any JSONShortcutType.Type)?.shortcut as? JSONShortcut<Value>).map {
            Unmanaged<AnyObject>.passRetained($0)
        }
        let entry = Made(shortcut: new)
        let kept = made.withLock { made in
            let kept = made[identifier] ?? entry
            made[identifier] = kept
            return kept
        }
        // Another thread was first.
        if let new, kept.shortcut?.toOpaque() != new.toOpaque() { new.release() }
        return kept.shortcut
    }
}

protocol JSONShortcutType {
    /// A `JSONShortcut<Self>`.
    static var shortcut: AnyObject { get }
}

private final class JSONArrayShortcut<Element: Decodable>: JSONShortcut<[Element]> {
    override func decode(_ document: JSONDocument, _ index: Int) throws -> [Element] {
        guard document.nodes[index].kind == .array else { throw document.mismatch([Any].self, at: index) }
        let length = Int(document.nodes[index].length)
        var elements: [Element] = []
        elements.reserveCapacity(length)
        var child = index &+ 1
        for _ in 0..<length {
            elements.append(try document.decode(Element.self, at: child))
            child = Int(document.nodes[child].next)
        }
        return elements
    }
}

private final class JSONLeafShortcut<Value>: JSONShortcut<Value> {
    private let read: (JSONDocument, Int, UnsafePointer<UInt8>) throws -> Value

    init(_ read: @escaping (JSONDocument, Int, UnsafePointer<UInt8>) throws -> Value) { self.read = read }

    override func decode(_ document: JSONDocument, _ index: Int) throws -> Value {
        try read(document, index, try document.live(document.epoch))
    }
}

extension Array: JSONShortcutType where Element: Decodable {
    static var shortcut: AnyObject { JSONArrayShortcut<Element>() }
}
extension String: JSONShortcutType {
    static var shortcut: AnyObject { JSONLeafShortcut<String> { try $0.string(at: $1, in: $2) } }
}
extension Int: JSONShortcutType {
    static var shortcut: AnyObject { JSONLeafShortcut<Int> { try $0.integer(Int.self, at: $1, in: $2) } }
}
extension Double: JSONShortcutType {
    static var shortcut: AnyObject { JSONLeafShortcut<Double> { try $0.double(at: $1, in: $2) } }
}
extension Float: JSONShortcutType {
    static var shortcut: AnyObject { JSONLeafShortcut<Float> { try $0.float(at: $1, in: $2) } }
}
extension Bool: JSONShortcutType {
    static var shortcut: AnyObject { JSONLeafShortcut<Bool> { document, index, _ in try document.bool(at: index) } }
}
extension JSON: JSONShortcutType {
    static var shortcut: AnyObject { JSONLeafShortcut<JSON> { JSONValues($0, in: $2).value(at: $1) } }
}
