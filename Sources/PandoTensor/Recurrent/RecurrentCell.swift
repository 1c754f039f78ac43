/// What a recurrent layer computes from step to step.
enum RecurrentCell: Sendable {
    /// `c ← f · c + i · g`, `h ← o · tanh c`; gates in PyTorch's order: input i, forget f, candidate g, output o.
    ///
    /// Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
    case longShortTerm
    /// `h ← (1 - z) · n + z · h` with `n = tanh(x + r · y)`, where x comes from the input and y from the state; gates in
    /// PyTorch's order: reset r, update z, candidate n.
    ///
    /// Source: Cho et al. 2014 (arXiv:1406.1078), equations 5 to 8, with the reset after the product, as in PyTorch.
    case gated

    /// Weight rows for each feature of the state.
    var gateCount: Int { self == .longShortTerm ? 4 : 3 }

    /// Values for each feature that go from step to step: hidden, and cell.
    var stateCount: Int { self == .longShortTerm ? 2 : 1 }

    /// Values for each feature that the backward pass reads: the gates; of gated units also y.
    static let keptCount = 4
}

/// One step of one sample. Gates stand one after another, each `features` numbers wide.
struct RecurrentStep {
    let features: Int
    /// What the input contributes to each gate.
    let projected: UnsafePointer<Float>
    /// What the hidden state contributes to each gate.
    let recurrent: UnsafePointer<Float>
    /// The hidden state, before and then after the step.
    let hidden: UnsafeMutablePointer<Float>
    /// Where what backward reads goes, if there will be a backward pass.
    let kept: UnsafeMutablePointer<Float>?

    func longShortTerm(cell: UnsafeMutablePointer<Float>) {
        forEachBlock(features) { start, count in
            func gate(_ index: Int) -> SIMD8<Float> {
                let place = index * features + start
                return loaded(projected + place, count) + loaded(recurrent + place, count)
            }
            let (input, forget) = (logistic(gate(0)), logistic(gate(1)))
            let (candidate, output) = (hyperbolicTangent(gate(2)), logistic(gate(3)))
            let newCell = forget * loaded(cell + start, count) + input * candidate
            put(newCell, cell + start, count)
            put(output * hyperbolicTangent(newCell), hidden + start, count)
            keep((input, forget, candidate, output), start, count)
        }
    }

    /// - Parameter bias: what is added to what the hidden state contributes.
    func gated(bias: UnsafePointer<Float>) {
        forEachBlock(features) { start, count in
            func fromInput(_ index: Int) -> SIMD8<Float> { loaded(projected + index * features + start, count) }
            func fromState(_ index: Int) -> SIMD8<Float> {
                loaded(recurrent + index * features + start, count) + loaded(bias + index * features + start, count)
            }
            let (reset, update) = (logistic(fromInput(0) + fromState(0)), logistic(fromInput(1) + fromState(1)))
            let scaled = fromState(2)
            let candidate = hyperbolicTangent(fromInput(2) + reset * scaled)
            let before = loaded(hidden + start, count)
            put(candidate + update * (before - candidate), hidden + start, count)
            keep((reset, update, candidate, scaled), start, count)
        }
    }

    @inline(__always)
    private func keep(
        _ gates: (SIMD8<Float>, SIMD8<Float>, SIMD8<Float>, SIMD8<Float>), _ start: Int, _ count: Int
    ) {
        guard let kept else { return }
        put(gates.0, kept + start, count)
        put(gates.1, kept + features + start, count)
        put(gates.2, kept + 2 * features + start, count)
        put(gates.3, kept + 3 * features + start, count)
    }
}

/// The gradient of one step of one sample.
struct RecurrentStepGradient {
    let features: Int
    /// What the step kept.
    let kept: UnsafePointer<Float>
    /// The gradient of the hidden state after the step; afterwards what of it reaches the state before directly, not
    /// through the recurrent product.
    let hidden: UnsafeMutablePointer<Float>
    /// Where the gradients of what input and state contribute to each gate go.
    let projected: UnsafeMutablePointer<Float>

    /// - Parameters:
    ///   - cell: the gradient of the cell state after the step, then of the one before.
    ///   - before: the cell state before the step.
    ///   - after: the cell state after it.
    func longShortTerm(
        cell: UnsafeMutablePointer<Float>, before: UnsafePointer<Float>, after: UnsafePointer<Float>
    ) {
        forEachBlock(features) { start, count in
            func gate(_ index: Int) -> SIMD8<Float> { loaded(kept + index * features + start, count) }
            let (input, forget, candidate, output) = (gate(0), gate(1), gate(2), gate(3))
            let squashed = hyperbolicTangent(loaded(after + start, count))
            let incoming = loaded(hidden + start, count)
            let slope = loaded(cell + start, count) + incoming * output * (1 - squashed * squashed)
            func give(_ gradient: SIMD8<Float>, _ index: Int) {
                put(gradient, projected + index * features + start, count)
            }
            give(slope * candidate * input * (1 - input), 0)
            give(slope * loaded(before + start, count) * forget * (1 - forget), 1)
            give(slope * input * (1 - candidate * candidate), 2)
            give(incoming * squashed * output * (1 - output), 3)
            put(slope * forget, cell + start, count)
            put(SIMD8(), hidden + start, count)
        }
    }

    /// - Parameters:
    ///   - before: the hidden state before the step.
    ///   - recurrent: where the gradients of what the state contributes go; `projected` takes those of the input.
    func gated(before: UnsafePointer<Float>, recurrent: UnsafeMutablePointer<Float>) {
        forEachBlock(features) { start, count in
            func gate(_ index: Int) -> SIMD8<Float> { loaded(kept + index * features + start, count) }
            let (reset, update, candidate, scaled) = (gate(0), gate(1), gate(2), gate(3))
            let incoming = loaded(hidden + start, count)
            let ofCandidate = incoming * (1 - update) * (1 - candidate * candidate)
            let ofUpdate = incoming * (loaded(before + start, count) - candidate) * update * (1 - update)
            let ofReset = ofCandidate * scaled * reset * (1 - reset)
            func give(_ gradient: SIMD8<Float>, _ index: Int, _ target: UnsafeMutablePointer<Float>) {
                put(gradient, target + index * features + start, count)
            }
            give(ofReset, 0, projected)
            give(ofUpdate, 1, projected)
            give(ofCandidate, 2, projected)
            give(ofReset, 0, recurrent)
            give(ofUpdate, 1, recurrent)
            give(ofCandidate * reset, 2, recurrent)
            put(incoming * update, hidden + start, count)
        }
    }
}
