import NIOCore
import Swiftlet
import SwiftletJSON
import SwiftletServer

/// Judges a JSON body while it arrives: what breaks a limit is refused at the byte that does, not when all of it is here.
final class BodyIntake: BodyJudge {
    private var intake: JSONIntake
    private var seen = 0
    private(set) var error: JSONError?

    init(limits: JSONLimits) { intake = JSONIntake(limits: limits) }

    func goesOn(_ body: ByteBuffer) -> Bool {
        body.withUnsafeReadableBytes { bytes in
            guard bytes.count > seen else { return true }
            let part = UnsafeRawBufferPointer(rebasing: bytes[seen...])
            seen = bytes.count
            do throws(JSONError) { try intake.take(part) } catch { self.error = error }
            return error == nil
        }
    }

    /// The verdict on a body that is complete. An empty one is left to the function: it may not want any.
    func finish(_ body: ByteBuffer) throws(HTTPError) {
        guard body.readableBytes > 0 else { return }
        if goesOn(body) { do throws(JSONError) { try intake.finish() } catch { self.error = error } }
        if let error { throw HTTPError(invalidJSON: error) }
    }

    /// A body that was here at once and is small: the parser's own pass is faster, and its memory is reused.
    static func check(_ body: ByteBuffer, limits: JSONLimits) throws(HTTPError) {
        guard body.readableBytes > 0 else { return }
        guard body.readableBytes <= 16 * 1024 else { return try BodyIntake(limits: limits).finish(body) }
        let failure: JSONError? = body.withUnsafeReadableBytes { bytes in
            do throws(JSONError) {
                try JSON.check(bytes, limits: limits)
                return nil
            } catch { return error }
        }
        if let failure { throw HTTPError(invalidJSON: failure) }
    }
}
