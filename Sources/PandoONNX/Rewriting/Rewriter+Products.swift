import PandoTensor

extension Rewriter {
    /// A product with a constant matrix, and the bias added to it, as a linear map whose weights stand as kernels want
    /// them: turned once, for all programs.
    mutating func linear(at index: Int) -> ONNXNode? {
        guard let node = nodes[index] else { return nil }
        func made(_ inputs: [String]) -> ONNXNode {
            ONNXNode(
                name: node.name, type: "Linear", domain: ONNXNode.fusedDomain, inputs: inputs, outputs: node.outputs,
                attributes: [:])
        }
        switch node.label {
        case "MatMul":
            guard node.inputs.count == 2, let weight = matrix(node.inputs[1]), !isConstant(node.inputs[0]) else { return nil }
            return made([node.inputs[0], turned(node.inputs[1], weight)])
        case "Gemm":
            guard node.inputs.count >= 2, let weight = matrix(node.inputs[1]), !isConstant(node.inputs[0]),
                (try? node.flag("transA")) == false, let isTurned = try? node.flag("transB"),
                let alpha = try? node.float("alpha", default: 1), let beta = try? node.float("beta", default: 1)
            else { return nil }
            var name = isTurned ? node.inputs[1] : turned(node.inputs[1], weight)
            if isTurned { name = addConstant("\(name)/rows", ONNXValue(weight.tensor.contiguous())) }
            guard let rows = constants[name]?.tensor else { return nil }
            if alpha != 1 { name = addConstant("\(name)·\(alpha)", ONNXValue(rows * alpha)) }
            guard node.inputs.count > 2, !node.inputs[2].isEmpty, beta != 0 else { return made([node.inputs[0], name]) }
            guard let bias = self.bias(node.inputs[2], count: rows.shape[0]) else { return nil }
            guard beta != 1, let numbers = constants[bias]?.tensor else { return made([node.inputs[0], name, bias]) }
            return made([node.inputs[0], name, addConstant("\(bias)·\(beta)", ONNXValue(numbers * beta))])
        case "Add":
            guard node.inputs.count == 2 else { return nil }
            for (product, addend) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
                guard let map = producer(of: product, "pando.Linear"), map.inputs.count == 2, readerCount(product) == 1,
                    let count = constants[map.inputs[1]]?.shape[0], let bias = bias(addend, count: count)
                else { continue }
                return made(map.inputs + [bias])
            }
            return nil
        default: return nil
        }
    }

    /// A constant matrix of floating-point numbers with elements.
    private func matrix(_ name: String) -> ONNXValue? {
        guard let value = constants[name], value.kind == .float, value.rank == 2, !value.shape.contains(0) else { return nil }
        return value
    }

    private mutating func turned(_ name: String, _ weight: ONNXValue) -> String {
        addConstant("\(name)/turned", ONNXValue(weight.transposed([1, 0]).tensor.contiguous()))
    }

    /// The name of a constant with `count` numbers in one row, as a vector.
    private mutating func bias(_ name: String, count: Int) -> String? {
        guard let value = constants[name], value.kind == .float, value.stored.elementCount == count,
            (value.shape.last ?? 1) == count, value.rank <= 2
        else { return nil }
        if value.rank == 1, value.stored.rank == 1 { return name }
        return addConstant("\(name)/row", ONNXValue(value.tensor.reshaped(count)))
    }

    /// A product with a number for each feature, after a linear map and perhaps a transpose: the map takes it in.
    mutating func scaledLinear(at index: Int) {
        guard let node = nodes[index], node.inputs.count == 2 else { return }
        for (input, factor) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
            guard let scale = constants[factor], scale.kind == .float, readerCount(input) == 1 else { continue }
            var (source, order): (String, [Int]?) = (input, nil)
            if let transpose = producer(of: input, "Transpose"), case .integers(let axes)? = transpose.attributes["perm"],
                readerCount(transpose.inputs[0]) == 1
            {
                (source, order) = (transpose.inputs[0], axes)
            }
            guard let place = producers[source], let map = producer(of: source, "pando.Linear"),
                let weight = constants[map.inputs[1]]?.tensor
            else { continue }
            // The factors must vary along the features alone, wherever the transpose has put them.
            let features = weight.shape[0]
            let lead = (order?.count ?? scale.rank) - scale.rank
            let featureAxis = order.map { $0.firstIndex(of: $0.count - 1) ?? 0 } ?? scale.rank - 1
            let isScalar = scale.stored.elementCount == 1
            guard lead >= 0,
                scale.shape.indices.allSatisfy({ scale.shape[$0] == 1 || $0 + lead == featureAxis }),
                isScalar ? scale.rank == 0 || order != nil : scale.stored.elementCount == features
            else { continue }
            let factors = isScalar ? scale.tensor.reshaped(1) : scale.tensor.reshaped(features)
            var scaled = map
            let stem = "\(map.inputs[1])·\(factor)"
            scaled.inputs[1] = addConstant(stem, ONNXValue(weight * factors.reshaped(-1, 1)))
            if map.inputs.count > 2, let bias = constants[map.inputs[2]]?.tensor {
                scaled.inputs[2] = addConstant("\(stem)/\(map.inputs[2])", ONNXValue(bias * factors))
            }
            if let order {
                // The map, then the transpose in the product's place.
                let name = "\(source)·\(factor)"
                scaled.outputs = [name]
                replace(place, with: scaled)
                replace(
                    index,
                    with: ONNXNode(
                        name: node.name, type: "Transpose", domain: "", inputs: [name], outputs: node.outputs,
                        attributes: ["perm": .integers(order)]))
            } else {
                (scaled.name, scaled.outputs) = (node.name, node.outputs)
                replace(index, with: scaled)
            }
            return
        }
    }

    /// Attention, at the product with its values: what happens to the scores in between is kept as a list of steps.
    ///
    /// - Parameter known: names of values that do not depend on elements of the inputs.
    mutating func attention(at index: Int, _ known: Set<String>) -> ONNXNode? {
        guard let node = nodes[index], node.label == "MatMul", node.inputs.count == 2 else { return nil }
        var (weights, isGuarded) = (node.inputs[0], false)
        // Exporters guard against rows without a key.
        if let guarded = producer(of: weights, "Where"), guarded.inputs.count == 3, number(guarded.inputs[1]) == 0,
            let test = producer(of: guarded.inputs[0], "IsNaN"), test.inputs == [guarded.inputs[2]]
        {
            (weights, isGuarded) = (guarded.inputs[2], true)
        }
        guard let softmax = producer(of: weights, "Softmax"),
            (try? softmax.integer("axis", default: -1)).map({ $0 == -1 || $0 == 3 }) ?? false,
            let chain = scores(softmax.inputs[0], known, depth: 8), chain.product.inputs.count == 2
        else { return nil }
        // An axis that is counted from the front must be the last.
        if (try? softmax.integer("axis", default: -1)) == 3, chain.steps.contains(where: { $0.name == "reshape" }) { return nil }
        var (query, key) = (chain.product.inputs[0], chain.product.inputs[1])
        var steps = chain.steps
        if let scaled = producer(of: query, "Mul"), scaled.inputs.count == 2, known.contains(scaled.inputs[1]) {
            query = scaled.inputs[0]
            steps.insert(("query", scaled.inputs[1]), at: 0)
        }
        if let scaled = producer(of: key, "Mul"), scaled.inputs.count == 2, known.contains(scaled.inputs[1]) {
            key = scaled.inputs[0]
            steps.insert(("key", scaled.inputs[1]), at: 0)
        }
        return ONNXNode(
            name: node.name, type: "Attention", domain: ONNXNode.fusedDomain,
            inputs: [query, key, node.inputs[1]] + steps.map(\.operand), outputs: node.outputs,
            attributes: ["steps": .strings(steps.map(\.name)), "guarded": .integer(isGuarded ? 1 : 0)])
    }

    /// The product of queries and keys that `name` was made of, and by which steps.
    private func scores(_ name: String, _ known: Set<String>, depth: Int)
        -> (product: ONNXNode, steps: [(name: String, operand: String)])?
    {
        guard depth > 0, let index = producers[name], let node = nodes[index] else { return nil }
        switch node.label {
        case "MatMul": return (node, [])
        case "Add", "Mul", "Div", "Reshape":
            guard node.inputs.count == 2 else { return nil }
            let orders = node.label == "Add" || node.label == "Mul" ? [(0, 1), (1, 0)] : [(0, 1)]
            for (inner, operand) in orders {
                if node.label != "Add", !known.contains(node.inputs[operand]) { continue }
                guard var chain = scores(node.inputs[inner], known, depth: depth - 1) else { continue }
                let steps = ["Add": "add", "Mul": "multiply", "Div": "divide", "Reshape": "reshape"]
                chain.steps.append((steps[node.label] ?? "", node.inputs[operand]))
                return chain
            }
            return nil
        default: return nil
        }
    }
}
