import COneDNN

/// Turns a traced graph into primitives, packed weights and places in the arena.
struct ProgramCompiler {
    let graph: Graph
    let precision: ElementType
    let weights: PackedWeights
    /// In how many parts each step is cut, for that many threads.
    let bandCount: Int
    private let fused: [FusedStep]
    /// Types of the values that are 8-bit forms of others.
    private let integerTypes: [Int: ElementType]

    init(
        graph: Graph, precision: ElementType, quantization: Quantization?, weights: PackedWeights, bandCount: Int
    ) {
        self.graph = graph
        self.precision = precision
        self.weights = weights
        self.bandCount = bandCount
        let steps = graph.fused()
        // The name after the last node's is that of the converted input.
        fused = quantization?.applied(to: steps, of: graph, firstName: graph.nodes.count + 1) ?? steps
        integerTypes = Dictionary(
            fused.compactMap { $0.quantized?.destination }.map { ($0.value, $0.encoding.type) }) { first, _ in first }
    }

    func compile() -> (steps: [CompiledStep], places: [Int: Int], arenaBytes: Int) {
        // With reduced precision the input is first brought into it, under a name of its own.
        let isInputRead = fused.contains { step in
            reads(step, graph.nodes.count).contains(graph.nodes.count) || step.residual.map(graph.root) == 0
        }
        let castInput = precision == .float32 || !isInputRead ? nil : graph.nodes.count
        let offset = castInput == nil ? 0 : 1
        var lastUse: [Int: Int] = [:]
        for (position, step) in fused.enumerated() {
            for value in reads(step, castInput) { lastUse[value] = position + offset }
            if let residual = step.residual { lastUse[rename(residual, castInput)] = position + offset }
        }
        let end = fused.count + offset
        for output in graph.outputs { lastUse[rename(output, castInput)] = end }

        var arena = Arena()
        var places: [Int: Int] = [:]
        var compiled: [CompiledStep] = []
        if let castInput {
            let shape = graph.nodes[0].shape
            places[castInput] = arena.place(
                shape.elementCount * precision.byteCount, during: 0...(lastUse[castInput] ?? 0))
            compiled.append(conversion(of: shape, into: castInput))
        }
        for (position, step) in fused.enumerated() {
            let index = position + offset
            // A residual that nobody reads later is added to in place, unless the step itself reads it.
            let residual = step.residual.map { rename($0, castInput) }
            let read = reads(step, castInput)
            let target = step.target
            let inPlace =
                residual.map {
                    lastUse[$0] == index && $0 != 0 && !read.contains($0) && step.activationBeforeSum == nil
                        && type(of: target) == precision
                } ?? false
            let bytes = graph.nodes[step.output].shape.elementCount * type(of: target).byteCount
            places[target] = inPlace
                ? places[residual!]!
                : arena.place(bytes, during: index...(lastUse[target] ?? index))
            if inPlace {
                arena.extend(places[residual!]!, from: index, to: lastUse[target] ?? index)
            }
            compiled.append(compile(step, inPlace: inPlace, castInput))
        }
        return (compiled, places, arena.byteCount)
    }

    /// The value under whose name the bytes of `value` stand.
    private func rename(_ value: Int, _ castInput: Int?) -> Int {
        let root = graph.root(of: value)
        return root == 0 ? castInput ?? 0 : root
    }

    /// The values that `step` reads, but for its residual.
    private func reads(_ step: FusedStep, _ castInput: Int?) -> [Int] {
        if let source = step.quantized?.source { return [source.value] }
        return step.operands.compactMap { operand in
            guard case .value(let value) = operand else { return nil }
            return step.isEncoding ? graph.root(of: value) : rename(value, castInput)
        }
    }

    /// What a value is held in; the input comes as `float32`.
    func type(of value: Int) -> ElementType { value == 0 ? .float32 : integerTypes[value] ?? precision }

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

    private func compile(_ step: FusedStep, inPlace: Bool, _ castInput: Int?) -> CompiledStep {
        func source(_ operand: Graph.Operand) -> (value: Int, shape: [Int]) {
            guard case .value(let value) = operand else { stop("program: a step works on a constant alone") }
            return (reads(step, castInput)[0], graph.nodes[value].shape)
        }
        let target = type(of: step.target)
        let outputShape = graph.nodes[step.output].shape
        switch step.work {
        case .convolution(let convolution, let weight, let bias):
            let input = source(step.operands[0])
            let biasLayout = Layout.rowMajor(bias.shape, .float32)
            return .bands(
                convolution.bands(bandCount, source: input.shape, destination: outputShape).map { band in
                    let destination = Layout.channelsLast(band.destinationShape, target)
                    let recipe = PrimitiveRecipe.convolution(
                        band.window, source: .channelsLast(band.sourceShape, type(of: input.value)),
                        weights: convolution.weightLayout(weight.shape, weightType(of: step)), bias: biasLayout,
                        destination: destination, postOperations(step, inPlace, destination))
                    return self.band(
                        recipe, step, inPlace, castInput, input.value,
                        starts: (band.sourceStart, band.destinationStart), weight,
                        convolution.weightStrides(weight.shape), (bias, biasLayout))
                })
        case .linear(let weight, let bias):
            let input = source(step.operands[0])
            let transposed = Layout([weight.shape[1], weight.shape[0]], strides: [1, weight.shape[1]], .float32)
            let biasLayout = Layout.rowMajor([1, weight.shape[0]], .float32)
            return .bands(
                evenParts(of: input.shape[0], bandCount).map { rows in
                    let destination = Layout.rowMajor([rows.count, outputShape[1]], target)
                    let recipe = PrimitiveRecipe.matmul(
                        source: .rowMajor([rows.count, input.shape[1]], type(of: input.value)),
                        weights: Layout(transposed.dimensions, weightType(of: step)),
                        bias: bias == nil ? nil : biasLayout,
                        destination: destination, postOperations(step, inPlace, destination))
                    return band(
                        recipe, step, inPlace, castInput, input.value,
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
        case .encoding:
            guard let destination = step.quantized?.destination else { stop("program: an encoding has no destination") }
            return compileEncoding(reads(step, castInput)[0], outputShape, into: destination)
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
        if step.residual != nil {
            let residual = Layout(destination.dimensions, strides: destination.strides, precision)
            operations.append(inPlace ? .sum(precision) : .add(residual))
        }
        if let function = step.activation { operations.append(.activation(function)) }
        return operations
    }

    /// Element `start` of a value, as an argument of a primitive.
    func value(_ value: Int, _ start: Int) -> CompiledStep.Source {
        .value(value, byteOffset: start * type(of: value).byteCount)
    }

    private func weightType(of step: FusedStep) -> ElementType { step.quantized?.source == nil ? precision : .int8 }

    /// - Parameter starts: elements before the band's part of the input and of the output.
    private func band(
        _ recipe: PrimitiveRecipe, _ step: FusedStep, _ inPlace: Bool, _ castInput: Int?, _ input: Int,
        starts: (source: Int, destination: Int), _ weight: Tensor, _ weightLayout: Layout,
        _ bias: (values: Tensor, layout: Layout)?
    ) -> CompiledStep.Band {
        let scaling = step.quantized.flatMap { self.scaling(of: $0, weight, step) }
        guard let primitive = recipe.make(scaling: scaling?.descriptions ?? []) else {
            stop("oneDNN has no implementation of \(recipe)")
        }
        let packed = weights.packed(
            scaling == nil ? weight : EncodedWeights(weight, factors: step.quantized?.source?.factors).stored,
            weightLayout, type: weightType(of: step), step: step.origin, for: primitive, DNNL_ARG_WEIGHTS)
        var arguments: [(Int32, CompiledStep.Source)] = [
            (DNNL_ARG_SRC, value(input, starts.source)), (DNNL_ARG_DST, value(step.target, starts.destination)),
            (DNNL_ARG_WEIGHTS, .constant(packed)),
        ]
        arguments += scaling?.arguments ?? []
        if let bias {
            let packed = weights.packed(
                bias.values, bias.layout, type: .float32, step: step.origin, for: primitive, DNNL_ARG_BIAS)
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
