import PandoTensor

extension OperatorTable {
    /// Operators that pick elements by their places, or put them there.
    static let indexing: [String: OperatorImplementation] = [
        "Gather": { call in try gather(call) },
        "GatherElements": { call in
            let (value, indices) = (try call.value(0).viewable, try call.value(1))
            let axis = try call.axis(call.node.integer("axis", default: 0), rank: value.rank)
            let (shape, wanted) = (value.shape, indices.shape)
            try call.expect(
                wanted.count == shape.count && shape.indices.allSatisfy { $0 == axis || wanted[$0] <= shape[$0] },
                "indices of shape \(wanted) do not fit \(shape) along axis \(axis)")
            let places = try call.places(indices, below: shape[axis])
            return [ONNXValue(value.tensor.elements(at: places, along: axis), value.kind)]
        },
        "GatherND": { call in
            let (value, indices) = (try call.value(0).viewable, try call.value(1))
            let batch = try call.node.integer("batch_dims", default: 0)
            let (shape, wanted) = (value.shape, indices.shape)
            let depth = wanted.last ?? 0
            try call.expect(
                batch >= 0 && batch < wanted.count && batch < max(shape.count, 1) && depth > 0
                    && batch + depth <= shape.count && shape[..<batch] == wanted[..<batch],
                "indices of shape \(wanted) do not fit \(shape) with \(batch) batch axes")
            let rest = Array(shape[(batch + depth)...])
            let rows = try call.flatPlaces(indices, shape, batch: batch)
            let (blocks, named) = (shape[..<batch].reduce(1, *), shape[batch..<batch + depth].reduce(1, *))
            let places = zip(rows.indices, rows).map { row, place in
                Int64(row / max(rows.count / max(blocks, 1), 1) * named + place)
            }
            let table = value.tensor.reshaped([blocks * named] + rest)
            return [
                ONNXValue(
                    table.gathered(at: Tensor(places)).reshaped(Array(wanted.dropLast()) + rest), value.kind)
            ]
        },
        "ScatterND": { call in
            let (value, indices, updates) = (try call.value(0), try call.value(1), try call.value(2))
            let (shape, wanted) = (value.shape, indices.shape)
            let depth = wanted.last ?? 0
            try call.expect(
                !wanted.isEmpty && (1...max(shape.count, 1)).contains(depth) && depth <= shape.count
                    && updates.shape == wanted.dropLast() + shape[depth...],
                "indices \(wanted) and updates \(updates.shape) do not fit \(shape)")
            let width = shape[depth...].reduce(1, *)
            let places = try call.flatPlaces(indices, shape, batch: 0).flatMap { place in
                (0..<width).map { place * width + $0 }
            }
            return [try scattered(call, value, places, updates)]
        },
        "ScatterElements": { call in
            let (value, indices, updates) = (try call.value(0), try call.value(1), try call.value(2))
            let axis = try call.axis(call.node.integer("axis", default: 0), rank: value.rank)
            let (shape, wanted) = (value.shape, indices.shape)
            try call.expect(
                wanted.count == shape.count && updates.shape == wanted
                    && shape.indices.allSatisfy { $0 == axis || wanted[$0] <= shape[$0] },
                "indices \(wanted) and updates \(updates.shape) do not fit \(shape) along axis \(axis)")
            let rows = try call.places(indices, below: shape[axis])
            try call.expectKnown(indices)
            let (strides, own) = (rowMajorStrides(shape), rowMajorStrides(wanted))
            let places = rows.scalars(as: Int64.self).enumerated().map { position, row in
                shape.indices.reduce(0) { place, other in
                    place + strides[other] * (other == axis ? Int(row) : position / own[other] % wanted[other])
                }
            }
            return [try scattered(call, value, places, updates)]
        },
        "TopK": { call in
            let value = try call.value(0)
            try call.expectKnown(value)
            let axis = try call.axis(call.node.integer("axis", default: -1), rank: value.rank)
            guard let count = try call.integers(1).first, (0...value.shape[axis]).contains(count) else {
                throw call.fault("more elements are asked for than \(value.shape) has along axis \(axis)")
            }
            let (values, indices) = value.tensor.topK(
                count, along: axis, largest: try call.node.flag("largest", default: true))
            return [ONNXValue(values, value.kind), ONNXValue(indices, .integer)]
        },
        "NonZero": { call in
            let value = try call.value(0)
            try call.expectKnown(value)
            let (shape, strides) = (value.shape, rowMajorStrides(value.shape))
            let places = value.tensor.cast(to: .bool).scalars(as: Bool.self).enumerated().filter(\.element).map(\.offset)
            let rows = shape.indices.flatMap { axis in places.map { Int64($0 / strides[axis] % shape[axis]) } }
            return [ONNXValue(Tensor(rows, shape: [shape.count, places.count]), .integer)]
        },
        "CumSum": { call in
            let value = try call.value(0).numeric
            guard let given = try call.integers(1).first else { throw call.fault("the axis is missing", .graph) }
            let axis = try call.axis(given, rank: value.rank)
            let isBackwards = try call.node.flag("reverse")
            var tensor = value.tensor.cast(to: .float32)
            if isBackwards { tensor = tensor.flipped(along: [axis]) }
            if try call.node.flag("exclusive"), value.shape[axis] > 0 {
                var before = value.shape.map { _ in 0 }
                before[axis] = 1
                tensor = tensor.padded(before: before, after: value.shape.map { _ in 0 })
                    .slice(0..<value.shape[axis], along: axis)
            }
            tensor = tensor.cumulativeSum(along: axis)
            if isBackwards { tensor = tensor.flipped(along: [axis]) }
            return [value.kind == .integer ? ONNXValue(tensor).asIntegers : ONNXValue(tensor)]
        },
        "ReverseSequence": { call in
            let value = try call.value(0)
            let lengths = try call.integers(1)
            let (batch, time) = (
                try call.axis(call.node.integer("batch_axis", default: 1), rank: value.rank),
                try call.axis(call.node.integer("time_axis", default: 0), rank: value.rank)
            )
            try call.expect(
                batch + time == 1 && lengths.count == value.shape[batch]
                    && lengths.allSatisfy { (0...value.shape[time]).contains($0) },
                "lengths \(lengths) do not fit \(value.shape)")
            let (count, steps) = (value.shape[batch], value.shape[time])
            let places = (0..<value.shape[0] * value.shape[1]).map { place -> Int64 in
                let (row, column) = (place / value.shape[1], place % value.shape[1])
                let (sequence, step) = batch == 0 ? (row, column) : (column, row)
                let source = step < lengths[sequence] ? lengths[sequence] - 1 - step : step
                return Int64(batch == 0 ? sequence * steps + source : source * count + sequence)
            }
            let rows = value.viewable.tensor.reshaped([value.shape[0] * value.shape[1]] + value.shape[2...])
            return [ONNXValue(rows.gathered(at: Tensor(places)).reshaped(value.shape), value.kind)]
        },
    ]

    private static func gather(_ call: OperatorCall) throws -> [ONNXValue] {
        let (value, indices) = (try call.value(0).viewable, try call.value(1))
        try call.expect(indices.kind == .integer, "the indices hold \(indices.kind.name), expected whole numbers")
        let axis = try call.axis(call.node.integer("axis", default: 0), rank: value.rank)
        var shape = value.shape
        shape.replaceSubrange(axis...axis, with: indices.shape)
        try call.expectRoom(shape)
        if !indices.isTraced, indices.rank == 0 {
            // One row: a view.
            let place = try call.places(indices, below: value.shape[axis]).scalar(as: Int64.self)
            let compact = value.compact
            let row = compact.with(compact.stored.slice(Int(place)..<Int(place) + 1, along: compact.place(of: axis)))
            return [row.squeezed([axis])]
        }
        let places = try call.places(indices, below: value.shape[axis])
        return [ONNXValue(value.tensor.gathered(at: places, along: axis), value.kind)]
    }

    /// `value` with the elements of `updates` at `places`, counted row by row.
    private static func scattered(
        _ call: OperatorCall, _ value: ONNXValue, _ places: [Int], _ updates: ONNXValue
    ) throws -> ONNXValue {
        try call.expect(value.kind == updates.kind, "\(updates.kind.name) are put among \(value.kind.name)")
        let (target, source) = (value.viewable.tensor.reshaped(-1), updates.viewable.tensor.reshaped(-1))
        let reduction = try call.node.string("reduction", default: "none")
        if reduction == "none" {
            // Each place takes its own element or the update that comes last: one look-up in both.
            var sources = (0..<target.elementCount).map(Int64.init)
            for (position, place) in places.enumerated() { sources[place] = Int64(target.elementCount + position) }
            var parts = [target, source]
            if target.elementType != source.elementType { parts = parts.map { $0.cast(to: .float32) } }
            let result = Tensor.concatenated(parts).gathered(at: Tensor(sources))
            return ONNXValue(result.reshaped(value.shape), value.kind)
        }
        guard value.kind == .float else { throw call.fault("reduction \(reduction) of \(value.kind.name)", .unsupported) }
        if reduction == "add" {
            let sum = target.scatterAdded(source, at: Tensor(places.map(Int64.init)), along: 0)
            return ONNXValue(sum.reshaped(value.shape))
        }
        for part in [value, updates] { try call.expectKnown(part) }
        var numbers = target.scalars()
        for (place, update) in zip(places, source.scalars()) {
            switch reduction {
            case "mul": numbers[place] *= update
            case "max": numbers[place] = max(numbers[place], update)
            case "min": numbers[place] = min(numbers[place], update)
            default: throw call.fault("reduction \"\(reduction)\" is not known", .graph)
            }
        }
        return ONNXValue(Tensor(numbers, shape: value.shape))
    }

    private static func rowMajorStrides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1) }
        return strides
    }
}

extension OperatorCall {
    /// Indices as places below `count`; negative ones count from the end. What depends on the model's inputs is taken
    /// as it is.
    func places(_ indices: ONNXValue, below count: Int) throws -> Tensor {
        try expect(indices.kind == .integer, "the indices hold \(indices.kind.name), expected whole numbers")
        if indices.isTraced {
            return indices.stored.elementType.isFloatingPoint ? indices.tensor.cast(to: .int64) : indices.tensor
        }
        let tensor = indices.tensor
        let places = tensor.scalars(as: Int64.self).map { $0 < 0 ? $0 &+ Int64(count) : $0 }
        for place in places where !(0..<Int64(count)).contains(place) {
            throw fault("index \(place) is outside of 0..<\(count)")
        }
        return Tensor(places, shape: tensor.shape)
    }

    /// Tuples of indices along the last axis, as places among the axes of `shape` that they name, row by row.
    func flatPlaces(_ indices: ONNXValue, _ shape: [Int], batch: Int) throws -> [Int] {
        try expect(indices.kind == .integer, "the indices hold \(indices.kind.name), expected whole numbers")
        try expectKnown(indices)
        let depth = indices.shape[indices.rank - 1]
        let numbers = indices.tensor.scalars(as: Int64.self)
        return try stride(from: 0, to: numbers.count, by: max(depth, 1)).map { start in
            try (0..<depth).reduce(0) { place, position in
                let size = shape[batch + position]
                let given = Int(numbers[start + position])
                let index = given < 0 ? given &+ size : given
                try expect((0..<size).contains(index), "index \(given) is outside of axis \(batch + position) of \(shape)")
                return place * size + index
            }
        }
    }
}
