import PandoTensor

/// Layers of gated recurrent units.
///
/// - Shapes: `[N, T, in]` → `[N, T, H]`, twice as wide in both directions; state `[layers · directions, N, H]`.
/// - Source: Cho et al. 2014 (arXiv:1406.1078); the reset gate acts after the product, and weights are named and
///   ordered, as in PyTorch.
public struct GRU: Module {
    public var layers: RecurrentLayers

    /// - Parameter weights: layer by layer, in each the forward direction before the reverse one.
    public init(weights: [RecurrentWeights], isBidirectional: Bool = false, dropout: Float = 0) {
        layers = RecurrentLayers(weights: weights, isBidirectional: isBidirectional, dropout: dropout)
    }

    /// - Parameter dropout: the probability with which elements between layers are dropped in training.
    public init(
        _ inFeatures: Int, _ hiddenFeatures: Int, layers: Int = 1, isBidirectional: Bool = false, bias: Bool = true,
        dropout: Float = 0, using generator: inout some RandomNumberGenerator
    ) {
        self.layers = RecurrentLayers(
            gates: 3, inFeatures, hiddenFeatures, layers: layers, isBidirectional: isBidirectional, bias: bias,
            dropout: dropout, using: &generator)
    }

    /// The last layer's hidden states, and every layer's state after the last step.
    ///
    /// - Parameters:
    ///   - state: what the layers begin with; zeros if there is none.
    ///   - lengths: steps of each sample; beyond them the output is zero, and the reverse direction begins at the last.
    public func callAsFunction(_ x: Tensor, from state: Tensor? = nil, lengths: [Int]? = nil)
        -> (output: Tensor, state: Tensor)
    {
        var none: SeededGenerator?
        return self(x, from: state, lengths: lengths, using: &none)
    }

    /// The same in training, with dropout between layers if there is a generator.
    public func callAsFunction(
        _ x: Tensor, from state: Tensor? = nil, lengths: [Int]? = nil,
        using generator: inout (some RandomNumberGenerator)?
    ) -> (output: Tensor, state: Tensor) {
        var last: [Tensor] = []
        let output = layers.run(x, lengths: lengths, using: &generator) { position, input, isReversed in
            let weights = layers.weights[position]
            let states = linear(input, weight: weights.input, bias: weights.inputBias).gatedStates(
                weight: weights.hidden,
                bias: weights.hiddenBias ?? .zeros([weights.hidden.shape[0]], x.elementType),
                hidden: layers.initial(state, position, for: x), lengths: lengths, isReversed: isReversed)
            last.append(layers.last(states, isReversed: isReversed))
            return states
        }
        return (output, .stacked(last))
    }

    public mutating func visit(_ visitor: inout some Visitor) { layers.visit(&visitor) }
}
