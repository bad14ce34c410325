/// What host and thumbnail process say to each other over a stream socket. Numbers are little-endian; lengths are checked against a limit
/// of the reader before anything is kept.
///
///     host → process   boot, then for each picture: ask, the picture's bytes
///     process → host   hello, a text; then for each picture: answer, the bytes of the result or a text
enum ThumbnailFrames {
    static let magic: UInt32 = 0x3148_5453
    /// Texts that say what went wrong, in bytes.
    static let longestText = 2048
}

/// Why there is no result.
enum RenderWord: UInt32, Sendable {
    case none = 0
    /// libvips is not there, or not whole.
    case library
    /// The process could not take from itself what it must not have.
    case containment
    /// The host asked for what cannot be.
    case request
    /// The picture cannot be read.
    case unreadable
    /// More pixels than allowed.
    case pixels
    /// The result has more bytes than allowed.
    case result
}

/// The first thing a thumbnail process is told.
struct BootWords: Equatable {
    static let size = 20
    var parent: Int32
    var user: UInt32?
    var group: UInt32 = 0

    var bytes: [UInt8] {
        var writer = WordWriter()
        writer.add(ThumbnailFrames.magic)
        writer.add(UInt32(bitPattern: parent))
        writer.add(user == nil ? 0 : 1)
        writer.add(user ?? 0)
        writer.add(group)
        return writer.bytes
    }

    init(parent: Int32, user: UInt32? = nil, group: UInt32 = 0) {
        self.parent = parent
        self.user = user
        self.group = group
    }

    init?(_ bytes: [UInt8]) {
        var reader = WordReader(bytes)
        guard reader.next() == ThumbnailFrames.magic, let parent = reader.next(), let hasUser = reader.next(), hasUser <= 1,
            let user = reader.next(), let group = reader.next(), reader.isAtEnd
        else { return nil }
        self.init(parent: Int32(bitPattern: parent), user: hasUser == 1 ? user : nil, group: group)
    }
}

/// One picture to make; as many bytes as it says follow.
struct AskWords: Equatable {
    static let size = 40

    enum Fit: UInt32, CaseIterable {
        /// The picture fits into the box; it is never larger than it was.
        case inside
        /// It fills the box, and what hangs over is cut away; it is never larger than it was.
        case filling
        /// It becomes the box, whatever happens to its proportions.
        case stretched
        /// It fits into the box, and may become larger than it was.
        case enlarged
    }

    var source: ImageKind
    var made: ImageKind
    var fit: Fit
    /// The box, in pixels.
    var width: Int
    var height: Int
    /// 1...100
    var quality: Int
    /// Bytes that follow.
    var count: Int
    /// Bytes the result may have.
    var most: Int
    /// Pixels the picture may have.
    var pixels: Int

    var bytes: [UInt8] {
        var writer = WordWriter()
        writer.add(ThumbnailFrames.magic)
        writer.add(UInt32(source.rawValue))
        writer.add(UInt32(made.rawValue))
        writer.add(fit.rawValue)
        for number in [width, height, quality, count, most, pixels] { writer.add(UInt32(clamping: number)) }
        return writer.bytes
    }

    static let longestSide = 16_383

    init?(_ bytes: [UInt8]) {
        var reader = WordReader(bytes)
        guard reader.next() == ThumbnailFrames.magic,
            let source = reader.next().flatMap({ UInt8(exactly: $0) }).flatMap(ImageKind.init(rawValue:)),
            let made = reader.next().flatMap({ UInt8(exactly: $0) }).flatMap(ImageKind.init(rawValue:)), made != .heic,
            let fit = reader.next().flatMap(Fit.init(rawValue:)),
            let width = reader.next(), (1...UInt32(Self.longestSide)).contains(width),
            let height = reader.next(), (1...UInt32(Self.longestSide)).contains(height),
            let quality = reader.next(), (1...100).contains(quality), let count = reader.next(), let most = reader.next(),
            let pixels = reader.next(), reader.isAtEnd
        else { return nil }
        self.init(
            source: source, made: made, fit: fit, width: Int(width), height: Int(height), quality: Int(quality),
            count: Int(count), most: Int(most), pixels: Int(pixels))
    }

    init(
        source: ImageKind, made: ImageKind, fit: Fit, width: Int, height: Int, quality: Int, count: Int, most: Int, pixels: Int
    ) {
        self.source = source
        self.made = made
        self.fit = fit
        self.width = width
        self.height = height
        self.quality = quality
        self.count = count
        self.most = most
        self.pixels = pixels
    }
}

/// What follows: the bytes of a result after `.none`, otherwise a text. Also the hello, whose text says what the process has become.
struct AnswerWords: Equatable {
    static let size = 12
    var word: RenderWord
    var count: Int

    var bytes: [UInt8] {
        var writer = WordWriter()
        writer.add(ThumbnailFrames.magic)
        writer.add(word.rawValue)
        writer.add(UInt32(clamping: count))
        return writer.bytes
    }

    init(_ word: RenderWord, count: Int) {
        self.word = word
        self.count = count
    }

    init?(_ bytes: [UInt8]) {
        var reader = WordReader(bytes)
        guard reader.next() == ThumbnailFrames.magic, let word = reader.next().flatMap(RenderWord.init(rawValue:)),
            let count = reader.next(), reader.isAtEnd
        else { return nil }
        self.init(word, count: Int(count))
    }
}

struct WordWriter {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ number: UInt32) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }
}

struct WordReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func next() -> UInt32? {
        guard rest.count >= 4 else { return nil }
        defer { rest = rest.dropFirst(4) }
        return rest.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
