internal import Glibc
internal import SwiftletCrypto
package import SwiftletFiles
package import SwiftletStorage
package import SwiftletWorkers

/// How thumbnails are made.
package struct ThumbnailSettings: Sendable {
    /// Processes at once.
    package var processes = 2
    /// Pictures that wait for a process; one more is refused with `.slowDown`.
    package var waiting = 16
    /// Requests that wait for all of these.
    package var requests = 256
    /// How long a picture may wait for a process before it is refused with `.slowDown`.
    package var waitMilliseconds = 30_000
    /// How long one picture may take, from the first byte of the original to the last of the result.
    package var pictureMilliseconds = 15_000
    /// How long a process may take to begin.
    package var startMilliseconds = 10_000
    /// How long a process stays without work.
    package var idleMilliseconds = 60_000
    /// After so many pictures a process is replaced, so that one which a picture took over sees few others.
    package var picturesPerProcess = 64
    /// After a process could not be started, how long nobody tries again.
    package var pauseMilliseconds = 5_000
    /// Of an original.
    package var inputBytes = 32 << 20
    package var inputPixels = 100_000_000
    /// Of a result.
    package var outputBytes = 8 << 20
    /// Of the folder.
    package var cacheBytes = 256 << 20
    /// A user that only workers have; needs a host that runs as root.
    package var user: ContainmentProfile.User?
    /// The program that is running, unless a test says otherwise.
    package var executable = "/proc/self/exe"
    package var arguments = ["swiftlet", "thumbnail"]

    package init() {}
}

/// Makes small pictures of stored ones, in processes of their own, and keeps what was made.
///
/// A process is started when there is a picture to make and ends when there has been none for a while. One that dies, hangs or says
/// nonsense costs the picture it was at. All waiting for processes and files is done on threads of this object, one for each process.
package final class ThumbnailWorker: ThumbnailMaker {
    private let floor: ThumbnailFloor
    private let cache: ThumbnailCache
    private let settings: ThumbnailSettings

    /// Starts nothing yet.
    /// - Parameters:
    ///   - folder: where results are kept: made if its parent is there, and this object's alone.
    ///   - environment: the host's; a thumbnail process gets what workers get of it.
    /// - Throws: when the folder cannot be used.
    package init(
        folder: String, settings: ThumbnailSettings = ThumbnailSettings(), environment: [String: String]
    ) throws(StorageError) {
        self.settings = settings
        cache = try ThumbnailCache(path: folder, limit: settings.cacheBytes)
        floor = ThumbnailFloor(
            settings, cache,
            ThumbnailLaunch(
                executable: settings.executable, arguments: settings.arguments,
                environment: WorkerSpawn.environment(from: environment), user: settings.user))
    }

    deinit { floor.stop() }

    /// Ends all processes; who waits is refused with `.slowDown`. Results that are kept can still be had.
    package func stop() { floor.stop() }

    /// Whether libvips is there, by starting a process: what it says about itself, or why thumbnails cannot be made. Blocks for up to
    /// `startMilliseconds`; usually a tenth of a second.
    package func probe() throws(StorageError) -> String {
        do throws(ProcessProblem) {
            return try ThumbnailProcess(floor.launch, deadline: Deadline(milliseconds: settings.startMilliseconds)).facts
        } catch { throw ThumbnailFloor.error(error) }
    }

    /// Forgets what was made from this version of an object, which has been removed or overwritten. Not needed for correctness: nobody
    /// reaches it any more. Blocks for some milliseconds at most.
    package func removeAll(of version: String) { cache.removeAll(of: version) }

    /// What there is to see from outside: the processes, how many pictures they have begun, and what waits.
    package var condition: ThumbnailCondition {
        var condition = floor.condition
        condition.cachedBytes = cache.bytes
        condition.cachedPictures = cache.count
        return condition
    }

    /// The picture in its new shape, an open file. Its info is the original's, with the size, type and ETag of the result. From an
    /// animation it is the first frame. There is no metadata in it, and it is never larger than the original unless it is stretched.
    ///
    /// - Throws: `.invalidMimeType` for what is no picture of the known kinds; `.entityTooLarge` when the original or the result is too
    ///   large; `.contentMismatch` when the picture cannot be read; `.upstream` when a process died or took too long; `.slowDown` when
    ///   too many wait; `.notConfigured` without libvips; `.clientGone` when the task is cancelled.
    package func thumbnail(of original: StoredFile, _ wanted: ThumbnailRequest) async throws(StorageError) -> StoredFile {
        guard let source = ImageKind(contentType: original.info.contentType) else {
            throw StorageError(
                .invalidMimeType,
                "Images of these types can be changed: \(ImageKind.allCases.map(\.contentType).joined(separator: ", "))")
        }
        guard original.size > 0, original.size <= settings.inputBytes else {
            throw StorageError(.entityTooLarge, "Images of up to \(settings.inputBytes) bytes can be changed")
        }
        let ask = AskWords(source, wanted, count: original.size, settings)
        let name = ThumbnailCache.name(version: original.info.version, "1 \(source.contentType) \(wanted.canonical)")
        var info = original.info
        info.contentType = ask.made.contentType
        info.etag = "\"\(name)\""
        let picture: OpenPicture
        if let kept = cache.open(name) {
            picture = kept
        } else {
            picture = try await floor.make(name, ThumbnailWork(original: original, ask: ask))
        }
        info.size = picture.size
        return try StoredFile(info, try picture.duplicate())
    }
}

package struct ThumbnailCondition: Sendable, Equatable {
    package var processes: [Int32] = []
    package var running = 0
    package var waiting = 0
    /// Since the start.
    package var processesStarted = 0
    package var picturesBegun = 0
    package var cachedBytes = 0
    package var cachedPictures = 0
}

extension AskWords {
    /// - Parameter count: bytes of the original.
    init(_ source: ImageKind, _ wanted: ThumbnailRequest, count: Int, _ settings: ThumbnailSettings) {
        let fit: Fit
        switch (wanted.resize, wanted.width, wanted.height) {
        case (.fill, .some, .some): fit = .stretched
        // One side follows from the other, so that nothing is left to stretch or to cut.
        case (.fill, .some, nil), (.fill, nil, .some): fit = .enlarged
        case (.cover, .some, .some): fit = .filling
        case (.contain, _, _), (.cover, _, _), (.fill, nil, nil): fit = .inside
        }
        // Enlarging needs a bound on both sides; what only shrinks has that of the original.
        let free = fit == .enlarged ? ThumbnailRequest.maxSide : AskWords.longestSide
        self.init(
            source: source, made: source.made(as: wanted.format), fit: fit, width: wanted.width ?? free,
            height: wanted.height ?? free, quality: wanted.quality, count: count, most: settings.outputBytes,
            pixels: settings.inputPixels)
    }
}
