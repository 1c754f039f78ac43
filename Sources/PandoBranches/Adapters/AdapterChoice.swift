import PandoTensor

/// The adapter that a task has chosen: its kind with its options.
public struct AdapterChoice: Sendable {
    public var configuration: any AdapterConfiguration

    public init(_ configuration: any AdapterConfiguration = ProbeConfiguration()) { self.configuration = configuration }

    /// The word in a plan.
    public var kind: String { type(of: configuration).kind }

    /// What the adapter's learning rate is of the head's.
    public var learningRateScale: Double { type(of: configuration).learningRateScale }
}

extension AdapterChoice: Hashable {
    public static func == (left: AdapterChoice, right: AdapterChoice) -> Bool {
        AnyHashable(left.configuration) == AnyHashable(right.configuration)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(AnyHashable(configuration)) }
}

/// As `kind` and the options under `options`.
extension AdapterChoice: Codable {
    private enum CodingKeys: String, CodingKey { case kind, options }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try fields.decode(String.self, forKey: .kind)
        guard let type = AdapterCatalog.kind(named: kind) else {
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: fields, debugDescription: "no adapter is called '\(kind)' here")
        }
        configuration = try fields.decode(type, forKey: .options)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(kind, forKey: .kind)
        try fields.encode(configuration, forKey: .options)
    }
}
