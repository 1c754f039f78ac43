import PandoTensor

extension GraphWriter {
    mutating func layer(_ step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        switch step.operation {
        case .convolution(let window, let groups):
            try convolution(step, "Conv", window, ["group": .integer(groups)])
        case .transposedConvolution(let window, let groups): try transposedConvolution(step, window, groups)
        case .pooling(let kind, let window): try pooling(step, kind, window)
        case .linear: try linear(step)
        case .attention(let scale, let isCausal): try attention(step, scale, isCausal: isCausal)
        default:
            .inOrder(
                add("MatMul", [try name(of: step.operands[0], "left"), try name(of: step.operands[1], "right")]),
                step.shape)
        }
    }

    private func attributes(of window: TracedOperation.Window) -> [String: Attribute] {
        [
            "kernel_shape": .integers(window.kernel), "strides": .integers(window.stride),
            "dilations": .integers(window.dilation), "pads": .integers(window.paddingBefore + window.paddingAfter),
        ]
    }

    private mutating func convolution(
        _ step: BatchTrace.Step, _ type: String, _ window: TracedOperation.Window, _ extra: [String: Attribute]
    ) throws(ONNXExportError) -> ExportedValue {
        let layout = ExportedValue.channelsFirst(rank: step.shape.count)
        var inputs = [try arranged(value(of: step.operands[0]), layout).name]
        inputs.append(try name(of: step.operands[1], "weight"))
        if step.operands.count > 2 { inputs.append(try name(of: step.operands[2], "bias")) }
        let name = add(type, inputs, attributes(of: window).merging(extra) { $1 })
        return .arranged(name, step.shape, layout)
    }

    private mutating func transposedConvolution(
        _ step: BatchTrace.Step, _ window: TracedOperation.Window, _ groups: Int
    ) throws(ONNXExportError) -> ExportedValue {
        let source = try value(of: step.operands[0]).shape
        let extra = window.kernel.indices.map { axis in
            let reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1
            return step.shape[axis + 1].count
                - ((source[axis + 1].count - 1) * window.stride[axis] + reach - window.paddingBefore[axis]
                    - window.paddingAfter[axis])
        }
        return try convolution(
            step, "ConvTranspose", window, ["group": .integer(groups), "output_padding": .integers(extra)])
    }

    private mutating func pooling(
        _ step: BatchTrace.Step, _ kind: TracedOperation.Pooling, _ window: TracedOperation.Window
    ) throws(ONNXExportError) -> ExportedValue {
        let layout = ExportedValue.channelsFirst(rank: step.shape.count)
        let source = try arranged(value(of: step.operands[0]), layout)
        var attributes = attributes(of: window)
        if kind != .max {
            // Windows of averages have no gaps; operator sets before 19 do not name them.
            attributes["dilations"] = nil
            attributes["count_include_pad"] = .integer(kind == .averageCountingPadding ? 1 : 0)
        }
        let name = add(kind == .max ? "MaxPool" : "AveragePool", [source.name], attributes)
        return .arranged(name, step.shape, layout)
    }

    /// A linear map of rows, which are taken as they stand: tokens `[N, T, C]` as well as `[N, C]`.
    private mutating func linear(_ step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        let source = try rows(of: step.operands[0])
        var inputs = [source.name]
        if source.stored.count == 2, case .constant = step.operands[1] {
            inputs.append(try name(of: step.operands[1], "weight"))
            if step.operands.count > 2 { inputs.append(try name(of: step.operands[2], "bias")) }
            return .inOrder(add("Gemm", inputs, ["transB": .integer(1)]), step.shape)
        }
        switch step.operands[1] {
        case .constant(let weight): inputs.append(placed(weight, [1, 0], "weight"))
        case .value(let index):
            let weight = try settled(values[index]!)
            inputs.append(try arranged(weight, [1, 0]).name)
        }
        var name = add("MatMul", inputs)
        if step.operands.count > 2 { name = add("Add", [name, try self.name(of: step.operands[2], "bias")]) }
        var result = ExportedValue.inOrder(name, source.stored.dropLast() + [step.shape[1]])
        result.shape = step.shape
        return result
    }

    /// An operand of two axes, or what was brought to two axes if its rows are the same.
    mutating func rows(of operand: BatchTrace.Operand) throws(ONNXExportError) -> ExportedValue {
        let value = try value(of: operand)
        let hasOtherRows = value.plain.count < 2 || value.plain.last != value.shape.last
        if hasOtherRows || value.plain.filter({ $0 != .one }) == value.shape.filter({ $0 != .one }) {
            return try inOrder(value)
        }
        return rowMajor(value)
    }

    private mutating func attention(_ step: BatchTrace.Step, _ scale: Float, isCausal: Bool) throws(ONNXExportError)
        -> ExportedValue
    {
        let (query, key) = (try value(of: step.operands[0], "query"), try value(of: step.operands[1], "key"))
        guard query.shape[1] == key.shape[1] else {
            throw ONNXExportError("attention with fewer heads of keys than of queries has no equal among ONNX's operators")
        }
        let scaled = add("Mul", [try inOrder(query).name, number(scale)])
        var scores = add("MatMul", [scaled, try arranged(key, [0, 1, 3, 2]).name])
        if step.operands.count > 3 { scores = add("Add", [scores, try name(of: step.operands[3], "mask")]) }
        if isCausal {
            let (queries, keys) = (query.shape[2].count, key.shape[2].count)
            let mask = (0..<queries * keys).map { $0 % keys > $0 / keys ? -Float.infinity : 0 }
            scores = add("Add", [scores, constant(Tensor(mask, shape: [queries, keys]), "causal_mask")])
        }
        let weights = add("Softmax", [scores], ["axis": .integer(-1)])
        return .inOrder(add("MatMul", [weights, try name(of: step.operands[2], "value")]), step.shape)
    }
}

// MARK: - Norms

extension GraphWriter {
    mutating func normalization(_ step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        switch step.operation {
        case .layerNorm(let epsilon):
            var result = try rows(of: step.operands[0])
            result.name = add(
                "LayerNormalization",
                [result.name, try name(of: step.operands[1], "weight"), try name(of: step.operands[2], "bias")],
                ["axis": .integer(-1), "epsilon": .float(epsilon)])
            return result
        case .rootMeanSquareNorm(let epsilon):
            var result = try rows(of: step.operands[0])
            let squares = add("Mul", [result.name, result.name])
            let mean = reduce("ReduceMean", squares, [result.stored.count - 1])
            let root = add("Sqrt", [add("Add", [mean, number(epsilon)])])
            result.name = add(
                "Mul", [add("Div", [result.name, root]), try name(of: step.operands[1], "weight")])
            return result
        case .groupNorm(let groups, let epsilon): return try groupNorm(step, groups, epsilon)
        case .batchNorm(let epsilon):
            let layout = ExportedValue.channelsFirst(rank: step.shape.count)
            var result = try arranged(value(of: step.operands[0]), layout)
            var inputs = [result.name]
            for (place, role) in [(3, "weight"), (4, "bias"), (1, "mean"), (2, "variance")] {
                inputs.append(try name(of: step.operands[place], role))
            }
            result.name = add("BatchNormalization", inputs, ["epsilon": .float(epsilon)])
            return result
        case .softmax(let axis, let isLogarithm):
            var result = try settled(value(of: step.operands[0]))
            result.name = add(
                isLogarithm ? "LogSoftmax" : "Softmax", [result.name], ["axis": .integer(result.place(of: axis))])
            return result
        default: throw ONNXExportError("\(step.operation.name) is no norm")
        }
    }

    /// Groups of channels as instances: ONNX's own group norm came late and changed its meaning.
    private mutating func groupNorm(_ step: BatchTrace.Step, _ groups: Int, _ epsilon: Float) throws(ONNXExportError)
        -> ExportedValue
    {
        let layout = [0, 2, 1]
        let channels = step.shape[2].count
        var map = try arranged(value(of: step.operands[0]), layout)
        // [N, C, P] → [N, groups, C / groups · P], which stands row by row.
        map = .inOrder(map.name, map.stored)
        map.shape = [step.shape[0], Extent(count: groups), Extent(count: channels / groups * step.shape[1].count)]
        let source = try settled(map)
        let (ones, zeros) = (
            constant(.ones([groups]), "ones"), constant(.zeros([groups]), "zeros")
        )
        var grouped = source
        grouped.name = add("InstanceNormalization", [source.name, ones, zeros], ["epsilon": .float(epsilon)])
        grouped.shape = layout.map { step.shape[$0] }
        var name = try settled(grouped).name
        for (place, type, role) in [(1, "Mul", "weight"), (2, "Add", "bias")] {
            guard case .constant(let parameter) = step.operands[place] else {
                throw ONNXExportError("group norm with computed parameters has no equal among ONNX's operators")
            }
            name = add(type, [name, constant(parameter.tensor.reshaped(channels, 1), role)])
        }
        return .arranged(name, step.shape, layout)
    }
}
