import COneDNN

extension ProgramCompiler {
    /// - Parameter widenedMask: the `float32` form of an attention's mask, if it has one under a name of its own.
    func compile(_ step: FusedStep, inPlace: Bool, widenedMask: Int?) -> CompiledStep {
        let target = type(of: step.target)
        let outputShape = graph.nodes[step.output].shape
        switch step.work {
        case .convolution(let convolution, let weight, let bias):
            let input = source(of: step)
            let biasLayout = Layout.rowMajor(bias.shape, .float32)
            let bands = convolution.bands(
                bandCount, source: input.shape, destination: graph.nodes[step.origin].shape)
            return .bands(
                bands.map { band in
                    let destination = Layout.channelsLast(band.destinationShape, target)
                    let recipe = PrimitiveRecipe.convolution(
                        band.window, source: .channelsLast(band.sourceShape, type(of: input.value)),
                        weights: convolution.weightLayout(weight.shape, weightType(of: step)), bias: biasLayout,
                        destination: destination, postOperations(step, inPlace, destination))
                    return self.band(
                        recipe, step, inPlace, input.value, starts: (band.sourceStart, band.destinationStart), weight,
                        convolution.weightStrides(weight.shape), (bias, biasLayout))
                })
        case .linear(let weight, let bias):
            let input = source(of: step)
            let (outFeatures, inFeatures) = (weight.shape[0], weight.shape[1])
            let transposed = Layout([inFeatures, outFeatures], strides: [1, inFeatures], .float32)
            let biasLayout = Layout.rowMajor([1, outFeatures], .float32)
            return .bands(
                evenParts(of: input.shape[0], bandCount).map { rows in
                    let destination = Layout.rowMajor([rows.count, outFeatures], target)
                    let recipe = PrimitiveRecipe.matmul(
                        source: .rowMajor([rows.count, inFeatures], type(of: input.value)),
                        weights: Layout(transposed.dimensions, weightType(of: step)),
                        bias: bias == nil ? nil : biasLayout,
                        destination: destination, postOperations(step, inPlace, destination))
                    return band(
                        recipe, step, inPlace, input.value,
                        starts: (rows.lowerBound * inFeatures, rows.lowerBound * outFeatures), weight, transposed,
                        bias.map { ($0, biasLayout) })
                })
        case .globalMean: return globalMean(step)
        case .layerNorm(let norm, let weight, let bias): return layerNorm(norm, weight, bias, step)
        case .attention(let attention, let views, let putsHeadsLast):
            return compileAttention(attention, views, putsHeadsLast, step, widenedMask)
        case .joining(let axis, let views): return joining(axis, views, step)
        case .encoding:
            guard let destination = step.quantized?.destination else { stop("program: an encoding has no destination") }
            return compileEncoding(source(of: step).value, outputShape, into: destination)
        case .plain(let operation):
            let operands = step.operands.indices.map { position -> CompiledStep.PlainOperand in
                switch step.operands[position] {
                case .value(let value):
                    .value(graph.root(of: value), shape: graph.nodes[value].shape)
                case .constant(let tensor): .constant(tensor)
                }
            }
            return .plain(operation, operands: operands, output: step.output)
        }
    }

    /// The first operand of a step that has no constant there.
    private func source(of step: FusedStep) -> (value: Int, shape: [Int]) {
        guard case .value(let value) = step.operands[0], let name = name(ofOperand: 0, of: step) else {
            stop("program: a step works on a constant alone")
        }
        return (name, graph.nodes[value].shape)
    }

    /// Brings `count` elements of a value into another type.
    func conversion(of value: Int, count: Int, from: ElementType, into target: Int, _ to: ElementType) -> CompiledStep {
        .bands(
            evenParts(of: count, bandCount).map { part in
                let (source, destination) = (
                    MemoryDescriptor(.rowMajor([part.count], from)), MemoryDescriptor(.rowMajor([part.count], to))
                )
                let primitive = Primitive(for: "a conversion of \(count) elements of \(from) to \(to)") {
                    dnnl_reorder_primitive_desc_create(
                        $0, source.handle, CPUEngine.handle, destination.handle, CPUEngine.handle, $1)
                }
                guard let primitive else { stop("oneDNN cannot convert \(from) to \(to)") }
                return CompiledStep.Band(
                    primitive: primitive,
                    arguments: [
                        (DNNL_ARG_FROM, .value(value, byteOffset: part.lowerBound * from.byteCount)),
                        (DNNL_ARG_TO, .value(target, byteOffset: part.lowerBound * to.byteCount)),
                    ])
            })
    }

    private func globalMean(_ step: FusedStep) -> CompiledStep {
        let (input, shape) = source(of: step)
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
                        (DNNL_ARG_SRC, value(input, samples.lowerBound * shape[1...].reduce(1, *))),
                        (DNNL_ARG_DST, value(step.output, samples.lowerBound * shape[3])),
                    ])
            })
    }

    private func layerNorm(_ norm: LayerNormalization, _ weight: Tensor, _ bias: Tensor, _ step: FusedStep)
        -> CompiledStep
    {
        let (input, shape) = source(of: step)
        let parameters = [weight, bias].map { $0.cast(to: .float32).contiguous() }
        return .bands(
            evenParts(of: shape[0], bandCount).map { rows in
                let recipe = PrimitiveRecipe.layerNorm(
                    epsilon: norm.epsilon, keepsStatistics: false, .rowMajor([rows.count, shape[1]], precision))
                guard let primitive = recipe.make() else { stop("oneDNN has no implementation of \(recipe)") }
                let start = rows.lowerBound * shape[1]
                return CompiledStep.Band(
                    primitive: primitive,
                    arguments: [
                        (DNNL_ARG_SRC, value(input, start)), (DNNL_ARG_DST, value(step.output, start)),
                        (DNNL_ARG_SCALE, .vector(parameters[0])), (DNNL_ARG_SHIFT, .vector(parameters[1])),
                    ])
            })
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

    private func weightType(of step: FusedStep) -> ElementType { step.quantized?.source == nil ? precision : .int8 }

    /// - Parameter starts: elements before the band's part of the input and of the output.
    private func band(
        _ recipe: PrimitiveRecipe, _ step: FusedStep, _ inPlace: Bool, _ input: Int,
        starts: (source: Int, destination: Int), _ weight: Tensor, _ weightLayout: Layout,
        _ bias: (values: Tensor, layout: Layout)?
    ) -> CompiledStep.Band {
        let scaling = step.quantized.flatMap { self.scaling(of: $0, weight, step) }
        guard let primitive = recipe.make(scaling: scaling?.descriptions ?? []) else {
            stop("oneDNN has no implementation of \(recipe)")
        }
        let packed = weights.packed(
            scaling == nil ? weight : EncodedWeights(weight, factors: step.quantized?.source?.factors).stored,
            weightLayout, type: weightType(of: step), step: key(of: step), for: primitive, DNNL_ARG_WEIGHTS)
        var arguments: [(Int32, CompiledStep.Source)] = [
            (DNNL_ARG_SRC, value(input, starts.source)), (DNNL_ARG_DST, value(step.target, starts.destination)),
            (DNNL_ARG_WEIGHTS, .constant(packed)),
        ]
        arguments += scaling?.arguments ?? []
        if let bias {
            let packed = weights.packed(
                bias.values, bias.layout, type: .float32, step: key(of: step), for: primitive, DNNL_ARG_BIAS)
            arguments.append((DNNL_ARG_BIAS, .constant(packed)))
        }
        if let residual = step.residual, !inPlace {
            let sumPosition: Int32 = step.activationBeforeSum == nil ? 0 : 1
            // The C macro DNNL_ARG_ATTR_MULTIPLE_POST_OP(n), which Swift does not see.
            let argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE * (sumPosition + 1) | DNNL_ARG_SRC_1
            arguments.append((argument, value(name(residual), starts.destination)))
        }
        return CompiledStep.Band(primitive: primitive, arguments: arguments)
    }
}
