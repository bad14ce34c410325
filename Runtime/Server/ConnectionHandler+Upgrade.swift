import NIOCore
import SwiftletHTTP
import SwiftletWebSocket

/// From a request to a WebSocket: the same channel, with another handler.
extension ConnectionHandler: RemovableChannelHandler {
    func upgrade(
        accept: String, fields: EncodedFields, limits: WebSocketLimits,
        listen: (WebSocketConnection) -> any WebSocketListener
    ) -> Bool {
        guard let exchange = current, !hasBegun, phase == .exchange, isBodyComplete, !inputClosed, !loop.isDraining,
            let context
        else { return false }
        let socket = WebSocketConnection(loop: loop, channel: channel, peer: peer, isCounted: isCounted, limits: limits)
        guard (try? context.pipeline.syncOperations.addHandler(socket, position: .after(self))) != nil else { return false }
        var head = loop.allocator.buffer(capacity: 256 + fields.bytes.count)
        head.writeStaticString(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ")
        head.writeString(accept)
        head.writeStaticString("\r\n")
        head.writeBytes(fields.bytes)
        head.writeStaticString("\r\n")
        write(buffer: head)
        flush()
        // The connection may have broken over it; then nobody would tell the other handler.
        guard channel.isActive, phase == .exchange else {
            context.pipeline.syncOperations.removeHandler(socket, promise: nil)
            return false
        }

        current = nil
        exchange.connection = nil
        exchange.onClientGone = nil
        // From here on the other handler counts the client, and is swept.
        isCounted = false
        phase = .closed
        loop.remove(self)
        let early = inbound
        inbound = loop.emptyBuffer
        let wasReadHeld = isReadHeld
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        socket.start(listen(socket))
        socket.received(early)
        if wasReadHeld { channel.read() }
        return true
    }
}
