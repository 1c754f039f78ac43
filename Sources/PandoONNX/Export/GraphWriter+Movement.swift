import PandoTensor

extension GraphWriter {
    mutating func reduction(_ step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        switch step.operation {
        case .reduction(let kind, let axes):
            let source = try settled(value(of: step.operands[0]))
            let places = axes.map { source.place(of: $0) }.sorted()
            let name: String
            if kind == .mean, source.layout == ExportedValue.channelsFirst(rank: 4), places == [2, 3] {
                name = add("GlobalAveragePool", [source.name])
            } else {
                name = reduce(kind.operator, source.name, places)
            }
            return .arranged(name, step.shape, source.layout)
        case .rowReduction(let kind):
            let source = try settled(value(of: step.operands[0]))
            let place = source.place(of: source.shape.count - 1)
            // The axis stays with one element until the value is reshaped.
            var result = source
            result.stored[place] = .one
            result.shape = step.shape
            result.name = reduceRows(kind, source, place)
            switch kind {
            case .any, .all: return cast(result, to: .bool)
            case .norm, .product: return result
            }
        default: throw ONNXExportError("\(step.operation.name) is no reduction")
        }
    }

    /// A reduction over axes as they stand in the file; they stay with size 1.
    mutating func reduce(_ type: String, _ name: String, _ axes: [Int]) -> String {
        // Operator set 18 made the axes an input, for sums it was one already.
        if type == "ReduceSum" || operatorSet >= 18 { return add(type, [name, integers(axes, "axes")]) }
        return add(type, [name], ["axes": .integers(axes)])
    }

    private mutating func reduceRows(
        _ kind: TracedOperation.RowReduction, _ source: ExportedValue, _ place: Int
    ) -> String {
        switch kind {
        case .norm(2):
            let squares = add("Mul", [source.name, source.name])
            return add("Sqrt", [reduce("ReduceSum", squares, [place])])
        case .norm(let order):
            let powers = add("Pow", [add("Abs", [source.name]), number(order)])
            return add("Pow", [reduce("ReduceSum", powers, [place]), number(1 / order)])
        case .product: return reduce("ReduceProd", source.name, [place])
        case .any:
            let isTrue = cast(cast(source, to: .bool), to: .float32)
            return reduce("ReduceMax", isTrue.name, [place])
        case .all:
            let isTrue = cast(cast(source, to: .bool), to: .float32)
            return reduce("ReduceMin", isTrue.name, [place])
        }
    }
}

extension TracedOperation.Reduction {
    fileprivate var `operator`: String {
        switch self {
        case .sum: "ReduceSum"
        case .mean: "ReduceMean"
        case .max: "ReduceMax"
        case .min: "ReduceMin"
        }
    }
}

// MARK: - Other places for the same elements

extension GraphWriter {
    mutating func movement(_ step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        var source = try value(of: step.operands[0])
        switch step.operation {
        case .copy: return source
        case .reshape:
            source.shape = step.shape
            return source
        case .permute(let axes):
            let settled = try settled(source)
            // Axis `axes[i]` becomes axis `i`, and stands where it stood.
            let layout = settled.layout.map { axes.firstIndex(of: $0)! }
            return .arranged(settled.name, step.shape, layout, settled.type)
        case .broadcast:
            return .inOrder(add("Expand", [try inOrder(source).name, sizes(step.shape)]), step.shape, source.type)
        case .slice(let axis, let range, let stride): return try sliced(step, source, axis, range, stride)
        case .concatenate(let axis): return try concatenated(step, axis)
        case .gather(let axis): return try gathered(step, source, axis)
        case .gatherElements(let axis):
            guard case .constant = step.operands[1] else { throw computedPlaces("gather") }
            let names = [try inOrder(source).name, try name(of: step.operands[1], "indices")]
            return .inOrder(add("GatherElements", names, ["axis": .integer(axis)]), step.shape, source.type)
        case .pad(let before, let after, let value):
            let settled = try settled(source)
            let pads = settled.layout.map { before[$0] } + settled.layout.map { after[$0] }
            let name = add("Pad", [settled.name, integers(pads, "pads"), number(value)])
            return .arranged(name, step.shape, settled.layout)
        case .flip(let axes):
            let settled = try settled(source)
            let places = axes.map { settled.place(of: $0) }
            func all(_ number: Int) -> [Int] { [Int](repeating: number, count: places.count) }
            let name = add(
                "Slice",
                [
                    settled.name, integers(all(-1), "starts"), integers(all(Int.min), "ends"),
                    integers(places, "axes"), integers(all(-1), "steps"),
                ])
            return .arranged(name, step.shape, settled.layout, source.type)
        case .resample(let axis, let matrix): return try resampled(step, source, axis, matrix)
        default: throw ONNXExportError("\(step.operation.name) does not move elements")
        }
    }

    private func computedPlaces(_ operation: String) -> ONNXExportError {
        ONNXExportError("\(operation) at places that are computed has no equal in an exported model")
    }

    private mutating func sliced(
        _ step: BatchTrace.Step, _ source: ExportedValue, _ axis: Int, _ range: Range<Int>, _ stride: Int
    ) throws(ONNXExportError) -> ExportedValue {
        if source.shape == step.shape, range.lowerBound == 0, stride == 1 { return source }
        guard range.upperBound < Int.max else {
            throw ONNXExportError("a slice depends on the batch size; export it for a batch of one size")
        }
        let settled = try settled(source)
        var inputs = [settled.name]
        for (number, role) in [
            (range.lowerBound, "starts"), (range.upperBound, "ends"), (settled.place(of: axis), "axes"), (stride, "steps"),
        ] where role != "steps" || stride != 1 { inputs.append(integers([number], role)) }
        return .arranged(add("Slice", inputs), step.shape, settled.layout, source.type)
    }

    private mutating func concatenated(_ step: BatchTrace.Step, _ axis: Int) throws(ONNXExportError) -> ExportedValue {
        var layout: [Int]?
        var type = ElementType.float32
        for case .value(let index) in step.operands where layout == nil {
            layout = try settled(values[index]!).layout
            type = values[index]!.type
        }
        let order = layout ?? Array(step.shape.indices)
        var names: [String] = []
        for operand in step.operands {
            switch operand {
            case .value(let index): names.append(try arranged(values[index]!, order).name)
            case .constant(let constant): names.append(placed(constant, order, "constant"))
            }
        }
        let place = order.firstIndex(of: axis)!
        return .arranged(add("Concat", names, ["axis": .integer(place)]), step.shape, order, type)
    }

    private mutating func gathered(_ step: BatchTrace.Step, _ source: ExportedValue, _ axis: Int)
        throws(ONNXExportError) -> ExportedValue
    {
        guard case .constant(let constant) = step.operands[1], constant.repeatedAxes.isEmpty else {
            throw computedPlaces("gather")
        }
        let indices = constant.tensor.cast(to: .int64)
        // A vector of indices leaves the number of axes as it was.
        let settled = indices.rank == 1 ? try settled(source) : try inOrder(source)
        let name = add(
            "Gather", [settled.name, self.constant(indices, "indices")], ["axis": .integer(settled.place(of: axis))])
        let layout = indices.rank == 1 ? settled.layout : Array(step.shape.indices)
        return .arranged(name, step.shape, layout, source.type)
    }

    /// A product with the weights along the last axis; the nearest pixels are only picked.
    private mutating func resampled(
        _ step: BatchTrace.Step, _ source: ExportedValue, _ axis: Int, _ matrix: [Float]
    ) throws(ONNXExportError) -> ExportedValue {
        let (outputs, inputs) = (step.shape[axis].count, source.shape[axis].count)
        let picked = (0..<outputs).compactMap { row -> Int64? in
            let weights = matrix[row * inputs..<(row + 1) * inputs]
            guard let place = weights.firstIndex(of: 1), weights.allSatisfy({ $0 == 0 || $0 == 1 }),
                weights.reduce(0, +) == 1
            else { return nil }
            return Int64(place - row * inputs)
        }
        let settled = try settled(source)
        if picked.count == outputs {
            let name = add(
                "Gather", [settled.name, constant(Tensor(picked), "indices")],
                ["axis": .integer(settled.place(of: axis))])
            return .arranged(name, step.shape, settled.layout)
        }
        let layout = settled.layout.filter { $0 != axis } + [axis]
        let weights = Tensor(matrix, shape: [outputs, inputs]).transposed
        let name = add("MatMul", [try arranged(settled, layout).name, constant(weights, "resampling")])
        return .arranged(name, step.shape, layout)
    }
}
