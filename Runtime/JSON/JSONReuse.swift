/// What is kept from one decoding to the next beside the document: the keyed readers of the types read lately.
///
/// The standard library wraps every keyed reader in an object of its own and looks its type up anew each time; for a small document that
/// costs more than reading it. So a wrapped reader is kept and sent to the next object, but only while nobody else holds it: a type may
/// read itself within itself, or keep its reader, and then gets one of its own.
///
/// Addresses only; never freed, like the document it belongs to.
struct JSONReuse {
    /// The type of an empty slot.
    private static let nothing = ObjectIdentifier(JSONReuse.self)

    private struct Slot {
        var type = JSONReuse.nothing
        /// The container of the standard library around a reader; the slot owns it.
        var kept: Unmanaged<JSONKeptContainer>?
    }

    private struct ShortcutSlot {
        var type = JSONReuse.nothing
        /// `nil` for a type that has none.
        var shortcut: Unmanaged<AnyObject>?
    }

    /// 128, for the hash below. Types that meet in a pair of slots take turns in it.
    private static let slots = 128

    private let members: UnsafeMutablePointer<Slot>
    /// Where each of them reads.
    private let places: UnsafeMutablePointer<JSONPlace>
    private let shortcuts: UnsafeMutablePointer<ShortcutSlot>

    init() {
        members = .allocate(capacity: JSONReuse.slots)
        members.initialize(repeating: Slot(), count: JSONReuse.slots)
        places = .allocate(capacity: JSONReuse.slots)
        places.initialize(repeating: JSONPlace(object: 0, epoch: 0), count: JSONReuse.slots)
        shortcuts = .allocate(capacity: JSONReuse.slots)
        shortcuts.initialize(repeating: ShortcutSlot(), count: JSONReuse.slots)
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
        var slot = JSONReuse.slot(type)
        if members[slot].type != type {
            slot ^= 1
            guard members[slot].type == type else { return nil }
        }
        guard let kept = members[slot].kept, kept._withUnsafeGuaranteedRef({ $0.isFree() }) else { return nil }
        places[slot] = JSONPlace(object, in: document)
        return Unmanaged.fromOpaque(kept.toOpaque())
    }

    @inline(never)
    func newMembers<Key: CodingKey>(of document: JSONDocument, at object: Int) -> KeyedDecodingContainer<Key> {
        let type = ObjectIdentifier(Key.self)
        let first = JSONReuse.slot(type)
        let slot = members[first].kept == nil ? first : first ^ 1
        // One that is held stays: it will be free again.
        guard JSONKeptContainer.isPossible, members[first].type != type, members[first ^ 1].type != type,
            members[slot].kept?._withUnsafeGuaranteedRef({ $0.isFree() }) ?? true
        else { return KeyedDecodingContainer(JSONMembers<Key>(document: document, object: object)) }
        members[slot].kept?.release()
        places[slot] = JSONPlace(object, in: document)
        let container = KeyedDecodingContainer(JSONMembers<Key>(document: document, sentTo: places + slot))
        members[slot] = Slot(type: type, kept: .passRetained(JSONKept(container)))
        return container
    }

    // MARK: Shortcuts

    /// The shortcut to values of a type, which is never freed; `nil` for a type that has none.
    @inline(__always)
    func shortcut<Value: Decodable>(for type: Value.Type) -> Unmanaged<JSONShortcut<Value>>? {
        let identifier = ObjectIdentifier(type)
        let first = JSONReuse.slot(identifier)
        let slot = shortcuts[first].type == identifier ? first : first ^ 1
        guard shortcuts[slot].type == identifier else { return otherShortcut(for: type) }
        guard let shortcut = shortcuts[slot].shortcut else { return nil }
        return Unmanaged.fromOpaque(shortcut.toOpaque())
    }

    @inline(never)
    private func otherShortcut<Value: Decodable>(for type: Value.Type) -> Unmanaged<JSONShortcut<Value>>? {
        let identifier = ObjectIdentifier(type)
        let first = JSONReuse.slot(identifier)
        let slot = shortcuts[first].type == JSONReuse.nothing ? first : first ^ 1
        let shortcut = JSONShortcuts.shortcut(for: type)
        shortcuts[slot] = ShortcutSlot(type: identifier, shortcut: shortcut)
        return shortcut.map { Unmanaged.fromOpaque($0.toOpaque()) }
    }
}

/// A container of the standard library that is kept, whatever its type: the object that is all there is to it.
class JSONKeptContainer {
    /// Stands for an object of any class, to be counted and nothing else.
    fileprivate final class Counted {}

    fileprivate final let place: UnsafeMutableRawPointer

    fileprivate init(_ place: UnsafeMutableRawPointer) { self.place = place }

    /// Whether nobody but the keeper holds it.
    @inline(__always)
    final func isFree() -> Bool {
        // The address alone does not keep what stands there.
        withExtendedLifetime(self) { isKnownUniquelyReferenced(&place.assumingMemoryBound(to: Counted.self).pointee) }
    }

    /// Whether the standard library's container is what this takes it for, a lone counted reference. It is not documented to be, so
    /// this looks before anything relies on it; otherwise nothing is kept and reading is only slower.
    static let isPossible: Bool = {
        typealias Container = KeyedDecodingContainer<JSONNameKey>
        guard MemoryLayout<Container>.size == MemoryLayout<Counted>.size, !_isPOD(Container.self) else { return false }
        let workspace = JSONWorkspace.take()
        defer { workspace.giveBack() }
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
    private let container: UnsafeMutablePointer<Container>

    /// `container` is a lone reference: ``JSONKeptContainer/isPossible`` was asked.
    init(_ container: consuming Container) {
        self.container = .allocate(capacity: 1)
        self.container.initialize(to: container)
        super.init(self.container)
    }

    deinit {
        container.deinitialize(count: 1)
        container.deallocate()
    }

    /// Not inlined: here `Container` is known from `self`, elsewhere it would be looked up, which is what keeping it avoids.
    @inline(never)
    func copy() -> Container { container.pointee }
}
