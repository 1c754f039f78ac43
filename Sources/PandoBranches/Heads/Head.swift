import PandoNN
import PandoTensor

/// Turns features into a task's outputs; owns the loss that teaches it.
///
/// Decoding into what people read (labels with scores, a number, a ranking) is each head's own, because the results
/// differ in kind.
public protocol Head: Module {
    /// What the loss holds a batch's outputs against.
    associatedtype Targets: Sendable

    /// Length of the feature vectors it takes.
    var featureCount: Int { get }

    /// - Parameter generator: for dropout while training; `nil` changes nothing at random.
    /// - Shapes: `[N, featureCount]` → `[N, …]`.
    func callAsFunction(_ features: Tensor, using generator: inout SeededGenerator?) -> Tensor

    /// The mean loss of a batch.
    /// - Precondition: as many targets as rows of `outputs`, at least one.
    func loss(_ outputs: Tensor, _ targets: Targets, using generator: inout SeededGenerator?) -> Tensor
}

extension Head {
    /// The outputs when nothing is learned.
    public func callAsFunction(_ features: Tensor) -> Tensor {
        var none: SeededGenerator?
        return self(features, using: &none)
    }
}
