/// What a step reads and writes in 8 bits.
struct QuantizedForm {
    /// The 8-bit form of a value: under a name of its own, since the value may exist in both forms.
    struct Value: Hashable {
        let value: Int
        let encoding: Encoding
        /// What each channel is divided by first.
        let factors: [Float]?
    }

    /// The 8-bit form of the step's first operand; `nil` for a step that only writes in 8 bits.
    var source: Value?
    /// `nil` if the step writes the program's own precision.
    var destination: Value?
}

extension Quantization {
    /// The steps with quantized layers reading, and where nobody reads anything else also writing, 8-bit integers;
    /// other values that such layers read are encoded by a step of their own.
    ///
    /// - Parameter firstName: from here on, names of values are free.
    func applied(to steps: [FusedStep], of graph: Graph, firstName: Int) -> [FusedStep] {
        let layers = graph.quantizableLayers
        let positions = Dictionary(uniqueKeysWithValues: layers.indices.map { (layers[$0].node, $0) })
        var names: [Form: Int] = [:]
        /// The 8-bit form of what `step` reads, if it is to be computed in 8 bits.
        func form(readBy step: FusedStep) -> Form? {
            switch step.work {
            case .convolution, .linear: break
            case .globalMean, .layerNorm, .attention, .joining, .encoding, .plain: return nil
            }
            guard let position = positions[step.origin], !self.layers[position].isKept else { return nil }
            let encoding = Encoding(
                self.layers[position].range, allowingZeroPoint: layers[position].allowsZeroPoint)
            return Form(
                source: layers[position].source, encoding: encoding, factors: self.layers[position].factors)
        }
        func value(_ form: Form) -> QuantizedForm.Value {
            let name = names[form] ?? firstName + names.count
            names[form] = name
            return QuantizedForm.Value(value: name, encoding: form.encoding, factors: form.factors)
        }

        // Forms wanted of each value, and the values wanted as they are.
        var forms: [Int: [Form]] = [:]
        var plain = Set(graph.outputs.map(graph.root))
        for step in steps {
            let form = form(readBy: step)
            if let form, !forms[form.source, default: []].contains(form) { forms[form.source, default: []].append(form) }
            for case .value(let operand) in step.operands where form == nil { plain.insert(graph.root(of: operand)) }
            if let residual = step.residual { plain.insert(graph.root(of: residual)) }
        }

        var result = graph.inputs.indices.flatMap { forms[$0] ?? [] }.map { encodingStep($0, value($0)) }
        for var step in steps {
            if let read = form(readBy: step) {
                step.quantized = QuantizedForm(source: value(read))
                if !plain.contains(step.output), let wanted = forms[step.output], wanted.count == 1,
                    wanted[0].factors == nil
                {
                    step.quantized?.destination = value(wanted[0])
                }
            }
            result.append(step)
            if step.quantized?.destination == nil {
                result += (forms[step.output] ?? []).map { encodingStep($0, value($0)) }
            }
        }
        return result
    }

    /// A value of the graph in 8 bits.
    private struct Form: Hashable {
        let source: Int
        let encoding: Encoding
        let factors: [Float]?
    }

    private func encodingStep(_ form: Form, _ value: QuantizedForm.Value) -> FusedStep {
        FusedStep(
            origin: form.source, work: .encoding, operands: [.value(form.source)], output: form.source,
            quantized: QuantizedForm(destination: value))
    }
}
