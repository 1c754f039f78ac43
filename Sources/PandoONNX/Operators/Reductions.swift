import PandoTensor

extension OperatorTable {
    /// Operators that make one number of many.
    static let reductions: [String: OperatorImplementation] = [
        "ReduceSum": { try reduced($0) { $0.sum(along: $1, keepingAxes: $2) } },
        "ReduceMean": { try reduced($0) { $0.mean(along: $1, keepingAxes: $2) } },
        "ReduceMax": { call in
            try reduced(call) { try nonEmpty(call, $0, $1) ? $0.max(along: $1, keepingAxes: $2) : nil }
        },
        "ReduceMin": { call in
            try reduced(call) { try nonEmpty(call, $0, $1) ? $0.min(along: $1, keepingAxes: $2) : nil }
        },
        "ReduceProd": { try reduced($0) { $0.product(along: $1, keepingAxes: $2) } },
        "ReduceL1": { try reduced($0) { $0.absolute().sum(along: $1, keepingAxes: $2) } },
        "ReduceL2": { try reduced($0) { $0.squared().sum(along: $1, keepingAxes: $2).squareRoot() } },
        "ReduceSumSquare": { try reduced($0) { $0.squared().sum(along: $1, keepingAxes: $2) } },
        "ReduceLogSum": { try reduced($0) { $0.sum(along: $1, keepingAxes: $2).log() } },
        "ReduceLogSumExp": { call in
            try reduced(call) { try nonEmpty(call, $0, $1) ? $0.logSumExp(along: $1, keepingAxes: $2) : nil }
        },
        "ArgMax": { try [position($0, ofLargest: true)] },
        "ArgMin": { try [position($0, ofLargest: false)] },
        "GlobalAveragePool": { try [pooled($0) { $0.mean(along: $1, keepingAxes: true) }] },
        "GlobalMaxPool": { try [pooled($0) { $0.max(along: $1, keepingAxes: true) }] },
        "LpNormalization": { call in
            let value = try call.floats(0).compact
            let axis = value.place(of: try call.axis(call.node.integer("axis", default: -1), rank: value.rank))
            let x = value.stored
            let length =
                try call.node.integer("p", default: 2) == 1
                ? x.absolute().sum(along: [axis], keepingAxes: true)
                : x.squared().sum(along: [axis], keepingAxes: true).squareRoot()
            return [value.with((x / length).filled(with: 0, where: length .== 0))]
        },
    ]

    /// What is known of a reduction of no elements: the value must have some.
    private static func nonEmpty(_ call: OperatorCall, _ tensor: Tensor, _ axes: [Int]) throws -> Bool {
        guard axes.allSatisfy({ tensor.shape[$0] > 0 }) else {
            throw call.fault("there are no elements to choose from", .unsupported)
        }
        return true
    }

    /// `function` over the axes that the node names: in its second input, or in older operator sets in an attribute.
    private static func reduced(
        _ call: OperatorCall, _ function: (Tensor, [Int], Bool) throws -> Tensor?
    ) throws -> [ONNXValue] {
        let value = try call.value(0).numeric
        let keepsAxes = try call.node.flag("keepdims", default: true)
        let given = try call.optionalIntegers(1) ?? call.node.integers("axes") ?? []
        if given.isEmpty, try call.node.flag("noop_with_empty_axes") { return [value] }
        let axes = given.isEmpty ? Array(0..<value.rank) : try call.axes(given, rank: value.rank)
        let compact = value.compact
        let places = axes.map { compact.place(of: $0) }
        guard let tensor = try function(compact.stored.cast(to: .float32), places, true) else {
            throw call.fault("there is nothing to reduce")
        }
        var result = compact.with(tensor, .float)
        if !keepsAxes { result = result.squeezed(Set(axes)) }
        switch value.kind {
        case .float: return [result]
        case .integer: return [result.with(result.stored.cast(to: .int64), .integer).numeric]
        case .bool: return [result.with(result.stored .!= 0, .bool)]
        }
    }

    /// Where the largest or smallest element along an axis stands, the first of equals.
    private static func position(_ call: OperatorCall, ofLargest isLargest: Bool) throws -> ONNXValue {
        let value = try call.value(0).numeric
        let axis = try call.axis(call.node.integer("axis", default: 0), rank: value.rank)
        let keepsAxis = try call.node.flag("keepdims", default: true)
        let picksLast = try call.node.flag("select_last_index")
        try call.expect(value.shape[axis] > 0, "shape \(value.shape) has no elements along axis \(axis)")
        // In numbers alone, so that programs can do it: the places of the extremes, and the first of those.
        let x = value.tensor.cast(to: .float32)
        let extreme = isLargest ? x.max(along: axis, keepingAxes: true) : x.min(along: axis, keepingAxes: true)
        let count = value.shape[axis]
        let places = Tensor(
            (0..<count).map(Float.init), shape: [count] + Array(repeating: 1, count: value.rank - axis - 1))
        let outside = Tensor(picksLast ? Float(-1) : Float(count))
        let candidates = places.selected(where: x .== extreme, otherwise: outside)
        let found = picksLast ? candidates.max(along: axis, keepingAxes: true) : candidates.min(along: axis, keepingAxes: true)
        let result = ONNXValue(found).asIntegers
        return keepsAxis ? result : result.squeezed([axis])
    }

    /// `function` over all pixels of a map `[N, C, …]`.
    private static func pooled(_ call: OperatorCall, _ function: (Tensor, [Int]) -> Tensor) throws -> ONNXValue {
        let value = try call.floats(0)
        try call.expect(
            value.rank >= 3 && !value.shape.contains(0), "shape \(value.shape) is no map [N, C, …] with pixels")
        let map = value.channelsLast
        return ONNXValue(channelsLast: function(map, Array(1..<map.rank - 1)))
    }
}
