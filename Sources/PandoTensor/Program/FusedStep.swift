/// One step of a program before it is compiled: an operation and the neighbours that were folded into it.
struct FusedStep {
    enum Work {
        case convolution(Convolution, weight: Tensor, bias: Tensor)
        case linear(weight: Tensor, bias: Tensor?)
        /// The mean over height and width of a map.
        case globalMean
        /// The 8-bit form of a value.
        case encoding
        /// Anything else, computed as outside a program.
        case plain(any Operation)
    }

    /// The node of the operation that the step began with.
    let origin: Int
    var work: Work
    var operands: [Graph.Operand]
    /// Values are named by the node that produces them.
    var output: Int
    var residual: Int?
    /// Applied before the residual is added, and after.
    var activationBeforeSum: Activation?
    var activation: Activation?
    /// What the step reads and writes in 8 bits.
    var quantized: QuantizedForm?

    var isEncoding: Bool { if case .encoding = work { true } else { false } }

    /// The name of the value that the step writes: `output`, or that value's 8-bit form.
    var target: Int { quantized?.destination?.value ?? output }
}

extension Graph {
    /// The operations in order, with batch norms folded into weights, and activations and residual sums into the
    /// convolution or linear map before them.
    ///
    /// An operation is folded only if nobody else reads the value before it.
    func fused() -> [FusedStep] {
        let consumers = consumers
        var steps: [FusedStep] = []
        var folded: Set<Int> = []

        /// The only reader of `index`, if the value is not wanted for itself.
        func reader(of index: Int) -> (index: Int, node: GraphNode)? {
            guard consumers[index].count == 1, !outputs.contains(index) else { return nil }
            return (consumers[index][0], nodes[consumers[index][0]])
        }

        for (index, node) in nodes.enumerated() {
            guard let operation = node.operation, !folded.contains(index), root(of: index) == index else { continue }
            var step = FusedStep(origin: index, work: .plain(operation), operands: node.operands, output: index)
            switch operation {
            case let convolution as Convolution:
                guard case .constant(var weight) = node.operands[1] else { break }
                var bias = Tensor.zeros([weight.shape[0]])
                if node.operands.count > 2 {
                    guard case .constant(let given) = node.operands[2] else { break }
                    bias = given.cast(to: .float32)
                }
                weight = weight.cast(to: .float32)
                if let next = reader(of: index), let norm = next.node.operation as? BatchNormalization,
                    let affine = norm.affineMap(next.node.operands)
                {
                    weight = weight * affine.scale.reshaped([-1] + [Int](repeating: 1, count: weight.rank - 1))
                    bias = bias * affine.scale + affine.shift
                    folded.insert(next.index)
                    step.output = next.index
                }
                step.work = .convolution(convolution, weight: weight, bias: bias)
                step.operands = [node.operands[0]]
            case is LinearMap:
                guard case .constant(let weight) = node.operands[1] else { break }
                var bias: Tensor?
                if node.operands.count > 2 {
                    guard case .constant(let given) = node.operands[2] else { break }
                    bias = given
                }
                step.work = .linear(weight: weight, bias: bias)
                step.operands = [node.operands[0]]
            case let reduction as Reduce where reduction.kind == .mean && reduction.axes == [1, 2]:
                if case .value(let source) = node.operands[0], nodes[source].shape.count == 4 { step.work = .globalMean }
            default: break
            }
            switch step.work {
            case .convolution, .linear: foldFollowers(into: &step, &folded, reader)
            case .globalMean, .encoding, .plain: break
            }
            steps.append(step)
        }
        return steps
    }

    private func foldFollowers(
        into step: inout FusedStep, _ folded: inout Set<Int>, _ reader: (Int) -> (index: Int, node: GraphNode)?
    ) {
        if let next = reader(step.output), let function = next.node.operation as? Elementwise,
            function.function.isPreciseInKernels
        {
            step.activationBeforeSum = function.function
            step.output = next.index
            folded.insert(next.index)
        }
        // The other summand must exist before this step runs: it must have been computed before its first operand.
        if let next = reader(step.output), next.node.operation is Add,
            case .value(let left) = next.node.operands[0], case .value(let right) = next.node.operands[1],
            left != right
        {
            let other = left == step.output ? right : left
            if nodes[other].shape == next.node.shape, isComputed(other, before: step) {
                step.residual = other
                step.output = next.index
                folded.insert(next.index)
                if let after = reader(step.output), let function = after.node.operation as? Elementwise,
                    function.function.isPreciseInKernels
                {
                    step.activation = function.function
                    step.output = after.index
                    folded.insert(after.index)
                }
            }
        }
    }

    /// Whether `value` stands before the operation that `step` began with.
    private func isComputed(_ value: Int, before step: FusedStep) -> Bool {
        let first = step.operands.compactMap { if case .value(let index) = $0 { index } else { nil } }.max() ?? 0
        return value <= first
    }
}

extension BatchNormalization {
    /// The norm as `x · scale + shift`, if all its statistics and parameters are constants.
    fileprivate func affineMap(_ operands: [Graph.Operand]) -> (scale: Tensor, shift: Tensor)? {
        let values = operands.dropFirst().compactMap { operand -> Tensor? in
            if case .constant(let tensor) = operand { tensor.cast(to: .float32) } else { nil }
        }
        guard values.count == 4 else { return nil }
        let scale = values[2] / (values[1] + epsilon).squareRoot()
        return (scale, values[3] - values[0] * scale)
    }
}
