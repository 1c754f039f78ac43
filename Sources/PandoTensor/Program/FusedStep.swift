/// One step of a program before it is compiled: an operation and the neighbours that were folded into it.
struct FusedStep {
    enum Work {
        case convolution(Convolution, weight: Tensor, bias: Tensor)
        case linear(weight: Tensor, bias: Tensor?)
        /// The mean over height and width of a map.
        case globalMean
        /// Layer norm of each row of the last axis.
        case layerNorm(LayerNormalization, weight: Tensor, bias: Tensor)
        /// Attention to views of values; with the result's axes in the order `[B, N, heads, E]` if `putsHeadsLast`.
        /// Where an operand is a constant, so is its view `nil`.
        case attention(Attention, views: [StridedView?], putsHeadsLast: Bool)
        /// Views and constants, one after another along an axis.
        case joining(axis: Int, views: [StridedView?])
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
        let readers = Readers(of: self)
        var steps: [FusedStep] = []
        var folded: Set<Int> = []
        for (index, node) in nodes.enumerated() {
            guard let operation = node.operation, !folded.contains(index), root(of: index) == index else { continue }
            var step = FusedStep(origin: index, work: .plain(operation), operands: node.operands, output: index)
            switch operation {
            case let convolution as Convolution: begin(convolution, &step, &folded, readers)
            case is LinearMap: beginLinear(&step)
            case let norm as LayerNormalization:
                guard case .constant(let weight) = node.operands[1], case .constant(let bias) = node.operands[2]
                else { break }
                step.work = .layerNorm(norm, weight: weight, bias: bias)
                step.operands = [node.operands[0]]
            case let attention as Attention:
                var putsHeadsLast = false
                if let next = readers.only(of: index), let permute = next.node.operation as? Permute,
                    permute.axes == [0, 2, 1, 3]
                {
                    putsHeadsLast = true
                    folded.insert(next.index)
                    step.output = next.index
                }
                var views = look(through: &step.operands)
                for position in 0..<3 {
                    // Features must stand without gaps.
                    guard let view = views[position], view.shape[3] > 1, view.strides[3] != 1,
                        case .value(let value) = node.operands[position]
                    else { continue }
                    views[position] = StridedView(of: root(of: value), shape: view.shape)
                    step.operands[position] = .value(root(of: value))
                }
                step.work = .attention(attention, views: views, putsHeadsLast: putsHeadsLast)
            case let join as Concatenate:
                let views = look(through: &step.operands)
                step.work = .joining(axis: join.axis, views: views)
            case let reduction as Reduce where reduction.kind == .mean && reduction.axes == [1, 2]:
                if case .value(let source) = node.operands[0], nodes[source].shape.count == 4 { step.work = .globalMean }
            default:
                guard isView(index), !node.shape.isEmpty else { break }
                step.operands = [.value(index)]
                let views = look(through: &step.operands)
                step.work = .joining(axis: 0, views: views)
            }
            switch step.work {
            case .convolution, .linear: foldFollowers(into: &step, &folded, readers)
            case .globalMean, .layerNorm, .attention, .joining, .encoding, .plain: break
            }
            steps.append(step)
        }
        return needed(steps)
    }

    private func begin(
        _ convolution: Convolution, _ step: inout FusedStep, _ folded: inout Set<Int>, _ readers: Readers
    ) {
        let operands = nodes[step.origin].operands
        guard case .constant(var weight) = operands[1] else { return }
        var bias = Tensor.zeros([weight.shape[0]])
        if operands.count > 2 {
            guard case .constant(let given) = operands[2] else { return }
            bias = given.cast(to: .float32)
        }
        weight = weight.cast(to: .float32)
        if let next = readers.only(of: step.origin), let norm = next.node.operation as? BatchNormalization,
            let affine = norm.affineMap(next.node.operands)
        {
            weight = weight * affine.scale.reshaped([-1] + [Int](repeating: 1, count: weight.rank - 1))
            bias = bias * affine.scale + affine.shift
            folded.insert(next.index)
            step.output = next.index
        }
        step.work = .convolution(convolution, weight: weight, bias: bias)
        step.operands = [operands[0]]
    }

    private func beginLinear(_ step: inout FusedStep) {
        let operands = nodes[step.origin].operands
        guard case .constant(let weight) = operands[1] else { return }
        var bias: Tensor?
        if operands.count > 2 {
            guard case .constant(let given) = operands[2] else { return }
            bias = given
        }
        step.work = .linear(weight: weight, bias: bias)
        step.operands = [operands[0]]
    }

    /// Replaces operands that are views by the values that they are views of.
    private func look(through operands: inout [Operand]) -> [StridedView?] {
        let views = operands.map { operand -> StridedView? in
            if case .value(let value) = operand { view(of: value) } else { nil }
        }
        operands = zip(operands, views).map { operand, view in view.map { .value($0.value) } ?? operand }
        return views
    }

    /// The steps whose results somebody reads.
    private func needed(_ steps: [FusedStep]) -> [FusedStep] {
        var wanted = Set(outputs.map(root))
        var needed: [FusedStep] = []
        for step in steps.reversed() where wanted.contains(step.output) {
            for case .value(let value) in step.operands { wanted.insert(root(of: value)) }
            if let residual = step.residual { wanted.insert(root(of: residual)) }
            needed.append(step)
        }
        return needed.reversed()
    }

    /// Who reads the values of a graph.
    private struct Readers {
        private let graph: Graph
        private let consumers: [[Int]]
        private let outputs: Set<Int>

        init(of graph: Graph) {
            self.graph = graph
            consumers = graph.consumers
            outputs = Set(graph.outputs)
        }

        /// The only reader of `value`, if the value is not wanted for itself.
        func only(of value: Int) -> (index: Int, node: GraphNode)? {
            guard consumers[value].count == 1, !outputs.contains(value) else { return nil }
            return (consumers[value][0], graph.nodes[consumers[value][0]])
        }

        /// As `only`, reshaping not counted: it changes nothing for what goes element by element.
        func onlyBeyondReshaping(of value: Int) -> (index: Int, node: GraphNode)? {
            guard let next = only(of: value) else { return nil }
            return next.node.operation is Reshape ? onlyBeyondReshaping(of: next.index) : next
        }
    }

    private func foldFollowers(into step: inout FusedStep, _ folded: inout Set<Int>, _ readers: Readers) {
        if let next = readers.onlyBeyondReshaping(of: step.output), let function = next.node.operation as? Elementwise,
            function.function.isPreciseInKernels
        {
            step.activationBeforeSum = function.function
            step.output = next.index
            folded.insert(next.index)
        }
        guard let next = readers.onlyBeyondReshaping(of: step.output), next.node.operation is Add,
            case .value(let left) = next.node.operands[0], case .value(let right) = next.node.operands[1],
            root(of: left) != root(of: right)
        else { return }
        let other = root(of: left) == step.output ? right : left
        // The other summand must have been computed by a step before this one.
        guard nodes[left].shape == nodes[right].shape, other < step.origin else { return }
        step.residual = other
        step.output = next.index
        folded.insert(next.index)
        if let after = readers.onlyBeyondReshaping(of: step.output), let function = after.node.operation as? Elementwise,
            function.function.isPreciseInKernels
        {
            step.activation = function.function
            step.output = after.index
            folded.insert(after.index)
        }
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
