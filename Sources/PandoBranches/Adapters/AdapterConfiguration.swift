import PandoBackbones
import PandoTensor

/// The options of one kind of adapter, and how to make it for a backbone.
///
/// A plan names it by one word (`adapter: unipt`), or with options (`adapter: {kind: unipt, width: 96}`).
public protocol AdapterConfiguration: Sendable, Hashable, Codable {
    /// The word in a plan.
    static var kind: String { get }
    /// What it does, in one line.
    static var summary: String { get }
    /// What a plan may set.
    static var options: [PlanOption<Self>] { get }

    /// What the adapter's learning rate is of the head's: less than 1 where pretrained weights are moved.
    static var learningRateScale: Double { get }

    /// All options at their defaults.
    init()

    /// A fresh adapter for a backbone.
    ///
    /// - Parameters:
    ///   - vectorLength: of the frozen pass's vector, for adapters that read it.
    ///   - generator: for weights that start at random.
    /// - Throws: `AdapterError` if the backbone cannot carry it: why, and what would work.
    func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
}

extension AdapterConfiguration {
    public static var learningRateScale: Double { 1 }
}

/// Why a backbone cannot carry an adapter, or an adapter's file cannot be used: every problem found.
public struct AdapterError: Error, Sendable, CustomStringConvertible {
    /// The adapter's kind, or the file.
    public let source: String
    /// One sentence each.
    public let problems: [String]

    public init(_ source: String, _ problems: [String]) { (self.source, self.problems) = (source, problems) }
    public init(_ source: String, _ problem: String) { self.init(source, [problem]) }

    public var description: String {
        problems.count == 1
            ? "\(source): \(problems[0])" : "\(source):\n" + problems.map { "  - \($0)" }.joined(separator: "\n")
    }
}

/// No adapter: the head reads the frozen pass's vector.
public struct ProbeConfiguration: AdapterConfiguration {
    public static let kind = "probe"
    public static let summary = "nothing: the head reads the vector of the frozen pass"
    public static let options: [PlanOption<ProbeConfiguration>] = []

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    { Probe(featureCount: vectorLength) }
}
