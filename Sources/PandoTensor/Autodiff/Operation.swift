/// One differentiable function of tensors: what it computes and, right beneath, its gradient.
///
/// Operations are small values holding their attributes (axes, strides, sizes), never tensors. The tape keeps them
/// for the backward pass; a `Program` reads them from the tape to build its fused steps.
protocol Operation: Sendable {
    /// The result, computed from plain values; gradients are not its concern.
    func forward(_ inputs: [Tensor]) -> Tensor

    /// The result, and values found on the way that the backward pass reads: statistics, positions of maxima.
    ///
    /// Called in place of `forward` where gradients will be asked for. By default there are no such values.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor])

    /// The gradient towards each input that wants one, given the gradient of the output.
    ///
    /// Values that `keeps` did not ask for are not there to be read. The gradient is handed over: if nobody else holds
    /// its bytes, it may be changed in place.
    func backward(_ gradient: consuming Tensor, _ saved: Saved) -> [Tensor?]

    /// Which values the backward pass reads, when the inputs in `wanted` need gradients.
    func keeps(_ wanted: [Bool]) -> Kept

    /// Whether kernels compute it in the inputs' own element type; what this processor cannot compute in is then
    /// brought to `float32` first.
    static var isComputedByKernels: Bool { get }
}

extension Operation {
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) { (forward(inputs), []) }

    func keeps(_ wanted: [Bool]) -> Kept { .inputs }

    static var isComputedByKernels: Bool { false }

    /// `forward`, in a type that this processor computes in; the result has the inputs' type.
    func result(_ inputs: [Tensor]) -> Tensor {
        guard Self.isComputedByKernels, let lacking = inputs.first(where: \.isBeyondKernels)?.elementType else {
            return forward(inputs)
        }
        return forward(inputs.map(\.forKernels)).cast(to: lacking)
    }

    /// `forwardKeeping`, in a type that this processor computes in; auxiliaries stay as the operation made them.
    func resultKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        guard Self.isComputedByKernels, let lacking = inputs.first(where: \.isBeyondKernels)?.elementType else {
            return forwardKeeping(inputs)
        }
        let (output, auxiliaries) = forwardKeeping(inputs.map(\.forKernels))
        return (output.cast(to: lacking), auxiliaries)
    }

    /// `backward`, in a type that this processor computes in.
    func contributions(_ gradient: consuming Tensor, _ saved: Saved) -> [Tensor?] {
        guard Self.isComputedByKernels, gradient.isBeyondKernels else { return backward(gradient, saved) }
        return backward(
            gradient.forKernels,
            Saved(
                inputs: saved.inputs.map { $0?.forKernels }, output: saved.output?.forKernels,
                auxiliaries: saved.auxiliaries, inputShapes: saved.inputShapes, wanted: saved.wanted))
    }
}

extension Tensor {
    /// Whether kernels cannot compute in the element type here.
    fileprivate var isBeyondKernels: Bool { elementType.isFloatingPoint && !Processor.computes(in: elementType) }

    /// The same values in a type that kernels compute in.
    var forKernels: Tensor { isBeyondKernels ? cast(to: .float32) : self }
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
    /// What `forwardKeeping` returned beside the output.
    let auxiliaries: [Tensor]
    let inputShapes: [[Int]]
    let wanted: [Bool]

    static let nothing = Saved(inputs: [], output: nil, auxiliaries: [], inputShapes: [], wanted: [])

    /// Every value that was kept.
    var tensors: [Tensor] { inputs.compactMap(\.self) + [output].compactMap(\.self) + auxiliaries }

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
        guard inputs.contains(where: { $0.node != nil && !$0.isTraced }),
            TapeScope.current?.untaped?.leavesOut(inputs) != true
        else { return operation.result(inputs.map(\.plain)).made(by: operation, from: inputs) }
        return applyingForAuxiliaries(operation, to: inputs).output
    }

    /// Applies `operation` as `applying(_:to:)` does, for a caller who reads its auxiliaries.
    static func applyingForAuxiliaries(_ operation: some Operation, to inputs: [Tensor]) -> (
        output: Tensor, auxiliaries: [Tensor]
    ) {
        let (output, auxiliaries) = operation.resultKeeping(inputs.map(\.plain))
        return (output.made(by: operation, from: inputs, auxiliaries), auxiliaries)
    }

    /// The same values, recorded as the result of `operation` if an input is on the tape.
    func made(by operation: some Operation, from inputs: [Tensor], _ auxiliaries: [Tensor] = []) -> Tensor {
        let scope = TapeScope.current
        if let anomalies = scope?.anomalies, !inputs.contains(where: \.isTraced) {
            anomalies.inspect(self, of: operation, from: inputs)
        }
        guard inputs.contains(where: { $0.node != nil }) else { return self }
        if !elementType.isFloatingPoint {
            guard inputs.contains(where: \.isTraced) else { return self }
            require(
                elementType == .bool,
                "program: \(type(of: operation)) makes \(elementType) values, which a program does not hold")
        }
        if let untaped = scope?.untaped, untaped.leavesOut(inputs) { return self }
        return with(Node(operation: operation, inputs: inputs, output: self, auxiliaries: auxiliaries))
    }

    /// The same values, made as `node` says.
    func with(_ node: Node?) -> Tensor {
        Tensor(
            storage: storage, offset: offset, shape: shape, strides: strides, elementType: elementType, node: node)
    }

    /// The same values with no past.
    var plain: Tensor { with(nil) }

    /// The same values as a constant: gradients stop here.
    ///
    /// In a function that is being compiled there are no gradients, and the value stays one that depends on the input.
    public var detached: Tensor { isTraced ? self : plain }

    /// Whether a program is being made of what is computed from this value.
    var isTraced: Bool { node?.isTrace == true }
}
