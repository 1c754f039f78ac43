import PandoTensor

/// Layers of long short-term memory.
///
/// - Shapes: `[N, T, in]` → `[N, T, H]`, twice as wide in both directions; states `[layers · directions, N, H]`.
/// - Source: Hochreiter and Schmidhuber 1997, with forget gates; weights as PyTorch names and orders them.
public struct LSTM: Module {
    public struct State: Sendable {
        public var hidden: Tensor
        public var cell: Tensor

        public init(hidden: Tensor, cell: Tensor) {
            self.hidden = hidden
            self.cell = cell
        }
    }

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
            gates: 4, inFeatures, hiddenFeatures, layers: layers, isBidirectional: isBidirectional, bias: bias,
            dropout: dropout, using: &generator)
    }

    /// The last layer's hidden states, and every layer's state after the last step.
    ///
    /// - Parameters:
    ///   - state: what the layers begin with; zeros if there is none.
    ///   - lengths: steps of each sample; beyond them the output is zero, and the reverse direction begins at the last.
    public func callAsFunction(_ x: Tensor, from state: State? = nil, lengths: [Int]? = nil)
        -> (output: Tensor, state: State)
    {
        var none: SeededGenerator?
        return self(x, from: state, lengths: lengths, using: &none)
    }

    /// The same in training, with dropout between layers if there is a generator.
    public func callAsFunction(
        _ x: Tensor, from state: State? = nil, lengths: [Int]? = nil,
        using generator: inout (some RandomNumberGenerator)?
    ) -> (output: Tensor, state: State) {
        var (hidden, cell): ([Tensor], [Tensor]) = ([], [])
        let output = layers.run(x, lengths: lengths, using: &generator) { position, input, isReversed in
            let weights = layers.weights[position]
            // Both biases are added to the same sum.
            let bias = weights.inputBias.map { bias in weights.hiddenBias.map { bias + $0 } ?? bias } ?? weights.hiddenBias
            let states = linear(input, weight: weights.input, bias: bias).longShortTermStates(
                weight: weights.hidden, hidden: layers.initial(state?.hidden, position, for: x),
                cell: layers.initial(state?.cell, position, for: x), lengths: lengths, isReversed: isReversed)
            hidden.append(layers.last(states.hidden, isReversed: isReversed))
            cell.append(layers.last(states.cell, isReversed: isReversed))
            return states.hidden
        }
        return (output, State(hidden: .stacked(hidden), cell: .stacked(cell)))
    }

    public mutating func visit(_ visitor: inout some Visitor) { layers.visit(&visitor) }
}
