// Steps that read values through views of them.

extension ProgramCompiler {
    func compileAttention(
        _ attention: Attention, _ views: [StridedView?], _ putsHeadsLast: Bool, _ step: FusedStep, _ widenedMask: Int?
    ) -> CompiledStep {
        let (operands, places) = operands(of: step, views, widenedMask)
        let shape = graph.nodes[step.origin].shape  // [B, heads, N, E]
        var output = Layout.rowMajor(shape, precision)
        if putsHeadsLast {
            let strides = [shape[0], shape[2], shape[1], shape[3]].rowMajorStrides
            output.strides = [strides[0], strides[2], strides[1], strides[3]]
        }
        let kernel = AttentionKernel(attention, operands, output: output)
        return .attention(
            evenParts(of: kernel.unitCount, bandCount).map { units in
                CompiledStep.AttentionPart(
                    kernel: kernel, units: units, query: places[0], key: places[1], value: places[2],
                    output: value(step.output, 0), mask: places.count > 3 ? places[3] : nil)
            })
    }

    /// How an attention's operands stand in memory, and where.
    private func operands(of step: FusedStep, _ views: [StridedView?], _ widenedMask: Int?) -> (
        [Layout], [CompiledStep.Source]
    ) {
        var layouts: [Layout] = []
        var places: [CompiledStep.Source] = []
        for (position, view) in views.enumerated() {
            let isMask = position == 3
            if let view, let name = name(ofOperand: position, of: step) {
                let type = isMask ? ElementType.float32 : precision
                layouts.append(Layout(view.shape, strides: view.strides, type))
                places.append(
                    .value(isMask ? widenedMask ?? name : name, byteOffset: view.offset * type.byteCount))
            } else if case .constant(let tensor) = step.operands[position] {
                let values = tensor.cast(to: isMask ? .float32 : precision).contiguous()
                layouts.append(values.layout)
                places.append(.vector(values))
            }
        }
        return (layouts, places)
    }

    /// Values, seen as their views say, one after another along an axis.
    func joining(_ axis: Int, _ views: [StridedView?], _ step: FusedStep) -> CompiledStep {
        let strides = graph.nodes[step.output].shape.rowMajorStrides
        var start = 0
        var copies: [CompiledStep.Copy] = []
        for (position, view) in views.enumerated() {
            let destination = value(step.output, start * strides[axis])
            if let view, let name = name(ofOperand: position, of: step) {
                copies.append(
                    CompiledStep.Copy(
                        source: value(name, view.offset), destination: destination, shape: view.shape,
                        sourceStrides: view.strides, destinationStrides: strides))
                start += view.shape[axis]
            } else if case .constant(let tensor) = step.operands[position] {
                let values = tensor.cast(to: precision).contiguous()
                copies.append(
                    CompiledStep.Copy(
                        source: .vector(values), destination: destination, shape: values.shape,
                        sourceStrides: values.strides, destinationStrides: strides))
                start += values.shape[axis]
            }
        }
        return .copies(copies)
    }
}
