import PandoTensor

extension OperatorTable {
    /// What rewriting makes of several of ONNX's operators: the operations that programs have kernels for.
    static let fused: [String: OperatorImplementation] = [
        "pando.QuickGelu": { call in
            let (value, alpha) = (try call.floats(0), try call.node.float("alpha", default: 1.702))
            return [value.with((value.stored * alpha).silu() * (1 / alpha))]
        },
        "pando.Linear": { call in
            let (value, weight) = (try call.floats(0), try call.floats(1).stored)
            try call.expect(
                value.rank >= 1 && value.shape[value.rank - 1] == weight.shape[1],
                "shape \(value.shape) does not fit a matrix of \([weight.shape[1], weight.shape[0]])")
            try call.expectRoom(value.shape.dropLast() + [weight.shape[0]])
            let bias = try call.optional(2) == nil ? nil : call.floats(2).stored
            // Rows may stand in any order, features must stand last.
            let compact = value.compact
            guard compact.place(of: value.rank - 1) == value.rank - 1 else {
                return [ONNXValue(linear(value.tensor, weight: weight, bias: bias))]
            }
            return [compact.with(linear(compact.stored, weight: weight, bias: bias))]
        },
        "pando.Attention": { call in
            try fusedAttention(call) ?? plainAttention(call)
        },
    ]

    /// `softmax(q · kᵀ · scale + mask) · v` as one operation; `nil` if what stands between the products is more than
    /// a scale and a mask.
    private static func fusedAttention(_ call: OperatorCall) throws -> [ONNXValue]? {
        var (query, key, value) = (try call.floats(0), try call.floats(1), try call.floats(2))
        guard query.rank == key.rank, key.rank == value.rank, (3...4).contains(query.rank) else { return nil }
        let rank = query.rank
        let scores = Array(query.shape.dropLast()) + [key.shape[rank - 1]]
        guard query.shape.dropLast(2) == key.shape.dropLast(2), key.shape.dropLast(2) == value.shape.dropLast(2),
            query.shape[rank - 1] == key.shape[rank - 2], key.shape[rank - 1] == value.shape[rank - 2]
        else { return nil }
        var (scale, masks): (Float, [Tensor]) = (1, [])
        var current = scores
        for (step, operand) in zip(try call.steps(), call.inputs.dropFirst(3)) {
            guard let operand else { return nil }
            switch step {
            case "multiply", "divide", "query", "key":
                guard !operand.isTraced, operand.stored.elementCount == 1, masks.isEmpty, operand.kind == .float else {
                    return nil
                }
                let factor = operand.stored.shaped([]).scalar()
                scale *= step == "divide" ? 1 / factor : factor
            case "add":
                guard let mask = mask(operand, on: current, as: scores) else { return nil }
                masks.append(mask)
            case "reshape":
                guard !operand.isTraced, operand.kind == .integer else { return nil }
                var target = operand.tensor.scalars(as: Int64.self).map { Int($0) }
                if let free = target.firstIndex(of: -1) {
                    target[free] = 1
                    let known = TensorReader.count(target, limit: Int.max / 2) ?? 0
                    guard known > 0 else { return nil }
                    target[free] = scores.reduce(1, *) / known
                }
                guard TensorReader.count(target, limit: Int.max / 2) == scores.reduce(1, *) else { return nil }
                current = target
            default: return nil
            }
        }
        guard current == scores, query.stored.elementType == key.stored.elementType else { return nil }
        var mask = masks.first
        for other in masks.dropFirst() { mask = mask.map { $0 + other } }
        if rank == 3 {
            (query, key, value) = (query.unsqueezed(at: [0]), key.unsqueezed(at: [0]), value.unsqueezed(at: [0]))
            mask = mask.map { $0.rank == 3 ? $0.expanded(at: 0) : $0 }
        }
        let result = attention(
            query: query.tensor, key: key.transposed([0, 1, 3, 2]).tensor, value: value.tensor, mask: mask, scale: scale)
        return [rank == 3 ? ONNXValue(result).squeezed([0]) : ONNXValue(result)]
    }

    /// What is added to scores seen under shape `current`, to be added to them under their own shape: the leading axes
    /// of `current` may be parts of the scores' first.
    private static func mask(_ operand: ONNXValue, on current: [Int], as scores: [Int]) -> Tensor? {
        guard operand.kind == .float, ONNXValue.broadcastShape([operand.shape, current]) == current else { return nil }
        let tensor = operand.tensor
        if current == scores { return tensor }
        let lead = current.count - scores.count + 1
        guard lead >= 1, current[..<lead].reduce(1, *) == scores[0], Array(current[lead...]) == Array(scores[1...]) else {
            return nil
        }
        let shape = [Int](repeating: 1, count: current.count - tensor.rank) + tensor.shape
        let rest = Array(shape[lead...])
        return tensor.reshaped(shape).broadcast(to: Array(current[..<lead]) + rest).reshaped([scores[0]] + rest)
    }

    /// The operators one by one, as the file has them.
    private static func plainAttention(_ call: OperatorCall) throws -> [ONNXValue] {
        func run(_ type: String, _ inputs: [ONNXValue], _ attributes: [String: ONNXAttribute] = [:]) throws -> ONNXValue {
            var node = call.node
            (node.type, node.domain, node.attributes) = (type, "", attributes)
            guard let implementation = implementation(of: node) else { throw call.fault("\(type) is missing") }
            return try implementation(OperatorCall(node: node, inputs: inputs, operatorSet: call.operatorSet))[0]
        }
        let steps = Array(zip(try call.steps(), try call.inputs.indices.dropFirst(3).map { try call.value($0) }))
        var (query, key) = (try call.value(0), try call.value(1))
        for (step, operand) in steps where step == "query" { query = try run("Mul", [query, operand]) }
        for (step, operand) in steps where step == "key" { key = try run("Mul", [key, operand]) }
        var scores = try run("MatMul", [query, key])
        for (step, operand) in steps {
            switch step {
            case "multiply": scores = try run("Mul", [scores, operand])
            case "divide": scores = try run("Div", [scores, operand])
            case "add": scores = try run("Add", [scores, operand])
            case "reshape": scores = try run("Reshape", [scores, operand])
            default: break
            }
        }
        var weights = try run("Softmax", [scores], ["axis": .integer(-1)])
        if try call.node.flag("guarded") {
            weights = weights.with(weights.stored.filled(with: 0, where: weights.stored.nanMask()))
        }
        return [try run("MatMul", [weights, call.value(2)])]
    }
}

extension OperatorCall {
    /// What happens to the scores of an attention, for each operand from the fourth on.
    fileprivate func steps() throws -> [String] {
        guard case .strings(let steps) = node.attributes["steps"], steps.count == inputs.count - 3 else {
            throw fault("steps and operands differ in number", .graph)
        }
        return steps
    }
}
