import COneDNN

extension ProgramCompiler {
    /// The scales, and the zero point if there is one, of an argument of a primitive.
    private func scales(_ argument: Int32, _ encoding: Encoding) -> [(Int32, CompiledStep.Source)] {
        var arguments: [(Int32, CompiledStep.Source)] = [
            (DNNL_ARG_ATTR_SCALES | argument, .vector(Tensor([encoding.scale])))
        ]
        if encoding.zeroPoint != 0 {
            arguments.append((DNNL_ARG_ATTR_ZERO_POINTS | argument, .vector(Tensor([encoding.zeroPoint]))))
        }
        return arguments
    }

    private func scaling(_ argument: Int32, _ encoding: Encoding) -> ArgumentScaling {
        ArgumentScaling(argument: argument, hasZeroPoint: encoding.zeroPoint != 0)
    }

    /// Brings a value into 8 bits.
    func compileEncoding(_ source: Int, _ shape: [Int], into destination: QuantizedForm.Value) -> CompiledStep {
        // oneDNN divides by the number of rows where scales differ along them.
        guard shape.elementCount > 0 else { return .bands([]) }
        let type = type(of: source)
        let encoding = destination.encoding
        let width = destination.factors?.count ?? 1
        var scaling = scaling(DNNL_ARG_DST, encoding)
        var arguments = scales(DNNL_ARG_DST, encoding)
        if let factors = destination.factors {
            scaling.axes = 0b10
            arguments[0].1 = .vector(Tensor(factors.map { $0 * encoding.scale }))
        }
        return .bands(
            evenParts(of: shape.elementCount / width, bandCount).map { part in
                let dimensions = width == 1 ? [part.count] : [part.count, width]
                let from = MemoryDescriptor(.rowMajor(dimensions, type))
                let to = MemoryDescriptor(.rowMajor(dimensions, encoding.type))
                let primitive = Primitive(for: "a conversion of \(type) to \(encoding.type)", scaling: [scaling]) {
                    dnnl_reorder_primitive_desc_create(
                        $0, from.handle, CPUEngine.handle, to.handle, CPUEngine.handle, $1)
                }
                guard let primitive else { stop("oneDNN cannot convert \(type) to \(encoding.type)") }
                return CompiledStep.Band(
                    primitive: primitive,
                    arguments: [
                        (DNNL_ARG_FROM, value(source, part.lowerBound * width)),
                        (DNNL_ARG_TO, value(destination.value, part.lowerBound * width)),
                    ] + arguments)
            })
    }

    /// What a step's primitives are to be told of scales, and the scales; `nil` for a step that reads floating-point
    /// numbers.
    func scaling(of form: QuantizedForm, _ weight: Tensor, _ step: FusedStep) -> Scaling? {
        guard let source = form.source else { return nil }
        // Scales differ along the output channels of oneDNN's weights: [O, I, h, w], [G, O / G, I, h, w] or [in, out].
        let axes: Int32
        switch step.work {
        case .convolution(let convolution, _, _): axes = convolution.groups == 1 ? 0b01 : 0b11
        case .linear, .globalMean, .layerNorm, .attention, .joining, .encoding, .plain: axes = 0b10
        }
        let channelScales = weights.channelScales(step: key(of: step)) {
            EncodedWeights(weight, factors: source.factors).scales
        }
        var descriptions = [
            scaling(DNNL_ARG_SRC, source.encoding), ArgumentScaling(argument: DNNL_ARG_WEIGHTS, axes: axes),
        ]
        var arguments = scales(DNNL_ARG_SRC, source.encoding)
        arguments.append((DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, .vector(channelScales)))
        if let destination = form.destination {
            descriptions.append(scaling(DNNL_ARG_DST, destination.encoding))
            arguments += scales(DNNL_ARG_DST, destination.encoding)
        }
        return Scaling(descriptions: descriptions, arguments: arguments)
    }

    struct Scaling {
        let descriptions: [ArgumentScaling]
        let arguments: [(Int32, CompiledStep.Source)]
    }
}
