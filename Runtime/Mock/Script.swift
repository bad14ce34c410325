/// What a connection does in answer to one request, step by step. Made by functions that know no socket; played by ``MockConnection``.
struct Script: Sendable, Hashable {
    enum Step: Sendable, Hashable {
        /// Written and flushed by itself.
        case send([UInt8])
        case wait(Duration)
        /// Until somebody lets all that wait go on.
        case hold
        /// Ends the connection with a TCP reset, once what was sent is out of our hands.
        case reset
        /// Ends it with a FIN, likewise.
        case hangUp
    }

    /// The answer's; `nil` when there is none.
    var status: Int?
    var steps: [Step]
    /// Whether the connection ends after it, because no other request may follow: no fault.
    var closes = false
}
