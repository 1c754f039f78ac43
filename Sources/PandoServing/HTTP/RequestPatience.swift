import HTTPTypes
import NIOCore
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Cuts off clients that take too long: for a request's head, for its body, or silent between two requests; and those
/// that go on sending a body after it was refused.
///
/// Time counts from the beginning of each, so that a client that sends a byte now and then gains nothing.
final class RequestPatience: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let headTime: TimeAmount
    private let bodyTime: TimeAmount
    /// Bytes that a body may still have once its request was answered; they are read so that the connection can be used again.
    private let refusedBytes: Int
    private var timeout: Scheduled<Void>?

    /// Requests whose head came, requests that came whole, and requests that were answered.
    private var (begun, received, answered) = (0, 0, 0)
    private var refusedBytesLeft = 0
    private var isLastAnswer = false

    /// How long a client may take for an answer that says that the connection ends.
    private static let lastTime = TimeAmount.seconds(2)

    init(headTime: TimeAmount, bodyTime: TimeAmount, refusedBytes: Int) {
        (self.headTime, self.bodyTime, self.refusedBytes) = (headTime, bodyTime, refusedBytes)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        // Only HTTP/1 has this codec.
        if let codec = try? pipeline.handler(type: HTTP1ToHTTPServerCodec.self) {
            try? pipeline.addHandler(ConnectionWish(), position: .before(codec))
        }
        wait(headTime, context)
    }

    func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timeout?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            begun += 1
            wait(bodyTime, context)
        case .body(let bytes):
            guard answered == begun else { break }
            refusedBytesLeft -= bytes.readableBytes
            if refusedBytesLeft < 0 {
                context.close(promise: nil)
                return
            }
        case .end:
            received += 1
            if answered == received { wait(headTime, context) } else { timeout?.cancel() }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let response): isLastAnswer = response.headerFields[.connection] == "close"
        case .body: break
        case .end:
            answered += 1
            if isLastAnswer {
                wait(Self.lastTime, context)
            } else if answered == begun {  // else the next request's time runs already
                refusedBytesLeft = refusedBytes
                wait(received == begun ? headTime : bodyTime, context)
            }
        }
        context.write(data, promise: promise)
    }

    private func wait(_ time: TimeAmount, _ context: ChannelHandlerContext) {
        timeout?.cancel()
        let channel = context.channel
        timeout = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}
