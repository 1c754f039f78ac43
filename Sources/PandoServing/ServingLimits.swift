/// Bounds on what a server takes from its clients.
public struct ServingLimits: Sendable, Hashable {
    /// Bytes of a request's body, also once it is decompressed.
    public var bodyBytes = 16 << 20
    /// Pixels of a picture.
    public var picturePixels = 50_000_000
    /// Pixels of a picture whose format must be held in memory whole.
    public var heldPixels = 25_000_000
    /// Characters of a text.
    public var textCharacters = 20_000
    /// Examples of one request.
    public var examplesPerRequest = 64
    /// Tensors of one request.
    public var tensorsPerRequest = 16
    /// Examples that may wait or be decoded at a time; further requests are refused.
    public var queueLength = 128
    /// Connections at a time; further ones wait to be accepted.
    public var connections = 16_384
    /// Seconds that a client may take for the head of a request, or stay silent between two.
    public var headSeconds = 30
    /// Seconds that a client may take for a request's body, or to take its answer.
    public var bodySeconds = 30
    /// Seconds from a request's arrival to its turn, where it says nothing itself.
    public var deadlineSeconds = 30.0
    /// Seconds that requests under way get when the server is told to end.
    public var drainSeconds = 30

    public init() {}
}
