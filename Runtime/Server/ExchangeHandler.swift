package import NIOCore
package import SwiftletHTTP

/// What answers the requests of a server: the host.
package protocol ExchangeHandler: AnyObject, Sendable {
    /// A request head was read. Called on the connection's event loop, with at most one open exchange per connection:
    /// requests that a client sent ahead wait until this one is answered.
    ///
    /// Every exchange must be answered in the end, by `respond`, `end` or `abort`; the server sets no deadline for the
    /// answer itself.
    func receive(_ exchange: Exchange)

    /// A request was malformed or came too slowly. Gives the answer that is written before the connection closes, and is
    /// the place to log it. Called on the connection's event loop.
    func refused(_ refusal: HTTPRefusal, peer: PeerAddress) -> RefusalResponse
}

/// The answer to a request that could not be read.
package struct RefusalResponse: Sendable {
    package var status: Int
    package var fields: EncodedFields
    package var body: [UInt8]

    package init(status: Int, fields: EncodedFields = EncodedFields(), body: [UInt8] = []) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

/// Looks at a body while it is collected.
package protocol BodyJudge: AnyObject {
    /// Called when more of the body has arrived, with all of it so far: false refuses it, and no more of it is read.
    func goesOn(_ body: ByteBuffer) -> Bool
}

/// Why a body did not come in whole. The exchange is still open: the handler answers it, and then the connection
/// closes.
package enum BodyFailure: Error, Sendable, Hashable {
    /// More than the limit; answer 413.
    case tooLarge
    /// Too slow; answer 408.
    case timedOut
    /// The chunked framing is broken; answer 400.
    case malformed(HTTPRefusal)
    /// The ``BodyJudge`` refused it before it was complete.
    case refused
    /// The client closed its side before the body was complete; an answer may still reach it.
    case clientGone
    /// The exchange was answered before the body was complete.
    case answered
}
