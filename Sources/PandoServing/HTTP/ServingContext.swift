import Hummingbird
import Logging
import NIOCore

/// What belongs to one request.
struct ServingContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    let arrival = ContinuousClock.now
    /// The client's own name of the request, or one of ours.
    var requestID = ""
    /// What the client may ask for; `nil` for everything.
    var allowedTasks: Set<String>?
    /// What the metrics call the request's aim: set by whoever knows.
    let aim = Aim()

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// - Throws: `ServingError` if a task is not the client's to ask for.
    func requireAccess(to tasks: [String]) throws(ServingError) {
        guard let allowedTasks else { return }
        if let other = tasks.first(where: { !allowedTasks.contains($0) }) {
            throw ServingError(403, "this token does not open the task '\(other)'")
        }
    }

    /// - Throws: `ServingError` if the client may not change what is served.
    func requireControl() throws(ServingError) {
        if allowedTasks != nil { throw ServingError(403, "this token does not open the repository; that takes a token for *") }
    }
}
