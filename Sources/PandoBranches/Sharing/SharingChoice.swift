import PandoTensor

/// The sharing policy that a plan has chosen: its kind with its options.
public struct SharingChoice: Sendable {
    public var configuration: any SharingConfiguration

    public init(_ configuration: any SharingConfiguration = TrunkConfiguration()) { self.configuration = configuration }

    /// The word in a plan.
    public var kind: String { type(of: configuration).kind }
}

extension SharingChoice: Hashable {
    public static func == (left: SharingChoice, right: SharingChoice) -> Bool {
        AnyHashable(left.configuration) == AnyHashable(right.configuration)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(AnyHashable(configuration)) }
}

/// As `kind` and the options under `options`.
extension SharingChoice: Codable {
    private enum CodingKeys: String, CodingKey { case kind, options }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try fields.decode(String.self, forKey: .kind)
        guard let type = SharingCatalog.kind(named: kind) else {
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: fields, debugDescription: "no sharing is called '\(kind)' here")
        }
        configuration = try fields.decode(type, forKey: .options)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(kind, forKey: .kind)
        try fields.encode(configuration, forKey: .options)
    }
}
