import PandoBackbones
import PandoNN
import PandoTensor

/// What stands between a backbone and a task's head: it makes, of a backbone's features, the vector that the head reads.
///
/// A *reading* adapter asks for features of the frozen pass and computes beside the backbone. A *late* or *inline* one
/// asks for the features before its first changed block, or for the input, and runs the rest of the backbone itself, with
/// its changes; the rest's frozen weights it holds, but does not visit. The gradient entry says which it is, and from that
/// alone follow what can be stored, what must stay in memory, and which tasks can share a pass.
public protocol Adapter: Module {
    /// What it reads of the frozen pass.
    var request: FeatureRequest { get }

    /// The place in the backbone's taps of the first block that gradients pass through, the number of taps for what
    /// follows the last; `nil` if no gradient enters the backbone.
    var gradientEntry: Int? { get }

    /// Length of the vector it makes.
    var featureCount: Int { get }

    /// The vectors that the head reads.
    ///
    /// The result must not depend on padding, nor on which examples share a batch (but for the batch statistics of a
    /// training pass).
    /// - Shapes: features of `N` examples → `[N, featureCount]`, `float32`.
    /// - Parameter pass: given when the call is part of training.
    func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor

    /// The adapter with the frozen weights that it runs itself kept as `type`, for training that computes in it: cast
    /// once, not at every step.
    func keepingFrozenWeights(as type: ElementType) -> Self

    /// The adapter with those weights that it trains, and that its passes bring to `type`, brought there: once for all the
    /// lanes that share them.
    func ready(toComputeIn type: ElementType) -> Self
}

extension Adapter {
    public var gradientEntry: Int? { nil }

    public func keepingFrozenWeights(as type: ElementType) -> Self { self }
    public func ready(toComputeIn type: ElementType) -> Self { self }

    /// The vectors when nothing is learned.
    public func callAsFunction(_ features: Features) -> Tensor { self(features, during: nil) }
}

/// The vector of the frozen pass as it is: a linear probe, with a linear head.
///
/// - Source: Alain and Bengio 2016 (arXiv:1610.01644).
public struct Probe: Adapter {
    public let featureCount: Int
    public var request: FeatureRequest { .vector }

    public init(featureCount: Int) { self.featureCount = featureCount }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        features.pooled.cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {}
}
