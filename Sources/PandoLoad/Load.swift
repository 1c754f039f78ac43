/// One run of load against a server.
public struct Load: Sendable {}
