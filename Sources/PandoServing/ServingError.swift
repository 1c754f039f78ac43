/// Why a request is not answered: one sentence for who sent it, and the status of HTTP that says so to programs.
public struct ServingError: Error, Sendable, Hashable, CustomStringConvertible {
    public let status: Int
    public let description: String
    /// Seconds after which another try makes sense.
    public var retryAfter: Int?

    public init(_ status: Int, _ description: String, retryAfter: Int? = nil) {
        (self.status, self.description, self.retryAfter) = (status, description, retryAfter)
    }

    static func invalid(_ text: String) -> ServingError { ServingError(400, text) }
    static func unknown(_ text: String) -> ServingError { ServingError(404, text) }
    static func tooLarge(_ text: String) -> ServingError { ServingError(413, text) }

    /// The queue is full.
    static func overloaded(retryAfter: Int) -> ServingError {
        ServingError(429, "the queue is full; try again later, or ask for a lower compute level", retryAfter: retryAfter)
    }

    static func unavailable(_ text: String) -> ServingError { ServingError(503, text, retryAfter: 1) }

    /// The deadline passed before the request's turn came.
    static let expired = ServingError(504, "Request timeout expired: its turn did not come before its deadline")
}
