import Foundation
import PandoBackbones
import PandoTensor

/// AdaShare's options.
///
/// A plan's training learns weights and choices together; the paper's search, which learns them in turns and then trains
/// anew along the policy it found, writes a policy that a plan may name.
public struct AdaShareConfiguration: SharingConfiguration {
    /// A policy that a plan gives.
    public enum Given: Sendable, Hashable, Codable {
        case policy(BlockPolicy)
        /// The file that a plan names cannot be used; why.
        case unreadable(String)
    }

    public static let kind = "adashare"
    public static let summary = "each task runs some blocks of one residual trunk and skips others, as it learns"
    public static let options: [PlanOption<AdaShareConfiguration>] = [
        PlanOption("blocks", "of the trunk", .integer(1...256) { $0.blocks = $1 }),
        PlanOption("width", "of the trunk", .integer(1...65536) { $0.width = $1 }),
        PlanOption("hidden", "width inside a block (the trunk's)", .integer(1...65536) { $0.hidden = $1 }),
        PlanOption(
            "backbone_blocks", "whether the trunk is the backbone's own last blocks, trained",
            .flag { $0.takesBackboneBlocks = $1 }),
        PlanOption("sparsity", "weight of the pressure to skip blocks", .number(0...1000) { $0.sparsity = $1 }),
        PlanOption("sharing", "weight of the pressure to choose alike", .number(0...1000) { $0.sharing = $1 }),
        PlanOption(
            "ramp", "the blocks on which that is strongest",
            .choice(AdaShareLosses.Ramp.allCases.map(\.rawValue)) {
                $0.ramp = AdaShareLosses.Ramp(rawValue: $1) ?? $0.ramp
            }),
        PlanOption(
            "softness", "temperature of the draws while choices are learned", .number(0.01...1000) { $0.softness = $1 }),
        PlanOption(
            "policy", "the blocks that each task runs: a JSON file, or for each task ones and zeros such as \"1101\"",
            .texts { $0.given = .init(texts: $1) }),
    ]

    public var blocks = 4
    public var width = 128
    public var hidden: Int?
    public var takesBackboneBlocks = false
    public var sparsity = 0.02
    public var sharing = 0.02
    public var ramp = AdaShareLosses.Ramp.early
    public var softness = 1.0
    public var given: Given?

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let policy = try policy(forTasks: taskCount)
        if takesBackboneBlocks {
            return sharing(of: try backboneTrunk(on: backbone, using: &generator), policy, taskCount)
        }
        let trunk = ResidualTrunk(
            vectorLength: vectorLength, width: width, hidden: hidden ?? width, blocks: blocks, using: &generator)
        return sharing(of: trunk, policy, taskCount)
    }

    private func sharing<Trunk: SkippableTrunk>(of trunk: Trunk, _ policy: BlockPolicy?, _ taskCount: Int) -> any Sharing {
        if let policy { return AdaShare(trunk, following: policy) }
        return AdaShare(
            searching: trunk, taskCount: taskCount,
            losses: AdaShareLosses(sparsity: Float(sparsity), sharing: Float(sharing), ramp: ramp),
            temperature: Float(softness))
    }

    private func policy(forTasks taskCount: Int) throws(AdapterError) -> BlockPolicy? {
        switch given {
        case nil: return nil
        case .unreadable(let reason): throw AdapterError(Self.kind, reason)
        case .policy(let policy):
            let problems = policy.problems(forBlocks: blocks, taskCount: taskCount)
            guard problems.isEmpty else { throw AdapterError(Self.kind, problems) }
            return policy
        }
    }

    private func backboneTrunk(on backbone: any Backbone, using generator: inout SeededGenerator) throws(AdapterError)
        -> BackboneTrunk
    {
        guard let network = backbone as? any BlockwiseBackbone else {
            throw AdapterError(
                Self.kind, "\(type(of: backbone)) is no chain of blocks: leave out `backbone_blocks`")
        }
        var last = LastBlocksConfiguration()
        last.blocks = blocks
        let ends = backbone.taps.suffix(blocks + 1)
        guard ends.allSatisfy({ $0.kind == .tokens && $0.channels == ends.first?.channels }) else {
            throw AdapterError(
                Self.kind, "a block can be skipped if what comes out of it has the shape of what goes in, and the taps "
                    + "\(ends.map(\.name)) are not tokens of one width: leave out `backbone_blocks`, or set fewer `blocks`")
        }
        return try Self.trunk(on: network, last, using: &generator)
    }

    private static func trunk(
        on network: some BlockwiseBackbone, _ last: LastBlocksConfiguration, using generator: inout SeededGenerator
    ) throws(AdapterError) -> BackboneTrunk {
        BackboneTrunk(try last.makeChange(of: network, using: &generator), on: network, blocks: last.blocks)
    }
}

extension AdaShareConfiguration.Given {
    /// From what a plan says: one file, or ones and zeros for each task.
    init(texts: [String]) {
        let isBinary = texts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0 == "0" || $0 == "1" } }
        if isBinary {
            let tasks = texts.enumerated().map { BlockPolicy.Task("task \($0)", runs: $1.map { $0 == "1" }) }
            self = .policy(BlockPolicy(tasks))
        } else if texts.count == 1 {
            do { self = .policy(try BlockPolicy(contentsOf: URL(fileURLWithPath: texts[0]))) } catch {
                self = .unreadable(error.description)
            }
        } else {
            self = .unreadable("`policy` is \(texts): expected one JSON file, or for each task ones and zeros")
        }
    }
}
