import PandoBackbones
import PandoNN
import PandoTensor

/// A chain of blocks, each of which a task may skip: what comes out of a block has the shape of what goes in.
public protocol SkippableTrunk: Module {
    /// As of `Sharing`.
    var request: FeatureRequest { get }
    /// As of `Sharing`.
    var gradientEntry: Int? { get }
    var blockCount: Int { get }
    /// Length of the vector behind the last block.
    var featureCount: Int { get }

    /// What the first block reads.
    func begin(_ features: Features) -> Tensor

    /// What comes out of the block in place `index`.
    func block(_ index: Int, _ state: Tensor, mask: Tensor?) -> Tensor

    /// The vector, from what comes out of the last block that is run.
    func vector(_ state: Tensor, mask: Tensor?) -> Tensor

    /// As of `Sharing`.
    func keepingFrozenWeights(as type: ElementType) -> Self
}

/// A residual network over the vector of the frozen pass: `x ← relu(x + W₂ relu(W₁ x))`.
///
/// - Shapes: vector `[N, C]` → `[N, W]`.
/// - Cost: `C + (C + 1) W` parameters and `C` before the blocks, `(W + 1) H + (H + 1) W` of each.
public struct ResidualTrunk: SkippableTrunk {
    /// What a block adds.
    public struct Block: Module {
        public var first, second: Linear

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("first", &first)
            visitor.module("second", &second)
        }
    }

    public var norm: LayerNorm
    public var entry: Linear
    public var blocks: [Block]

    public init(
        vectorLength: Int, width: Int, hidden: Int, blocks: Int, using generator: inout SeededGenerator
    ) {
        norm = LayerNorm(vectorLength)
        entry = Linear(vectorLength, width, using: &generator)
        self.blocks = []
        for _ in 0..<blocks {
            self.blocks.append(
                Block(first: Linear(width, hidden, using: &generator), second: Linear(hidden, width, using: &generator)))
        }
    }

    public var request: FeatureRequest { .vector }
    public var gradientEntry: Int? { nil }
    public var blockCount: Int { blocks.count }
    public var featureCount: Int { entry.outFeatures }

    public func begin(_ features: Features) -> Tensor { entry(norm(features.pooled)).relu() }

    public func block(_ index: Int, _ state: Tensor, mask: Tensor?) -> Tensor {
        (state + blocks[index].second(blocks[index].first(state).relu())).relu()
    }

    public func vector(_ state: Tensor, mask: Tensor?) -> Tensor { state }

    public func keepingFrozenWeights(as type: ElementType) -> ResidualTrunk { self }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.module("entry", &entry)
        visitor.modules("blocks", &blocks)
    }
}

/// The last blocks of a transformer, trained, as blocks that a task may skip.
public struct BackboneTrunk: SkippableTrunk {
    /// The blocks' parameters, and those of what follows them.
    public var change: ParameterChange
    /// Frozen, and so not visited.
    private var backbone: any BlockwiseBackbone
    public let blockCount: Int

    /// - Precondition: the change was made for this backbone and begins at the first of its last `blocks` blocks; states
    ///   before and behind them have one shape.
    public init(_ change: ParameterChange, on backbone: any BlockwiseBackbone, blocks: Int) {
        (self.change, self.backbone, blockCount) = (change, backbone, blocks)
    }

    private var first: Int { backbone.taps.count - blockCount }
    private var start: Tap { backbone.taps[first - 1] }

    public var request: FeatureRequest { FeatureRequest(taps: [start.name]) }
    public var gradientEntry: Int? { first }
    public var featureCount: Int { backbone.pooledFeatures }

    public func begin(_ features: Features) -> Tensor { features[start.name] }

    public func block(_ index: Int, _ state: Tensor, mask: Tensor?) -> Tensor {
        changed(backbone).block(first + index, state, mask: mask, during: nil)
    }

    public func vector(_ state: Tensor, mask: Tensor?) -> Tensor { changed(backbone).pooled(state, mask: mask) }

    public func keepingFrozenWeights(as type: ElementType) -> BackboneTrunk {
        func cast(_ network: some BlockwiseBackbone) -> any BlockwiseBackbone { network.cast(to: type) }
        return BackboneTrunk(change, on: cast(backbone), blocks: blockCount)
    }

    private func changed(_ network: some BlockwiseBackbone) -> any BlockwiseBackbone { change.applied(to: network) }

    public mutating func visit(_ visitor: inout some Visitor) { change.visit(&visitor) }
}
