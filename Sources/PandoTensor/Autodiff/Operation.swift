/// One differentiable function of tensors: what it computes and, right beneath, its gradient.
///
/// Operations are small values holding their attributes (axes, strides, sizes), never tensors. The tape keeps them
/// for the backward pass; a `Program` reads them from the tape to build its fused steps.
protocol Operation: Sendable {
    /// The result, computed from plain values; gradients are not its concern.
    func forward(_ inputs: [Tensor]) -> Tensor

    /// The gradient towards each input that wants one, given the gradient of the output.
    ///
    /// Values that `keeps` did not ask for are not there to be read.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?]

    /// Which values the backward pass reads, when the inputs in `wanted` need gradients.
    func keeps(_ wanted: [Bool]) -> Kept
}

extension Operation {
    func keeps(_ wanted: [Bool]) -> Kept { .inputs }
}

/// Which values of an operation its backward pass reads.
enum Kept: Sendable, Equatable {
    case nothing
    /// All inputs.
    case inputs
    /// The inputs at these positions.
    case some([Int])
    /// The output alone.
    case output
    /// The inputs at these positions, and the output.
    case outputAnd([Int])

    func containsInput(_ index: Int) -> Bool {
        switch self {
        case .nothing, .output: false
        case .inputs: true
        case .some(let indices), .outputAnd(let indices): indices.contains(index)
        }
    }

    var containsOutput: Bool {
        switch self {
        case .output, .outputAnd: true
        case .nothing, .inputs, .some: false
        }
    }
}

/// What the tape kept of one application of an operation.
struct Saved: Sendable {
    /// The inputs; `nil` where the operation did not ask for the value.
    let inputs: [Tensor?]
    let output: Tensor?
    let inputShapes: [[Int]]
    let wanted: [Bool]

    func input(_ index: Int) -> Tensor {
        guard let tensor = inputs[index] else { stop("backward reads input \(index), which was not kept") }
        return tensor
    }

    var result: Tensor {
        guard let output else { stop("backward reads the output, which was not kept") }
        return output
    }
}

extension Tensor {
    /// Applies `operation` and, if an input is being differentiated, records how the result came about.
    static func applying(_ operation: some Operation, to inputs: Tensor...) -> Tensor {
        applying(operation, to: inputs)
    }

    static func applying(_ operation: some Operation, to inputs: [Tensor]) -> Tensor {
        let output = operation.forward(inputs)
        guard inputs.contains(where: { $0.node != nil }), output.elementType.isFloatingPoint else { return output }
        return output.with(Node(operation: operation, inputs: inputs, output: output))
    }

    /// The same values, made as `node` says.
    func with(_ node: Node?) -> Tensor {
        Tensor(
            storage: storage, offset: offset, shape: shape, strides: strides, elementType: elementType, node: node)
    }

    /// The same values with no past: gradients stop here.
    public var detached: Tensor { with(nil) }
}
