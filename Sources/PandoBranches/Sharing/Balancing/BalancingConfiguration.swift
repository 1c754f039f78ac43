import PandoTensor

/// The options of one balancing method, and how to make it for so many tasks.
///
/// A plan names it by one word (`balancing: pcgrad`), or with options (`balancing: {kind: dwa, temperature: 1}`).
public protocol BalancingConfiguration: Sendable, Hashable, Codable {
    /// The word in a plan.
    static var kind: String { get }
    /// What it does, in one line.
    static var summary: String { get }
    /// What a plan may set.
    static var options: [PlanOption<Self>] { get }

    /// All options at their defaults.
    init()

    /// The method before the first step.
    ///
    /// - Parameter generator: for methods that draw.
    func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing
}

/// The balancing method that a plan has chosen: its kind with its options.
public struct BalancingChoice: Sendable {
    public var configuration: any BalancingConfiguration

    public init(_ configuration: any BalancingConfiguration = EqualConfiguration()) { self.configuration = configuration }

    /// The word in a plan.
    public var kind: String { type(of: configuration).kind }
}

extension BalancingChoice: Hashable {
    public static func == (left: BalancingChoice, right: BalancingChoice) -> Bool {
        AnyHashable(left.configuration) == AnyHashable(right.configuration)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(AnyHashable(configuration)) }
}

/// As `kind` and the options under `options`.
extension BalancingChoice: Codable {
    private enum CodingKeys: String, CodingKey { case kind, options }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try fields.decode(String.self, forKey: .kind)
        guard let type = BalancingCatalog.kind(named: kind) else {
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: fields, debugDescription: "no balancing is called '\(kind)' here")
        }
        configuration = try fields.decode(type, forKey: .options)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(kind, forKey: .kind)
        try fields.encode(configuration, forKey: .options)
    }
}
