/// What a thread keeps from one decoding to the next: one document, and the keyed readers of the types read lately.
///
/// The standard library wraps every keyed reader in an object of its own and looks its type up anew each time; for a small document that
/// costs more than reading it. So a wrapped reader is kept and sent to the next object, but only while nobody else holds it: a type may
/// read itself within itself, or keep its reader, and then gets one of its own.
final class JSONReuse {
    /// The owner of these references is the slot.
    private struct Slot {
        var type = ObjectIdentifier(JSONReuse.self)
        /// The reader, and the container of the standard library around it.
        var place: Unmanaged<JSONMembersPlace>?
        var kept: Unmanaged<JSONKeptContainer>?

        func release() {
            place?.release()
            kept?.release()
        }
    }

    private struct ShortcutSlot {
        var type = ObjectIdentifier(JSONReuse.self)
        /// `nil` for a type that has none.
        var shortcut: Unmanaged<AnyObject>?
    }

    /// 128, for the hash below. Types that meet in a pair of slots take turns in it.
    private static let slots = 128

    private let members: UnsafeMutablePointer<Slot>
    private let shortcuts: UnsafeMutablePointer<ShortcutSlot>

    init() {
        members = .allocate(capacity: JSONReuse.slots)
        members.initialize(repeating: Slot(), count: JSONReuse.slots)
        shortcuts = .allocate(capacity: JSONReuse.slots)
        shortcuts.initialize(repeating: ShortcutSlot(), count: JSONReuse.slots)
    }

    deinit {
        for slot in 0..<JSONReuse.slots {
            members[slot].release()
            shortcuts[slot].shortcut?.release()
        }
        members.deallocate()
        shortcuts.deallocate()
    }

    /// The first of the two slots a type may be in; the other one differs in the lowest bit.
    @inline(__always)
    private static func slot(_ type: ObjectIdentifier) -> Int {
        Int(truncatingIfNeeded: (UInt64(UInt(bitPattern: type)) &* 0x9E37_79B9_7F4A_7C15) &>> 57)
    }

    // MARK: Keyed readers

    /// The kept reader for `key`, sent to `object`; `nil` when there is none or somebody holds it. Alive as long as its slot is not taken.
    @inline(__always)
    func members<Key: CodingKey>(
        of document: JSONDocument, at object: Int, by key: Key.Type
    ) -> Unmanaged<JSONKept<KeyedDecodingContainer<Key>>>? {
        let type = ObjectIdentifier(key)
        var slot = members + JSONReuse.slot(type)
        if slot.pointee.type != type {
            slot = members + (JSONReuse.slot(type) ^ 1)
            guard slot.pointee.type == type else { return nil }
        }
        guard let kept = slot.pointee.kept, let place = slot.pointee.place,
            kept._withUnsafeGuaranteedRef({ $0.isFree() })
        else { return nil }
        place._withUnsafeGuaranteedRef { $0.move(to: object) }
        return Unmanaged.fromOpaque(kept.toOpaque())
    }

    @inline(never)
    func newMembers<Key: CodingKey>(of document: JSONDocument, at object: Int) -> KeyedDecodingContainer<Key> {
        let members = JSONMembers<Key>(document: document, object: object)
        let container = KeyedDecodingContainer(members)
        let type = ObjectIdentifier(Key.self)
        let first = JSONReuse.slot(type)
        // One that is held stays: it will be free again.
        guard JSONKeptContainer.isPossible, self.members[first].type != type, self.members[first ^ 1].type != type else {
            return container
        }
        let slot = self.members[first].kept == nil ? first : first ^ 1
        self.members[slot].release()
        self.members[slot] = Slot(type: type, place: .passRetained(members), kept: .passRetained(JSONKept(container)))
        return container
    }

    // MARK: Shortcuts

    /// Alive as long as its slot is not taken: the caller retains it before it calls anything else.
    @inline(__always)
    func shortcut<Value: Decodable>(for type: Value.Type) -> Unmanaged<JSONShortcut<Value>>? {
        let identifier = ObjectIdentifier(type)
        let first = JSONReuse.slot(identifier)
        let slot = shortcuts[first].type == identifier ? first : first ^ 1
        guard shortcuts[slot].type == identifier else { return newShortcut(for: type) }
        guard let shortcut = shortcuts[slot].shortcut else { return nil }
        return Unmanaged.fromOpaque(shortcut.toOpaque())
    }

    @inline(never)
    private func newShortcut<Value: Decodable>(for type: Value.Type) -> Unmanaged<JSONShortcut<Value>>? {
        let identifier = ObjectIdentifier(type)
        let shortcut = (type as? any JSONShortcutType.Type)?.shortcut as? JSONShortcut<Value>
        let first = JSONReuse.slot(identifier)
        let slot = shortcuts[first].type == ObjectIdentifier(JSONReuse.self) ? first : first ^ 1
        shortcuts[slot].shortcut?.release()
        shortcuts[slot] = ShortcutSlot(type: identifier, shortcut: shortcut.map { .passRetained($0) })
        return shortcuts[slot].shortcut.map { Unmanaged.fromOpaque($0.toOpaque()) }
    }
}

/// A container of the standard library that is kept, whatever its type: the object that is all there is to it.
class JSONKeptContainer {
    /// Stands for an object of any class, to be counted and nothing else.
    fileprivate final class Counted {}

    fileprivate final var object: Counted

    fileprivate init(_ object: Counted) { self.object = object }

    /// Whether nobody but the keeper holds it.
    @inline(__always)
    final func isFree() -> Bool { withUnsafeMutablePointer(to: &object) { isKnownUniquelyReferenced(&$0.pointee) } }

    /// Whether the standard library's container is what this takes it for, a lone counted reference. It is not documented to be, so
    /// this looks before anything relies on it; otherwise nothing is kept and reading is only slower.
    static let isPossible: Bool = {
        typealias Container = KeyedDecodingContainer<JSONNameKey>
        guard MemoryLayout<Container>.size == MemoryLayout<Counted>.size, !_isPOD(Container.self) else { return false }
        let workspace = JSONWorkspace()
        let kept = newKept(workspace.document)
        return kept.isFree() && isSeenHeld(kept) && kept.isFree()
    }()

    // Functions of their own, so that what they hold is gone when they return.

    @inline(never)
    private static func newKept(_ document: JSONDocument) -> JSONKept<KeyedDecodingContainer<JSONNameKey>> {
        JSONKept(KeyedDecodingContainer(JSONMembers<JSONNameKey>(document: document, object: 0)))
    }

    @inline(never)
    private static func isSeenHeld(_ kept: JSONKept<KeyedDecodingContainer<JSONNameKey>>) -> Bool {
        let copy = kept.copy()
        return withExtendedLifetime(copy) { !kept.isFree() }
    }
}

final class JSONKept<Container>: JSONKeptContainer {
    /// `container` is a lone reference: ``JSONKeptContainer/isPossible`` was asked.
    init(_ container: Container) {
        super.init(withUnsafePointer(to: container) { UnsafeRawPointer($0).assumingMemoryBound(to: Counted.self).pointee })
    }

    /// Not inlined: here `Container` is known from `self`, elsewhere it would be looked up, which is what keeping it avoids.
    @inline(never)
    func copy() -> Container {
        withUnsafePointer(to: &object) { UnsafeRawPointer($0).assumingMemoryBound(to: Container.self).pointee }
    }
}
