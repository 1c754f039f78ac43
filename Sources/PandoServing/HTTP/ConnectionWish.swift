import NIOCore
import NIOHTTP1

/// Writes out what clients of HTTP/1.0 leave unsaid: that the connection ends with the answer, unless they ask to keep it.
///
/// - Source: RFC 9112 §9.3.
final class ConnectionWish: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data), !head.isKeepAlive else {
            context.fireChannelRead(data)
            return
        }
        head.headers.replaceOrAdd(name: "Connection", value: "close")
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }
}
