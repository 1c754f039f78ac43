import PandoTensor

extension OperatorTable {
    /// Products, norms, convolutions.
    static let networks: [String: OperatorImplementation] = [
        "Conv": convolution,
        "ConvTranspose": transposedConvolution,
        "MaxPool": { try pool($0, isMaximum: true) },
        "AveragePool": { try pool($0, isMaximum: false) },
        "Resize": resize,
        "BatchNormalization": { call in
            let value = try call.floats(0)
            try call.expect(value.rank >= 2, "shape \(value.shape) has no channels")
            if try call.node.flag("training_mode") {
                throw call.fault("it gathers statistics, as in training; export the model for inference", .unsupported)
            }
            let channels = value.shape[1]
            let parameters = try (1..<5).map { try call.parameter($0, [channels]) }
            return [
                ONNXValue(
                    channelsLast: value.channelsLast.batchNormalized(
                        mean: parameters[2], variance: parameters[3], weight: parameters[0], bias: parameters[1],
                        epsilon: try call.node.float("epsilon", default: 1e-5)))
            ]
        },
        "InstanceNormalization": { call in
            let value = try call.floats(0)
            try call.expect(value.rank >= 3, "shape \(value.shape) is no map [N, C, …]")
            let (weight, bias) = (
                try call.parameter(1, [value.shape[1]]), try call.parameter(2, [value.shape[1]])
            )
            return [
                ONNXValue(
                    channelsLast: value.channelsLast.instanceNormalized(
                        weight: weight, bias: bias, epsilon: try call.node.float("epsilon", default: 1e-5)))
            ]
        },
        "GroupNormalization": { call in
            let value = try call.floats(0)
            let groups = try call.node.integer("num_groups", default: 0)
            try call.expect(
                value.rank >= 3 && groups >= 1 && value.shape[1] % groups == 0,
                "\(groups) groups do not divide the channels of \(value.shape)")
            let channels = value.shape[1]
            // Before operator set 21 there is one weight for each group.
            let isByGroup = call.operatorSet < 21
            let parameters = try (1..<3).map { index in
                let parameter = try call.parameter(index, [isByGroup ? groups : channels])
                return isByGroup ? parameter.repeatedElements(channels / groups, along: 0) : parameter
            }
            return [
                ONNXValue(
                    channelsLast: value.channelsLast.groupNormalized(
                        groups: groups, weight: parameters[0], bias: parameters[1],
                        epsilon: try call.node.float("epsilon", default: 1e-5)))
            ]
        },
        "LayerNormalization": layerNorm,
        "RMSNormalization": rootMeanSquareNorm,
        "SimplifiedLayerNormalization": rootMeanSquareNorm,
        "Softmax": { try softmax($0) { $0.softmax(along: $1) } },
        "LogSoftmax": { try softmax($0) { $0.logSoftmax(along: $1) } },
        "Hardmax": { call in
            let value = try call.floats(0)
            try call.expectKnown(value)
            let axis = try call.axis(call.node.integer("axis", default: -1), rank: value.rank)
            let places = Tensor(
                (0..<value.shape[axis]).map(Int64.init),
                shape: [value.shape[axis]] + Array(repeating: 1, count: value.rank - axis - 1))
            let largest = value.tensor.argmax(along: axis, keepingAxes: true)
            return [ONNXValue((places .== largest).cast(to: .float32))]
        },
        "MatMul": { call in
            let (left, right) = (try call.value(0).numeric, try call.value(1).numeric)
            try call.expect(
                left.kind == right.kind && left.kind != .bool && left.rank >= 1 && right.rank >= 1
                    && left.shape[left.rank - 1] == right.shape[max(right.rank - 2, 0)]
                    && ONNXValue.broadcastShape([Array(left.shape.dropLast(2)), Array(right.shape.dropLast(2))]) != nil,
                "shapes \(left.shape) and \(right.shape) of \(left.kind.name) and \(right.kind.name) do not fit")
            let batch = ONNXValue.broadcastShape([Array(left.shape.dropLast(2)), Array(right.shape.dropLast(2))]) ?? []
            try call.expectRoom(batch + [left.shape.dropLast().last ?? 1, right.rank > 1 ? right.shape[right.rank - 1] : 1])
            let product = matmul(left.tensor.cast(to: .float32), right.tensor.cast(to: .float32))
            return [left.kind == .integer ? ONNXValue(product).asIntegers : ONNXValue(product)]
        },
        "Gemm": { call in
            var (left, right) = (try call.floats(0), try call.floats(1))
            try call.expect(left.rank == 2 && right.rank == 2, "shapes \(left.shape) and \(right.shape) are no matrices")
            if try call.node.flag("transA") { left = left.transposed([1, 0]) }
            if try call.node.flag("transB") { right = right.transposed([1, 0]) }
            try call.expect(left.shape[1] == right.shape[0], "shapes \(left.shape) and \(right.shape) do not fit")
            let shape = [left.shape[0], right.shape[1]]
            try call.expectRoom(shape)
            var product = matmul(left.tensor, right.tensor)
            let (alpha, beta) = (
                try call.node.float("alpha", default: 1), try call.node.float("beta", default: 1)
            )
            if alpha != 1 { product = product * alpha }
            guard call.optional(2) != nil, beta != 0 else { return [ONNXValue(product)] }
            let addend = try call.floats(2)
            try call.expect(
                ONNXValue.broadcastShape([addend.shape, shape]) == shape, "C of shape \(addend.shape) does not stretch to \(shape)")
            return [ONNXValue(product + (beta == 1 ? addend.tensor : addend.tensor * beta))]
        },
        "Einsum": { call in
            let equation = try call.node.string("equation", default: "").filter { $0 != " " }
            let values = try call.inputs.indices.map { try call.floats($0) }
            try checkEinsum(call, equation, values.map(\.shape))
            return [ONNXValue(einsum(equation, values.map(\.tensor)))]
        },
    ]

    private static func softmax(_ call: OperatorCall, _ function: (Tensor, Int) -> Tensor) throws -> [ONNXValue] {
        let value = try call.floats(0)
        let axis = try call.axis(call.node.integer("axis", default: -1), rank: value.rank)
        let compact = value.compact
        return [compact.with(function(compact.stored, compact.place(of: axis)))]
    }

    static func layerNorm(_ call: OperatorCall) throws -> [ONNXValue] {
        let value = try call.floats(0)
        let axis = try call.axis(call.node.integer("axis", default: -1), rank: value.rank)
        let normal = Array(value.shape[axis...])
        let width = normal.reduce(1, *)
        try call.expect(width > 0, "shape \(value.shape) has no elements to normalize")
        func parameter(_ index: Int, _ missing: Float) throws -> Tensor {
            guard let given = call.optional(index) else { return .filled([width], with: missing) }
            try call.expect(
                given.kind == .float && ONNXValue.broadcastShape([given.shape, normal]) == normal,
                "input \(index) of shape \(given.shape) does not stretch to \(normal)")
            return given.tensor.broadcast(to: normal).reshaped(width)
        }
        let (weight, bias) = (try parameter(1, 1), try parameter(2, 0))
        let epsilon = try call.node.float("epsilon", default: 1e-5)
        if call.node.outputs.count > 1 {
            // Mean and inverse deviation are asked for too.
            let axes = Array(axis..<value.rank)
            let x = value.tensor
            let mean = x.mean(along: axes, keepingAxes: true)
            let inverse = ((x - mean).squared().mean(along: axes, keepingAxes: true) + epsilon).reciprocalSquareRoot()
            let normalized = (x - mean) * inverse * weight.reshaped(normal) + bias.reshaped(normal)
            return [ONNXValue(normalized), ONNXValue(mean), ONNXValue(inverse)]
        }
        let compact = value.compact
        if axis == value.rank - 1, compact.place(of: axis) == value.rank - 1 {
            return [compact.with(compact.stored.layerNormalized(weight: weight, bias: bias, epsilon: epsilon))]
        }
        let rows = value.tensor.reshaped(Array(value.shape[..<axis]) + [width])
        return [ONNXValue(rows.layerNormalized(weight: weight, bias: bias, epsilon: epsilon).reshaped(value.shape))]
    }

    private static func rootMeanSquareNorm(_ call: OperatorCall) throws -> [ONNXValue] {
        let value = try call.floats(0)
        let axis = try call.axis(call.node.integer("axis", default: -1), rank: value.rank)
        let normal = Array(value.shape[axis...])
        let width = normal.reduce(1, *)
        let scale = try call.floats(1)
        try call.expect(
            width > 0 && ONNXValue.broadcastShape([scale.shape, normal]) == normal,
            "a scale of shape \(scale.shape) does not stretch to \(normal)")
        let rows = value.tensor.reshaped(Array(value.shape[..<axis]) + [width])
        return [
            ONNXValue(
                rows.rmsNormalized(
                    weight: scale.tensor.broadcast(to: normal).reshaped(width),
                    epsilon: try call.node.float("epsilon", default: 1e-5)
                ).reshaped(value.shape))
        ]
    }

    /// Checks an equation before tensors see it: each term has letters, perhaps `...` once, and sizes agree.
    private static func checkEinsum(_ call: OperatorCall, _ equation: String, _ shapes: [[Int]]) throws {
        let text = Array(equation)
        let arrow = text.indices.first { text[$0] == "-" && $0 + 1 < text.count && text[$0 + 1] == ">" }
        let terms = text[..<(arrow ?? text.count)].split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
        let output = arrow.map { String(text[($0 + 2)...]) }
        func letters(_ term: String) throws -> (before: [Character], dots: Bool, after: [Character]) {
            let parts = term.components(around: "...")
            try call.expect(
                parts.count <= 2 && parts.allSatisfy { $0.allSatisfy { $0.isASCII && $0.isLetter } },
                "the equation \"\(equation)\" is not understood")
            return (Array(parts[0]), parts.count == 2, parts.count == 2 ? Array(parts[1]) : [])
        }
        try call.expect(terms.count == shapes.count, "the equation \"\(equation)\" has \(terms.count) terms for \(shapes.count) inputs")
        var sizes: [Character: Int] = [:]
        var hidden: [[Int]] = []
        for (term, shape) in zip(terms, shapes) {
            let (before, dots, after) = try letters(term)
            let named = before.count + after.count
            try call.expect(
                dots ? named <= shape.count : named == shape.count, "\"\(term)\" does not name the axes of shape \(shape)")
            if dots { hidden.append(Array(shape[before.count..<shape.count - after.count])) }
            for (letter, size) in zip(before, shape) + zip(after, shape.suffix(after.count)) {
                try call.expect(sizes[letter] ?? size == size, "axis \(letter) has sizes \(sizes[letter] ?? 0) and \(size)")
                sizes[letter] = size
            }
        }
        // Products of more than two go by way of values that may be larger than the result.
        if shapes.count > 2 { try call.expectRoom(Array(sizes.values)) }
        let stretched = ONNXValue.broadcastShape(hidden)
        try call.expect(stretched != nil, "shapes \(shapes) do not broadcast under ...")
        if let output {
            let (before, dots, after) = try letters(output)
            let named = before + after
            try call.expect(
                Set(named).count == named.count && named.allSatisfy { sizes[$0] != nil },
                "the result of \"\(equation)\" names an axis twice, or one that no input has")
            try call.expectRoom((dots ? stretched ?? [] : []) + named.map { sizes[$0] ?? 1 })
        }
    }

    private static func zip<A: Sequence, B: Sequence>(_ first: A, _ second: B) -> [(A.Element, B.Element)] {
        Array(Swift.zip(first, second))
    }
}

extension String {
    /// The parts between occurrences of `separator`.
    fileprivate func components(around separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}
