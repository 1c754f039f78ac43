import PandoTensor

/// Zeroes elements at random during training; without a generator it changes nothing.
///
/// - Source: Srivastava et al. 2014, scaled while training ("inverted").
public struct Dropout: Module {
    public let probability: Float

    /// - Precondition: `0 <= probability < 1`.
    public init(_ probability: Float) {
        require((0..<1).contains(probability), "Dropout: probability \(probability) is outside 0..<1")
        self.probability = probability
    }

    public func callAsFunction(_ x: Tensor, using generator: inout (some RandomNumberGenerator)?) -> Tensor {
        guard var present = generator else { return x }
        defer { generator = present }
        return x.droppedOut(probability, using: &present)
    }

    public mutating func visit(_ visitor: inout some Visitor) {}
}
