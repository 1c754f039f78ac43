import PandoTensor

extension Rewriter {
    /// An activation that was taken apart, at the product that ends it.
    mutating func activation(at index: Int) -> ONNXNode? {
        guard let node = nodes[index], let name = node.outputs.first, node.label == "Mul" || node.label == "Div" else {
            return nil
        }
        var (number, factors): (Float, [String]) = (1, [])
        collectFactors(of: name, depth: 3, &number, &factors)
        guard factors.count == 2 else { return nil }
        func made(_ type: String, _ input: String, _ attributes: [String: ONNXAttribute] = [:], domain: String = "")
            -> ONNXNode
        {
            ONNXNode(
                name: node.name, type: type, domain: domain, inputs: [input], outputs: node.outputs, attributes: attributes)
        }
        for (x, gate) in [(factors[0], factors[1]), (factors[1], factors[0])] {
            if isClose(number, 0.5), let inner = addendToOne(gate) {
                if let erf = producer(of: inner, "Erf"), isMultiple(erf.inputs[0], of: x, Float(0.5).squareRoot()) {
                    return made("Gelu", x)
                }
                if let tanh = producer(of: inner, "Tanh"), isTanhArgument(tanh.inputs[0], x) {
                    return made("Gelu", x, ["approximate": .string("tanh")])
                }
            }
            if isClose(number, 1), let sigmoid = producer(of: gate, "Sigmoid") {
                if sigmoid.inputs[0] == x { return made("Swish", x) }
                if isMultiple(sigmoid.inputs[0], of: x, 1.702) {
                    return made("QuickGelu", x, ["alpha": .float(1.702)], domain: ONNXNode.fusedDomain)
                }
            }
            if isClose(number, 1), let gate = producer(of: gate, "HardSigmoid"), gate.inputs[0] == x,
                case .float(let alpha)? = gate.attributes["alpha"], isClose(alpha, 1 / 6)
            {
                return made("HardSwish", x)
            }
            if isClose(number, 1 / 6), let clip = producer(of: gate, "Clip"), clip.inputs.count == 3,
                self.number(clip.inputs[1]) == 0, self.number(clip.inputs[2]) == 6,
                let sum = producer(of: clip.inputs[0], "Add"), sum.inputs.contains(x),
                sum.inputs.contains(where: { self.number($0) == 3 })
            {
                return made("HardSwish", x)
            }
        }
        return nil
    }

    /// A product as a number and other factors, seen through so many products.
    private func collectFactors(of name: String, depth: Int, _ number: inout Float, _ factors: inout [String]) {
        if let constant = self.number(name) {
            number *= constant
        } else if depth > 0, let product = producer(of: name, "Mul"), product.inputs.count == 2 {
            for input in product.inputs { collectFactors(of: input, depth: depth - 1, &number, &factors) }
        } else if depth > 0, let quotient = producer(of: name, "Div"), quotient.inputs.count == 2,
            let divisor = self.number(quotient.inputs[1])
        {
            number /= divisor
            collectFactors(of: quotient.inputs[0], depth: depth - 1, &number, &factors)
        } else {
            factors.append(name)
        }
    }

    /// What is added to 1 to make the value.
    private func addendToOne(_ name: String) -> String? {
        guard let sum = producer(of: name, "Add"), sum.inputs.count == 2 else { return nil }
        if let one = number(sum.inputs[0]), isClose(one, 1) { return sum.inputs[1] }
        if let one = number(sum.inputs[1]), isClose(one, 1) { return sum.inputs[0] }
        return nil
    }

    private func isMultiple(_ name: String, of x: String, _ factor: Float) -> Bool {
        var (number, factors): (Float, [String]) = (1, [])
        collectFactors(of: name, depth: 1, &number, &factors)
        return factors == [x] && isClose(number, factor)
    }

    /// Whether a value is `√(2/π) (x + 0.044715 x³)`.
    private func isTanhArgument(_ name: String, _ x: String) -> Bool {
        var (number, factors): (Float, [String]) = (1, [])
        collectFactors(of: name, depth: 1, &number, &factors)
        guard factors.count == 1, isClose(number, (2 / Float.pi).squareRoot()), let sum = producer(of: factors[0], "Add"),
            sum.inputs.count == 2, let cube = sum.inputs.first(where: { $0 != x }), sum.inputs.contains(x)
        else { return false }
        var (weight, parts): (Float, [String]) = (1, [])
        collectFactors(of: cube, depth: 3, &weight, &parts)
        if parts.count == 1, let power = producer(of: parts[0], "Pow") {
            return power.inputs.count == 2 && power.inputs[0] == x && self.number(power.inputs[1]) == 3
                && isClose(weight, 0.044715)
        }
        return parts == [x, x, x] && isClose(weight, 0.044715)
    }

    /// A layer norm that was taken apart, at its division, its weight or its bias.
    mutating func layerNorm(at index: Int) -> ONNXNode? {
        guard let node = nodes[index], node.inputs.count == 2 else { return nil }
        let type = node.label
        if type == "Div", let (x, epsilon) = standardized(node) {
            return ONNXNode(
                name: node.name, type: "LayerNormalization", domain: "", inputs: [x], outputs: node.outputs,
                attributes: ["axis": .integer(-1), "epsilon": .float(epsilon)])
        }
        guard type == "Mul" || type == "Add" else { return nil }
        for (input, parameter) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
            guard let norm = producer(of: input, "LayerNormalization"), let constant = constants[parameter],
                constant.kind == .float, constant.rank == 1, norm.inputs.count == (type == "Mul" ? 1 : 2)
            else { continue }
            if type == "Add", constants[norm.inputs[1]]?.shape != constant.shape { continue }
            var whole = norm
            (whole.name, whole.outputs) = (node.name, node.outputs)
            whole.inputs.append(parameter)
            return whole
        }
        return nil
    }

    /// `(x - mean(x)) / √(mean((x - mean(x))²) + ε)` over the last axis.
    private func standardized(_ division: ONNXNode) -> (x: String, epsilon: Float)? {
        guard let centred = producer(of: division.inputs[0], "Sub"), centred.inputs.count == 2,
            let mean = producer(of: centred.inputs[1], "ReduceMean"), mean.inputs.first == centred.inputs[0],
            isOverLastAxis(mean),
            let root = producer(of: division.inputs[1], "Sqrt"), let sum = producer(of: root.inputs[0], "Add"),
            sum.inputs.count == 2
        else { return nil }
        for (variance, small) in [(sum.inputs[0], sum.inputs[1]), (sum.inputs[1], sum.inputs[0])] {
            guard let epsilon = number(small), let average = producer(of: variance, "ReduceMean"),
                let squared = average.inputs.first, isOverLastAxis(average)
            else { continue }
            let power = producer(of: squared, "Pow")
            let product = producer(of: squared, "Mul")
            if let power, isCentred(power.inputs[0], division.inputs[0]), number(power.inputs[1]) == 2 {
                return (centred.inputs[0], epsilon)
            }
            if let product, product.inputs == [division.inputs[0], division.inputs[0]] { return (centred.inputs[0], epsilon) }
        }
        return nil
    }

    /// Whether two values are one, or the same difference computed twice.
    private func isCentred(_ name: String, _ other: String) -> Bool {
        if name == other { return true }
        guard let first = producer(of: name, "Sub"), let second = producer(of: other, "Sub") else { return false }
        return first.inputs == second.inputs
    }

    private func isOverLastAxis(_ mean: ONNXNode) -> Bool {
        if case .integer(0)? = mean.attributes["keepdims"] { return false }
        if case .integers(let axes)? = mean.attributes["axes"] { return axes == [-1] }
        guard mean.inputs.count == 2, let axes = constants[mean.inputs[1]], axes.kind == .integer else { return false }
        return axes.stored.scalars(as: Int64.self) == [-1]
    }

    func isClose(_ number: Float, _ expected: Float) -> Bool { abs(number - expected) <= 1e-4 * abs(expected) }
}
