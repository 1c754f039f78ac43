import COneDNN

/// Turns a traced graph into primitives, packed weights and places in the arena.
struct ProgramCompiler {
    let graph: Graph
    let precision: ElementType
    let weights: PackedWeights

    func compile() -> (steps: [CompiledStep], places: [Int: Int], arenaBytes: Int) {
        let fused = graph.fused()
        // With reduced precision the input is first brought into it, under a name of its own.
        let castInput = precision == .float32 ? nil : graph.nodes.count
        let offset = castInput == nil ? 0 : 1
        var lastUse: [Int: Int] = [:]
        for (position, step) in fused.enumerated() {
            for case .value(let value) in step.operands { lastUse[rename(value, castInput)] = position + offset }
            if let residual = step.residual { lastUse[rename(residual, castInput)] = position + offset }
        }
        let end = fused.count + offset
        for output in graph.outputs { lastUse[rename(output, castInput)] = end }

        var arena = Arena()
        var places: [Int: Int] = [:]
        var compiled: [CompiledStep] = []
        if let castInput {
            let shape = graph.nodes[0].shape
            places[castInput] = arena.place(bytes(shape), during: 0...(lastUse[castInput] ?? 0))
            compiled.append(conversion(of: shape, into: castInput))
        }
        for (position, step) in fused.enumerated() {
            let index = position + offset
            // A residual that nobody reads later is added to in place.
            let residual = step.residual.map { rename($0, castInput) }
            let inPlace = residual.map { lastUse[$0] == index && $0 != 0 && step.activationBeforeSum == nil } ?? false
            places[step.output] = inPlace
                ? places[residual!]!
                : arena.place(bytes(graph.nodes[step.output].shape), during: index...(lastUse[step.output] ?? index))
            if inPlace {
                arena.extend(places[residual!]!, from: index, to: lastUse[step.output] ?? index)
            }
            compiled.append(compile(step, position, inPlace: inPlace, castInput))
        }
        return (compiled, places, arena.byteCount)
    }

    /// The value under whose name the bytes of `value` stand.
    private func rename(_ value: Int, _ castInput: Int?) -> Int {
        let root = graph.root(of: value)
        return root == 0 ? castInput ?? 0 : root
    }

    private func bytes(_ shape: [Int]) -> Int { shape.elementCount * precision.byteCount }

    private func conversion(of shape: [Int], into value: Int) -> CompiledStep {
        let (from, to) = (MemoryDescriptor(.rowMajor(shape, .float32)), MemoryDescriptor(.rowMajor(shape, precision)))
        let primitive = Primitive {
            dnnl_reorder_primitive_desc_create(
                $0, from.handle, CPUEngine.handle, to.handle, CPUEngine.handle, $1)
        }
        guard let primitive else { stop("oneDNN cannot convert float32 to \(precision)") }
        return CompiledStep(
            work: .primitive(primitive, arguments: [(DNNL_ARG_FROM, .value(0)), (DNNL_ARG_TO, .value(value))]))
    }

    private func compile(_ step: FusedStep, _ position: Int, inPlace: Bool, _ castInput: Int?) -> CompiledStep {
        func source(_ operand: Graph.Operand) -> (value: Int, shape: [Int]) {
            guard case .value(let value) = operand else { stop("program: a step works on a constant alone") }
            return (rename(value, castInput), graph.nodes[value].shape)
        }
        let outputShape = graph.nodes[step.output].shape
        switch step.work {
        case .convolution(let convolution, let weight, let bias):
            let input = source(step.operands[0])
            let destination = Layout.channelsLast(outputShape, precision)
            let recipe = PrimitiveRecipe.convolution(
                convolution.window, source: .channelsLast(input.shape, precision),
                weights: convolution.weightLayout(weight.shape, precision), bias: .rowMajor(bias.shape, .float32),
                destination: destination, postOperations(step, inPlace, destination))
            return finish(
                recipe, step, position, inPlace, castInput, input.value, weight,
                convolution.weightStrides(weight.shape), (bias, .rowMajor(bias.shape, .float32)))
        case .linear(let weight, let bias):
            let input = source(step.operands[0])
            let destination = Layout.rowMajor(outputShape, precision)
            let transposed = Layout([weight.shape[1], weight.shape[0]], strides: [1, weight.shape[1]], .float32)
            let biasLayout = Layout.rowMajor([1, weight.shape[0]], .float32)
            let recipe = PrimitiveRecipe.matmul(
                source: .rowMajor(input.shape, precision), weights: Layout(transposed.dimensions, precision),
                bias: bias == nil ? nil : biasLayout, destination: destination,
                postOperations(step, inPlace, destination))
            return finish(
                recipe, step, position, inPlace, castInput, input.value, weight, transposed,
                bias.map { ($0, biasLayout) })
        case .globalMean:
            let input = source(step.operands[0])
            let shape = input.shape
            let primitive = PrimitiveRecipe.reduction(
                .mean, source: .rowMajor([shape[0], shape[1] * shape[2], shape[3]], precision),
                destination: .rowMajor([shape[0], 1, shape[3]], precision)
            ).make()
            guard let primitive else { stop("oneDNN has no mean over maps in \(precision)") }
            return CompiledStep(
                work: .primitive(
                    primitive, arguments: [(DNNL_ARG_SRC, .value(input.value)), (DNNL_ARG_DST, .value(step.output))]))
        case .plain(let operation):
            let operands = step.operands.map { operand -> CompiledStep.PlainOperand in
                switch operand {
                case .value(let value): .value(rename(value, castInput), shape: graph.nodes[value].shape)
                case .constant(let tensor): .constant(tensor)
                }
            }
            return CompiledStep(work: .plain(operation, operands: operands, output: step.output))
        }
    }

    private func postOperations(_ step: FusedStep, _ inPlace: Bool, _ destination: Layout) -> [PostOperation] {
        var operations: [PostOperation] = []
        if let function = step.activationBeforeSum { operations.append(.activation(function)) }
        if step.residual != nil { operations.append(inPlace ? .sum(precision) : .add(destination)) }
        if let function = step.activation { operations.append(.activation(function)) }
        return operations
    }

    private func finish(
        _ recipe: PrimitiveRecipe, _ step: FusedStep, _ position: Int, _ inPlace: Bool, _ castInput: Int?, _ input: Int,
        _ weight: Tensor, _ weightLayout: Layout, _ bias: (values: Tensor, layout: Layout)?
    ) -> CompiledStep {
        guard let primitive = recipe.make() else { stop("oneDNN has no implementation of \(recipe)") }
        var arguments: [(Int32, CompiledStep.Source)] = [
            (DNNL_ARG_SRC, .value(input)), (DNNL_ARG_DST, .value(step.output)),
            (
                DNNL_ARG_WEIGHTS,
                .constant(
                    weights.packed(
                        weight, weightLayout, type: precision, step: position, for: primitive, DNNL_ARG_WEIGHTS))
            ),
        ]
        if let bias {
            let packed = weights.packed(
                bias.values, bias.layout, type: .float32, step: position, for: primitive, DNNL_ARG_BIAS)
            arguments.append((DNNL_ARG_BIAS, .constant(packed)))
        }
        if let residual = step.residual, !inPlace {
            let sumPosition: Int32 = step.activationBeforeSum == nil ? 0 : 1
            // The C macro DNNL_ARG_ATTR_MULTIPLE_POST_OP(n), which Swift does not see.
            let argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE * (sumPosition + 1) | DNNL_ARG_SRC_1
            arguments.append((argument, .value(rename(residual, castInput))))
        }
        return CompiledStep(work: .primitive(primitive, arguments: arguments))
    }
}
