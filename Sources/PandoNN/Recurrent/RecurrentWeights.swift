import PandoTensor

/// The weights of one direction of one recurrent layer, gates one after another along the rows.
public struct RecurrentWeights: Sendable {
    /// From the layer's input, `[gates · H, in]`.
    public var input: Tensor
    /// From the state, `[gates · H, H]`.
    public var hidden: Tensor
    public var inputBias: Tensor?
    public var hiddenBias: Tensor?

    public init(input: Tensor, hidden: Tensor, inputBias: Tensor? = nil, hiddenBias: Tensor? = nil) {
        self.input = input
        self.hidden = hidden
        self.inputBias = inputBias
        self.hiddenBias = hiddenBias
    }
}

/// What LSTM and GRU share: layers over layers, each in one direction or both.
public struct RecurrentLayers: Module {
    /// Layer by layer, in each the forward direction before the reverse one.
    public var weights: [RecurrentWeights]
    public let isBidirectional: Bool
    /// Between layers, where a generator is given.
    public let dropout: Dropout

    var directionCount: Int { isBidirectional ? 2 : 1 }
    public var hiddenFeatures: Int { weights[0].hidden.shape[1] }

    init(weights: [RecurrentWeights], isBidirectional: Bool, dropout: Float) {
        require(
            !weights.isEmpty && (!isBidirectional || weights.count % 2 == 0),
            "recurrent layers: \(weights.count) weights do not make whole layers")
        self.weights = weights
        self.isBidirectional = isBidirectional
        self.dropout = Dropout(dropout)
    }

    /// All weights uniform in ±1/√H, as PyTorch begins.
    init(
        gates: Int, _ inFeatures: Int, _ hiddenFeatures: Int, layers: Int, isBidirectional: Bool, bias: Bool,
        dropout: Float, using generator: inout some RandomNumberGenerator
    ) {
        let directions = isBidirectional ? 2 : 1
        let bound = 1 / Float(max(hiddenFeatures, 1)).squareRoot()
        let rows = gates * hiddenFeatures
        var weights: [RecurrentWeights] = []
        for position in 0..<layers * directions {
            let width = position < directions ? inFeatures : hiddenFeatures * directions
            weights.append(
                RecurrentWeights(
                    input: .uniform(-bound..<bound, [rows, width], using: &generator),
                    hidden: .uniform(-bound..<bound, [rows, hiddenFeatures], using: &generator),
                    inputBias: bias ? .uniform(-bound..<bound, [rows], using: &generator) : nil,
                    hiddenBias: bias ? .uniform(-bound..<bound, [rows], using: &generator) : nil))
        }
        self.init(weights: weights, isBidirectional: isBidirectional, dropout: dropout)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for position in weights.indices {
            let suffix = "l\(position / directionCount)" + (position % directionCount == 1 ? "_reverse" : "")
            visitor.parameter("weight_ih_\(suffix)", &weights[position].input)
            visitor.parameter("weight_hh_\(suffix)", &weights[position].hidden)
            visitor.parameter("bias_ih_\(suffix)", &weights[position].inputBias)
            visitor.parameter("bias_hh_\(suffix)", &weights[position].hiddenBias)
        }
    }

    /// The last layer's hidden states; those beyond a sample's length are zero.
    ///
    /// - Parameter states: the hidden states `[N, T, H]` of one direction of one layer, given its place among the
    ///   weights, what it reads, and whether it goes backward.
    func run(
        _ x: Tensor, lengths: [Int]?, using generator: inout (some RandomNumberGenerator)?,
        _ states: (_ position: Int, _ input: Tensor, _ isReversed: Bool) -> Tensor
    ) -> Tensor {
        require(
            x.rank == 3 && x.shape[1] > 0 && x.shape[2] == weights[0].input.shape[1],
            "recurrent layers: input \(x.shape) is not [N, T, \(weights[0].input.shape[1])] with at least one step")
        var output = x
        for layer in 0..<weights.count / directionCount {
            if layer > 0 { output = dropout(output, using: &generator) }
            let input = output
            let directions = (0..<directionCount).map { states(layer * directionCount + $0, input, $0 == 1) }
            output = directions.count == 1 ? directions[0] : .concatenated(directions, along: 2)
        }
        guard let lengths else { return output }
        let mask = sequenceMask(lengths, count: x.shape[1]).cast(to: output.elementType)
        return output * mask.expanded(at: 2)
    }

    /// The state after a sample's last step, given those of all steps `[N, T, H]`.
    func last(_ states: Tensor, isReversed: Bool) -> Tensor {
        let step = isReversed ? 0 : states.shape[1] - 1
        return states.slice(step..<step + 1, along: 1).reshaped(states.shape[0], states.shape[2])
    }

    /// The state that the weights at `position` begin with: a part of `state`, or zeros.
    func initial(_ state: Tensor?, _ position: Int, for x: Tensor) -> Tensor {
        let shape = [x.shape[0], hiddenFeatures]
        guard let state else { return .zeros(shape, x.elementType) }
        require(
            state.shape == [weights.count] + shape,
            "recurrent layers: the state has shape \(state.shape), expected \([weights.count] + shape)")
        return state.slice(position..<position + 1).reshaped(shape)
    }
}
