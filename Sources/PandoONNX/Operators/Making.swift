import PandoTensor

extension OperatorTable {
    /// Constants, ranges, casts.
    static let making: [String: OperatorImplementation] = [
        "Constant": { call in
            if let value = try call.node.tensor("value") { return [value] }
            if let number = try call.node.float("value_float") { return [ONNXValue(Tensor(number))] }
            if let numbers = try call.node.floats("value_floats") { return [ONNXValue(Tensor(numbers))] }
            if let number = try call.node.integer("value_int") { return [ONNXValue(Tensor(Int64(number)), .integer)] }
            if let numbers = try call.node.integers("value_ints") { return [ONNXValue(numbers)] }
            throw call.fault("the node has no value of numbers or truth values", .unsupported)
        },
        "ConstantOfShape": { call in
            let shape = try call.integers(0)
            try call.expectRoom(shape)
            let value = try call.node.tensor("value") ?? ONNXValue(Tensor([Float(0)]))
            try call.expect(value.stored.elementCount == 1, "the value has shape \(value.shape), expected one element")
            return [ONNXValue(value.stored.shaped([]).broadcast(to: shape).contiguous(), value.kind)]
        },
        "Range": { call in
            let values = try (0..<3).map { try call.value($0) }
            for value in values {
                try call.expectKnown(value)
                try call.expect(value.stored.elementCount == 1, "an input has shape \(value.shape), expected one number")
            }
            if values.allSatisfy({ $0.kind == .integer }) {
                let bounds = try (0..<3).map { try call.integers($0)[0] }
                let (span, overflow) = bounds[1].subtractingReportingOverflow(bounds[0])
                try call.expect(bounds[2] != 0 && !overflow && span != .min, "a range of \(bounds) has no end")
                let step = bounds[2]
                // No step, if it leads away from the end; else as many as begin before it.
                let count =
                    span.signum() == step.signum()
                    ? span.quotientAndRemainder(dividingBy: step).quotient + (span % step == 0 ? 0 : 1) : 0
                try call.expectRoom([count])
                return [ONNXValue((0..<count).map { bounds[0] + $0 * step })]
            }
            let numbers = values.map { $0.stored.cast(to: .float32).shaped([]).scalar() }
            let count = ((numbers[1] - numbers[0]) / numbers[2]).rounded(.up)
            try call.expect(count.isFinite && count < Float(OperatorCall.elementLimit), "a range of \(numbers) has no end")
            return [ONNXValue(Tensor((0..<max(Int(count), 0)).map { numbers[0] + Float($0) * numbers[2] }))]
        },
        "Cast": { call in
            guard let number = try call.node.integer("to") else { throw call.fault("the type to cast to is missing", .graph) }
            guard let type = ONNXElementType(rawValue: number), type.kind != nil else {
                throw call.fault("element type \(number) is not computed with", .unsupported)
            }
            return [converted(try call.value(0), to: type)]
        },
        "CastLike": { call in
            let value = try call.value(0)
            switch try call.value(1).kind {
            case .float: return [converted(value, to: .float)]
            case .integer: return [converted(value, to: .int64)]
            case .bool: return [converted(value, to: .bool)]
            }
        },
        "EyeLike": { call in
            let shape = try call.value(0).shape
            try call.expect(shape.count == 2, "shape \(shape) is no matrix")
            let offset = try call.node.integer("k", default: 0)
            let values = (0..<shape[0] * shape[1]).map { place in
                place % shape[1] - place / shape[1] == offset ? Float(1) : 0
            }
            let type = ONNXElementType(rawValue: try call.node.integer("dtype", default: 1)) ?? .float
            return [converted(ONNXValue(Tensor(values, shape: shape)), to: type)]
        },
        "OneHot": { call in
            let (indices, depths, values) = (try call.value(0), try call.value(1), try call.value(2))
            for value in [depths, values] { try call.expectKnown(value) }
            try call.expect(
                depths.stored.elementCount == 1 && values.stored.elementCount == 2,
                "the depth has shape \(depths.shape), the two values \(values.shape)")
            let number = depths.stored.cast(to: .float32).shaped([]).scalar()
            try call.expect(number >= 1 && number < 0x1p30, "a depth of \(number), expected at least 1")
            let (depth, given) = (Int(number), try call.node.integer("axis", default: -1))
            let axis = try call.axis(given, rank: indices.rank + 1)
            var shape = indices.shape
            shape.insert(depth, at: axis)
            try call.expectRoom(shape)
            let raw = indices.numeric.tensor.cast(to: .float32)
            // Negative indices count from the end.
            let counted = (raw + Float(depth)).selected(where: raw .< 0, otherwise: raw)
            let places = Tensor((0..<depth).map(Float.init), shape: [depth] + Array(repeating: 1, count: indices.rank - axis))
            let hits = counted.expanded(at: axis) .== places
            let pair = values.tensor.shaped([2])
            return [
                ONNXValue(
                    chosen([hits, pair.slice(1..<2).shaped([]), pair.slice(0..<1).shaped([])]), values.kind)
            ]
        },
    ]

    /// The value as another type computes it: small floats lose digits, small integers wrap around.
    static func converted(_ value: ONNXValue, to type: ONNXElementType) -> ONNXValue {
        switch type {
        case .float, .double: return value.asFloats
        // A program chooses its own precision.
        case .float16 where value.isTraced, .bfloat16 where value.isTraced: return value.asFloats
        case .float16: return value.with(value.stored.cast(to: .float32).cast(to: .float16).cast(to: .float32), .float)
        case .bfloat16: return value.with(value.stored.cast(to: .float32).cast(to: .bfloat16).cast(to: .float32), .float)
        case .bool: return value.kind == .bool ? value : value.with(value.numbers .!= 0, .bool)
        default: break
        }
        if value.isTraced {
            // An input of whole numbers stays as it is: rows can be looked up by it.
            if value.kind == .integer { return value }
            return value.with(value.stored.cast(to: .float32).cast(to: .int64).cast(to: .float32), .integer)
        }
        let whole = value.with(value.stored.cast(to: .int64), .integer)
        guard let range = type.range, range != ONNXElementType.int64.range, type != .uint64 else { return whole }
        let width = range.upperBound - range.lowerBound + 1
        let wrapped = whole.stored.scalars(as: Int64.self).map { number -> Int64 in
            if range.contains(number) { return number }
            let rest = (number &- range.lowerBound) % width
            return range.lowerBound + (rest < 0 ? rest + width : rest)
        }
        return whole.with(Tensor(wrapped, shape: whole.stored.shape))
    }
}
