import PandoTensor

/// Zeroes whole samples at random during training; without a generator it changes nothing.
///
/// - Source: Huang et al. 2016, "Deep Networks with Stochastic Depth" (arXiv:1603.09382), scaled while training.
public struct StochasticDepth: Module {
    public let probability: Float

    /// - Precondition: `0 <= probability < 1`.
    public init(_ probability: Float) {
        require((0..<1).contains(probability), "StochasticDepth: probability \(probability) is outside 0..<1")
        self.probability = probability
    }

    public func callAsFunction(_ x: Tensor, using generator: inout (some RandomNumberGenerator)?) -> Tensor {
        guard var present = generator else { return x }
        defer { generator = present }
        return x.stochasticDepth(probability, using: &present)
    }

    public mutating func visit(_ visitor: inout some Visitor) {}
}
