import COneDNN

/// Turns a traced graph into primitives, packed weights and places in the arena.
struct ProgramCompiler {
    let graph: Graph
    let precision: ElementType
    let weights: PackedWeights
    /// In how many parts each step is cut, for that many threads.
    let bandCount: Int

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
            // A residual that nobody reads later is added to in place, unless the step itself reads it.
            let residual = step.residual.map { rename($0, castInput) }
            let read = step.operands.map { if case .value(let value) = $0 { rename(value, castInput) } else { -1 } }
            let inPlace =
                residual.map {
                    lastUse[$0] == index && $0 != 0 && !read.contains($0) && step.activationBeforeSum == nil
                } ?? false
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
        CompiledStep.bands(
            evenParts(of: shape.elementCount, bandCount).map { part in
                let (from, to) = (
                    MemoryDescriptor(.rowMajor([part.count], .float32)), MemoryDescriptor(.rowMajor([part.count], precision))
                )
                let primitive = Primitive(for: "a conversion of \(shape) to \(precision)") {
                    dnnl_reorder_primitive_desc_create(
                        $0, from.handle, CPUEngine.handle, to.handle, CPUEngine.handle, $1)
                }
                guard let primitive else { stop("oneDNN cannot convert float32 to \(precision)") }
                return CompiledStep.Band(
                    primitive: primitive,
                    arguments: [
                        (DNNL_ARG_FROM, .value(0, byteOffset: part.lowerBound * ElementType.float32.byteCount)),
                        (DNNL_ARG_TO, self.value(value, part.lowerBound)),
                    ])
            })
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
            let biasLayout = Layout.rowMajor(bias.shape, .float32)
            return .bands(
                convolution.bands(bandCount, source: input.shape, destination: outputShape).map { band in
                    let destination = Layout.channelsLast(band.destinationShape, precision)
                    let recipe = PrimitiveRecipe.convolution(
                        band.window, source: .channelsLast(band.sourceShape, precision),
                        weights: convolution.weightLayout(weight.shape, precision), bias: biasLayout,
                        destination: destination, postOperations(step, inPlace, destination))
                    return self.band(
                        recipe, step, position, inPlace, castInput, input.value,
                        starts: (band.sourceStart, band.destinationStart), weight,
                        convolution.weightStrides(weight.shape), (bias, biasLayout))
                })
        case .linear(let weight, let bias):
            let input = source(step.operands[0])
            let transposed = Layout([weight.shape[1], weight.shape[0]], strides: [1, weight.shape[1]], .float32)
            let biasLayout = Layout.rowMajor([1, weight.shape[0]], .float32)
            return .bands(
                evenParts(of: input.shape[0], bandCount).map { rows in
                    let destination = Layout.rowMajor([rows.count, outputShape[1]], precision)
                    let recipe = PrimitiveRecipe.matmul(
                        source: .rowMajor([rows.count, input.shape[1]], precision),
                        weights: Layout(transposed.dimensions, precision), bias: bias == nil ? nil : biasLayout,
                        destination: destination, postOperations(step, inPlace, destination))
                    return band(
                        recipe, step, position, inPlace, castInput, input.value,
                        starts: (rows.lowerBound * input.shape[1], rows.lowerBound * outputShape[1]), weight,
                        transposed, bias.map { ($0, biasLayout) })
                })
        case .globalMean:
            let input = source(step.operands[0])
            let shape = input.shape
            let window = PrimitiveRecipe.Window(
                kernel: [shape[1], shape[2]], stride: [1, 1], dilation: [1, 1], paddingBefore: [0, 0],
                paddingAfter: [0, 0])
            return .bands(
                evenParts(of: shape[0], bandCount).map { samples in
                    let primitive = PrimitiveRecipe.pooling(
                        window, .averageCountingPadding,
                        source: .channelsLast([samples.count] + shape[1...], precision),
                        destination: .channelsLast([samples.count, 1, 1, shape[3]], precision)
                    ).make()
                    guard let primitive else { stop("oneDNN has no mean over maps in \(precision)") }
                    return CompiledStep.Band(
                        primitive: primitive,
                        arguments: [
                            (DNNL_ARG_SRC, value(input.value, samples.lowerBound * shape[1...].reduce(1, *))),
                            (DNNL_ARG_DST, value(step.output, samples.lowerBound * shape[3])),
                        ])
                })
        case .plain(let operation):
            let operands = step.operands.map { operand -> CompiledStep.PlainOperand in
                switch operand {
                case .value(let value): .value(rename(value, castInput), shape: graph.nodes[value].shape)
                case .constant(let tensor): .constant(tensor)
                }
            }
            return .plain(operation, operands: operands, output: step.output)
        }
    }

    private func postOperations(_ step: FusedStep, _ inPlace: Bool, _ destination: Layout) -> [PostOperation] {
        var operations: [PostOperation] = []
        if let function = step.activationBeforeSum { operations.append(.activation(function)) }
        if step.residual != nil { operations.append(inPlace ? .sum(precision) : .add(destination)) }
        if let function = step.activation { operations.append(.activation(function)) }
        return operations
    }

    /// Element `start` of a value, as an argument of a primitive.
    private func value(_ value: Int, _ start: Int) -> CompiledStep.Source {
        .value(value, byteOffset: start * precision.byteCount)
    }

    /// - Parameter starts: elements before the band's part of the input and of the output.
    private func band(
        _ recipe: PrimitiveRecipe, _ step: FusedStep, _ position: Int, _ inPlace: Bool, _ castInput: Int?, _ input: Int,
        starts: (source: Int, destination: Int), _ weight: Tensor, _ weightLayout: Layout,
        _ bias: (values: Tensor, layout: Layout)?
    ) -> CompiledStep.Band {
        guard let primitive = recipe.make() else { stop("oneDNN has no implementation of \(recipe)") }
        let packed = weights.packed(
            weight, weightLayout, type: precision, step: position, for: primitive, DNNL_ARG_WEIGHTS)
        var arguments: [(Int32, CompiledStep.Source)] = [
            (DNNL_ARG_SRC, value(input, starts.source)), (DNNL_ARG_DST, value(step.output, starts.destination)),
            (DNNL_ARG_WEIGHTS, .constant(packed)),
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
            arguments.append((argument, value(rename(residual, castInput), starts.destination)))
        }
        return CompiledStep.Band(primitive: primitive, arguments: arguments)
    }
}
