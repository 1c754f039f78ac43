import NIOCore
import NIOHTTPTypes

/// Cuts off clients that take too long: for a request's head, for its body, or silent between two requests.
///
/// It counts from the beginning of each, so that a client that sends a byte now and then gains nothing.
final class RequestPatience: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let headTime: TimeAmount
    private let bodyTime: TimeAmount
    private var timeout: Scheduled<Void>?

    init(headTime: TimeAmount, bodyTime: TimeAmount) { (self.headTime, self.bodyTime) = (headTime, bodyTime) }

    func handlerAdded(context: ChannelHandlerContext) { wait(headTime, context) }
    func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timeout?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: wait(bodyTime, context)
        case .body: break
        case .end: timeout?.cancel()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { wait(headTime, context) }
        context.write(data, promise: promise)
    }

    private func wait(_ time: TimeAmount, _ context: ChannelHandlerContext) {
        timeout?.cancel()
        let channel = context.channel
        timeout = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}
