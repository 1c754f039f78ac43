import Synchronization

/// The value of `function`, computed without a tape; the backward pass computes it once more, with one.
///
/// Of all that `function` computes only the result is kept, at the price of a second forward pass. Gradients reach
/// whatever it reads and is being differentiated: `x`, and values that the closure holds, a module's weights among
/// them. It must compute the same both times: a random generator it captures by value draws the same numbers again.
/// - Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost" (arXiv:1604.06174), section 3.
public func checkpointed(_ x: Tensor, _ function: @escaping @Sendable (Tensor) -> Tensor) -> Tensor {
    checkpointed([x]) { function($0[0]) }
}

/// The value of `function`, which draws from `generator`; the second computation draws the same numbers.
public func checkpointed<Generator: RandomNumberGenerator & Sendable>(
    _ x: Tensor, using generator: inout Generator,
    _ function: @escaping @Sendable (Tensor, inout Generator) -> Tensor
) -> Tensor {
    let start = generator
    let end = Mutex(generator)
    let output = checkpointed([x]) { inputs in
        var replayed = start
        let output = function(inputs[0], &replayed)
        end.withLock { $0 = replayed }
        return output
    }
    generator = end.withLock { $0 }
    return output
}

/// The value of `function` of several tensors, computed without a tape; see `checkpointed(_:_:)`.
public func checkpointed(_ inputs: [Tensor], _ function: @escaping @Sendable ([Tensor]) -> Tensor) -> Tensor {
    let untaped = UntapedInputs()
    let output = TapeScope.with({ $0.untaped = untaped }) { function(inputs) }
    // What a program is made of has no backward pass; and a value that was only handed through needs none of its own.
    if output.node != nil || untaped.tensors.isEmpty { return output }
    let captured = untaped.tensors.filter { tensor in !inputs.contains { $0.node === tensor.node } }
    let all = inputs + captured
    let checkpoint = Checkpoint(function: function, argumentCount: inputs.count, places: all.map(\.node))
    return output.made(by: checkpoint, from: all)
}

/// What operations without a tape read of what is being differentiated.
final class UntapedInputs: Sendable {
    private let found = Mutex<[Tensor]>([])
    /// The newest node when the tape was left out.
    private let newest = Node.newestSequence

    var tensors: [Tensor] { found.withLock { $0 } }

    /// Whether an operation on `inputs` stays off the tape; if so, what it read is noted.
    ///
    /// What a program is traced through stays on it, and so does what is differentiated within the function.
    func leavesOut(_ inputs: [Tensor]) -> Bool {
        let isOlder = inputs.allSatisfy { input in input.node.map { !$0.isTrace && $0.sequence <= newest } ?? true }
        guard isOlder else { return false }
        found.withLock { found in
            for tensor in inputs where tensor.node != nil && !found.contains(where: { $0.node === tensor.node }) {
                found.append(tensor)
            }
        }
        return true
    }
}

/// Computed by a function that is run once more for the backward pass. Inputs: its arguments, then what else it read
/// that is differentiated.
private struct Checkpoint: Operation {
    let function: @Sendable ([Tensor]) -> Tensor
    let argumentCount: Int
    /// The inputs' places on the tape; what came before them is not the function's.
    let places: [Node?]

    func forward(_ inputs: [Tensor]) -> Tensor { function(inputs).plain }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let arguments = (0..<argumentCount).map { saved.input($0).with(places[$0]) }
        let output = TapeScope.with({ $0.untaped = nil }) { function(arguments) }
        // A value that is given twice has one place, and its gradient counts once.
        var ends: [Node] = []
        let isFirst = places.map { place in
            guard let place, !ends.contains(where: { $0 === place }) else { return false }
            ends.append(place)
            return true
        }
        var gradients = output.gradients(at: ends, seed: gradient, releasing: true)[...]
        return isFirst.map { $0 ? gradients.removeFirst() : nil }
    }
}
