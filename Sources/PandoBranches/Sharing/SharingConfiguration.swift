import PandoBackbones
import PandoTensor

/// The options of one kind of sharing, and how to make it for a backbone and so many tasks.
///
/// A plan names it by one word (`sharing: mmoe`), or with options (`sharing: {kind: mmoe, experts: 8}`).
public protocol SharingConfiguration: Sendable, Hashable, Codable {
    /// The word in a plan.
    static var kind: String { get }
    /// What it does, in one line.
    static var summary: String { get }
    /// What a plan may set.
    static var options: [PlanOption<Self>] { get }

    /// What the shared part's learning rate is of the heads': less than 1 where pretrained weights are moved.
    var learningRateScale: Double { get }

    /// All options at their defaults.
    init()

    /// What the tasks share, before training.
    ///
    /// - Parameters:
    ///   - vectorLength: of the frozen pass's vector.
    ///   - generator: for weights that start at random.
    /// - Throws: `AdapterError` if the backbone cannot carry it: why, and what would work.
    func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing
}

extension SharingConfiguration {
    public var learningRateScale: Double { 1 }
}

/// A trunk of any adapter's kind.
public struct TrunkConfiguration: SharingConfiguration {
    public static let kind = "trunk"
    public static let summary = "one adapter for all tasks"
    /// A plan says `adapter:` beside them.
    public static let options: [PlanOption<TrunkConfiguration>] = []

    public var adapter: AdapterChoice

    public init() { adapter = AdapterChoice(MLPConfiguration()) }
    public init(_ adapter: any AdapterConfiguration) { self.adapter = AdapterChoice(adapter) }

    public var learningRateScale: Double { adapter.learningRateScale }

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        SharedTrunk(
            try adapter.configuration.makeAdapter(on: backbone, vectorLength: vectorLength, using: &generator),
            taskCount: taskCount)
    }
}
