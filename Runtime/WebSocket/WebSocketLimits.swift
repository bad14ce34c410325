/// How much a client may ask of a reader. Values below zero count as zero.
package struct WebSocketLimits: Sendable, Hashable {
    /// Largest message, in bytes of payload, whatever number of fragments it comes in; a larger one is refused when its head is read.
    package var messageBytes: Int
    /// Fragments of one message. For every `bytesPerFragment` bytes the message already holds one more is allowed, so that a large
    /// message in fair pieces passes, and a stream of empty ones does not.
    package var fragments: Int
    package var bytesPerFragment: Int
    /// Pings and pongs until the next `WebSocketReader.renew()`; every whole message gives `controlFramesPerMessage` of them back.
    package var controlFrames: Int
    package var controlFramesPerMessage: Int

    package init(
        messageBytes: Int = 5_000_000,
        fragments: Int = 1_024,
        bytesPerFragment: Int = 32,
        controlFrames: Int = 4_096,
        controlFramesPerMessage: Int = 8
    ) {
        // The clamps keep every sum far away from an overflow.
        func clamp(_ value: Int) -> Int { min(max(value, 0), 1 << 40) }
        self.messageBytes = clamp(messageBytes)
        self.fragments = clamp(fragments)
        self.bytesPerFragment = max(clamp(bytesPerFragment), 1)
        self.controlFrames = clamp(controlFrames)
        self.controlFramesPerMessage = clamp(controlFramesPerMessage)
    }
}
