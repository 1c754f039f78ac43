import PandoTensor

extension OperatorTable {
    /// Operators that look at values in another way, cut and join them.
    static let shapes: [String: OperatorImplementation] = [
        "Shape": { call in
            let shape = try call.value(0).shape
            func bound(_ name: String, _ missing: Int) throws -> Int {
                let place = try call.node.integer(name, default: missing)
                return min(max(place < 0 ? place + shape.count : place, 0), shape.count)
            }
            let (start, end) = (try bound("start", 0), try bound("end", shape.count))
            return [ONNXValue(start < end ? Array(shape[start..<end]) : [])]
        },
        "Size": { call in
            [ONNXValue(Tensor(Int64(try call.value(0).shape.reduce(1, *))), .integer)]
        },
        "Reshape": { call in
            let value = try call.value(0).viewable
            return [value.reshaped(try target(call, of: value.shape, call.integers(1)))]
        },
        "Flatten": { call in
            let value = try call.value(0).viewable
            let given = try call.node.integer("axis", default: 1)
            let axis = given < 0 ? given + value.rank : given
            try call.expect((0...value.rank).contains(axis), "axis \(given) does not exist in shape \(value.shape)")
            return [value.reshaped([value.shape[..<axis].reduce(1, *), value.shape[axis...].reduce(1, *)])]
        },
        "Transpose": { call in
            let value = try call.value(0).viewable
            let order = try call.node.integers("perm") ?? Array((0..<value.rank).reversed())
            try call.expect(
                order.sorted() == Array(0..<value.rank), "perm \(order) is no order of the axes of shape \(value.shape)")
            return [value.transposed(order)]
        },
        "Squeeze": { call in
            let value = try call.value(0).viewable
            let given = try call.optionalIntegers(1) ?? call.node.integers("axes")
            let axes = try given.map { try call.axes($0, rank: value.rank) }
                ?? value.shape.indices.filter { value.shape[$0] == 1 }
            try call.expect(
                axes.allSatisfy { value.shape[$0] == 1 }, "axes \(axes) of shape \(value.shape) do not all have size 1")
            return [value.squeezed(Set(axes))]
        },
        "Unsqueeze": { call in
            let value = try call.value(0).viewable
            guard let given = try call.optionalIntegers(1) ?? call.node.integers("axes") else {
                throw call.fault("axes are missing", .graph)
            }
            return [value.unsqueezed(at: try call.axes(given, rank: value.rank + given.count).sorted())]
        },
        "Concat": { call in
            let values = try call.inputs.indices.map { try call.value($0).viewable }
            guard let first = values.first, let axis = try call.node.integer("axis") else {
                throw call.fault("inputs or the axis are missing", .graph)
            }
            return [try joined(call, values, along: call.axis(axis, rank: first.rank))]
        },
        "Split": { call in
            let value = try call.value(0).viewable
            let axis = try call.axis(call.node.integer("axis", default: 0), rank: value.rank)
            let size = value.shape[axis]
            var sizes = try call.optionalIntegers(1) ?? call.node.integers("split") ?? []
            if sizes.isEmpty {
                let count = try call.node.integer("num_outputs", default: call.node.outputs.count)
                try call.expect((1...max(size, 1)).contains(count), "\(size) elements do not make \(count) parts")
                let part = (size + count - 1) / count
                sizes = (0..<count).map { min(part, max(size - $0 * part, 0)) }
            }
            try call.expect(
                sizes.allSatisfy { (0...size).contains($0) } && sizes.reduce(0, +) == size,
                "parts of \(sizes) do not make up axis \(axis) of shape \(value.shape)")
            let compact = value.compact
            var start = 0
            return sizes.map { part in
                defer { start += part }
                return compact.with(compact.stored.slice(start..<start + part, along: compact.place(of: axis)))
            }
        },
        "Expand": { call in
            let value = try call.value(0).viewable
            guard let shape = ONNXValue.broadcastShape([value.shape, try call.integers(1)]) else {
                throw call.fault("shape \(value.shape) does not stretch to \(try call.integers(1))")
            }
            try call.expectRoom(shape)
            if shape == value.shape { return [value] }
            return [ONNXValue(value.tensor.broadcast(to: shape), value.kind)]
        },
        "Tile": { call in
            let value = try call.value(0).viewable
            let counts = try call.integers(1)
            try call.expect(
                counts.count == value.rank && counts.allSatisfy { $0 >= 0 },
                "repeats \(counts) for shape \(value.shape), expected one for each axis, none negative")
            for (count, size) in zip(counts, value.shape) { try call.expectRoom([count, size]) }
            try call.expectRoom(zip(counts, value.shape).map { $0 * $1 })
            if counts.allSatisfy({ $0 == 1 }) { return [value] }
            return [ONNXValue(value.tensor.repeated(counts), value.kind)]
        },
        "Slice": { call in try slice(call) },
        "Pad": { call in try pad(call) },
        "DepthToSpace": { call in
            let value = try call.floats(0)
            let block = try call.node.integer("blocksize", default: 0)
            try call.expect(
                value.rank == 4 && block > 0 && block < 1 << 16 && value.shape[1] % (block * block) == 0,
                "blocks of \(block) do not divide the channels of \(value.shape)")
            let (n, c, h, w) = (value.shape[0], value.shape[1] / (block * block), value.shape[2], value.shape[3])
            let isColumnFirst = try call.node.string("mode", default: "DCR") == "DCR"
            let split = value.reshaped(isColumnFirst ? [n, block, block, c, h, w] : [n, c, block, block, h, w])
            return [
                split.transposed(isColumnFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3])
                    .reshaped([n, c, h * block, w * block])
            ]
        },
        "SpaceToDepth": { call in
            let value = try call.floats(0)
            let block = try call.node.integer("blocksize", default: 0)
            try call.expect(
                value.rank == 4 && block > 0 && block < 1 << 16 && value.shape[2] % block == 0 && value.shape[3] % block == 0,
                "blocks of \(block) do not divide \(value.shape)")
            let (n, c, h, w) = (value.shape[0], value.shape[1], value.shape[2] / block, value.shape[3] / block)
            let isColumnFirst = try call.node.string("mode", default: "DCR") == "DCR"
            return [
                value.reshaped([n, c, h, block, w, block])
                    .transposed(isColumnFirst ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4])
                    .reshaped([n, c * block * block, h, w])
            ]
        },
        "Trilu": { call in
            let value = try call.value(0)
            try call.expect(value.rank >= 2, "shape \(value.shape) is no matrix")
            let (rows, columns) = (value.shape[value.rank - 2], value.shape[value.rank - 1])
            let given = try call.optionalIntegers(1)?.first ?? 0
            let offset = min(max(given, -rows), columns)
            let isUpper = try call.node.flag("upper", default: true)
            let kept = (0..<rows * columns).map { place in
                isUpper ? place % columns - place / columns >= offset : place % columns - place / columns <= offset
            }
            let zero = value.kind == .float ? Tensor(Float(0)) : value.kind == .bool ? Tensor(false) : Tensor(Int64(0))
            return [
                ONNXValue(chosen([Tensor(kept, shape: [rows, columns]), value.numeric.tensor, zero]), value.kind)
            ]
        },
    ]

    /// The shape that `Reshape` asks for, with the places of 0 and -1 filled in.
    private static func target(_ call: OperatorCall, of shape: [Int], _ asked: [Int]) throws -> [Int] {
        var target = asked
        if try !call.node.flag("allowzero") {
            for axis in target.indices where target[axis] == 0 {
                try call.expect(axis < shape.count, "shape \(asked) copies axis \(axis), which \(shape) has not")
                target[axis] = shape[axis]
            }
        }
        let count = shape.reduce(1, *)
        if let free = target.firstIndex(of: -1) {
            target[free] = 1
            let known = TensorReader.count(target, limit: Int.max / 2) ?? 0
            try call.expect(known > 0 && count % known == 0, "\(count) elements of shape \(shape) do not divide into \(asked)")
            target[free] = count / known
        }
        try call.expect(
            TensorReader.count(target, limit: Int.max / 2) == count,
            "shape \(shape) has \(count) elements, \(asked) asks for another number")
        return target
    }

    /// Values one after another along an axis.
    private static func joined(_ call: OperatorCall, _ values: [ONNXValue], along axis: Int) throws -> ONNXValue {
        var whole = values[0].shape
        whole[axis] = 0
        for value in values {
            var shape = value.shape
            try call.expect(
                shape.count == whole.count && value.kind == values[0].kind,
                "\(value.kind.name) of shape \(shape) do not join \(values[0].kind.name) of \(values[0].shape)")
            whole[axis] += shape[axis]
            shape[axis] = whole[axis]
            try call.expect(shape == whole, "shape \(value.shape) does not join \(values[0].shape) along axis \(axis)")
        }
        try call.expectRoom(whole)
        if values.count == 1 { return values[0] }
        // As the first that depends on the input is arranged, the others are.
        let template = (values.first(where: \.isTraced) ?? values[0]).compact
        let order = (0..<template.rank).sorted { template.place(of: $0) < template.place(of: $1) }
        var tensors = values.map { $0.compact.tensor(order: order) }
        if Set(tensors.map(\.elementType)).count > 1 { tensors = tensors.map { $0.cast(to: .float32) } }
        return template.with(.concatenated(tensors, along: template.place(of: axis)))
    }

    private static func slice(_ call: OperatorCall) throws -> [ONNXValue] {
        let value = try call.value(0).viewable
        let (starts, ends) = (try call.integers(1), try call.integers(2))
        let axes = try call.axes(call.optionalIntegers(3) ?? Array(0..<starts.count), rank: value.rank)
        let steps = try call.optionalIntegers(4) ?? axes.map { _ in 1 }
        try call.expect(
            starts.count == ends.count && starts.count == axes.count && steps.count == axes.count && !steps.contains(0),
            "starts \(starts), ends \(ends), axes \(axes) and steps \(steps) do not go together")
        var result = value.compact
        for (index, axis) in axes.enumerated() {
            let (size, step) = (value.shape[axis], steps[index])
            func clamped(_ place: Int, _ range: ClosedRange<Int>) -> Int {
                let counted = place < 0 ? place.addingReportingOverflow(size).partialValue : place
                return min(max(counted, range.lowerBound), range.upperBound)
            }
            let place = result.place(of: axis)
            if step > 0 {
                let (start, end) = (clamped(starts[index], 0...size), clamped(ends[index], 0...size))
                if start == 0, end == size, step == 1 { continue }
                let range = start..<max(start, end)
                result = result.with(result.stored.slice(range, along: place, step: min(step, max(size, 1))))
            } else {
                let (start, end) = (clamped(starts[index], -1...size - 1), clamped(ends[index], -1...size - 1))
                let stride = step < -size ? max(size, 1) : -step
                let flipped = result.stored.flipped(along: [place])
                let range = size - 1 - start..<max(size - 1 - start, size - 1 - end)
                result = result.with(flipped.slice(range, along: place, step: stride))
            }
        }
        return [result]
    }

    private static func pad(_ call: OperatorCall) throws -> [ONNXValue] {
        let value = try call.value(0).viewable.compact
        let axes = try call.axes(call.optionalIntegers(3) ?? Array(0..<value.rank), rank: value.rank)
        let pads = try call.integers(1)
        try call.expect(
            pads.count == 2 * axes.count && pads.allSatisfy { (-1 << 30...1 << 30).contains($0) },
            "pads \(pads), expected two for each of axes \(axes)")
        var (before, after) = ([Int](repeating: 0, count: value.rank), [Int](repeating: 0, count: value.rank))
        for (index, axis) in axes.enumerated() {
            (before[value.place(of: axis)], after[value.place(of: axis)]) = (pads[index], pads[index + axes.count])
        }
        if pads.allSatisfy({ $0 == 0 }) { return [value] }
        var tensor = value.stored
        // Less than nothing is cut off.
        for axis in before.indices where before[axis] < 0 || after[axis] < 0 {
            let (start, end) = (max(-before[axis], 0), tensor.shape[axis] - max(-after[axis], 0))
            try call.expect(start <= end, "pads \(pads) cut off more than shape \(value.shape) has")
            tensor = tensor.slice(start..<end, along: axis)
            (before[axis], after[axis]) = (max(before[axis], 0), max(after[axis], 0))
        }
        try call.expectRoom(tensor.shape.indices.map { before[$0] + tensor.shape[$0] + after[$0] })
        let mode: PaddingMode
        switch try call.node.string("mode", default: "constant") {
        case "constant":
            var number: Float = 0
            if let given = call.optional(2) {
                try call.expectKnown(given)
                try call.expect(given.stored.elementCount == 1, "the value to pad with has shape \(given.shape)")
                number = given.stored.cast(to: .float32).shaped([]).scalar()
            }
            mode = .constant(number)
        case "reflect": mode = .reflect
        case "edge": mode = .replicate
        case "wrap": mode = .circular
        case let other: throw call.fault("mode \"\(other)\" is not known", .graph)
        }
        for axis in before.indices {
            let size = tensor.shape[axis]
            let limit = mode == .reflect ? size - 1 : mode == .circular ? size : mode == .replicate && size == 0 ? 0 : Int.max
            try call.expect(
                max(before[axis], after[axis]) <= limit, "pads \(pads) for shape \(value.shape) are too many for this mode")
        }
        return [value.with(tensor.padded(before: before, after: after, mode))]
    }
}

extension ONNXValue {
    /// The value, in a type that views of it can be taken of where it is an input of a program.
    var viewable: ONNXValue { kind == .integer ? numeric : self }
}
