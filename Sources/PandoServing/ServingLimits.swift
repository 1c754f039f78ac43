/// Bounds on what a server takes from its clients.
public struct ServingLimits: Sendable {
    public init() {}
}
