/// Turns a traced graph into primitives, packed weights and places in the arena.
struct ProgramCompiler {
    let graph: Graph
    let precision: ElementType
    let weights: PackedWeights
    /// In how many parts each step is cut, for that many threads.
    let bandCount: Int
    private let fused: [FusedStep]
    /// Types of the values that are 8-bit forms of others.
    private let integerTypes: [Int: ElementType]
    private let structure: Int

    init(
        graph: Graph, precision: ElementType, quantization: Quantization?, weights: PackedWeights, bandCount: Int
    ) {
        self.graph = graph
        self.precision = precision
        self.weights = weights
        self.bandCount = bandCount
        structure = graph.structure
        let steps = graph.fused()
        // The names after the last node's are those of converted inputs.
        fused = quantization?.applied(to: steps, of: graph, firstName: graph.nodes.count + graph.inputs.count) ?? steps
        integerTypes = Dictionary(
            fused.compactMap { $0.quantized?.destination }.map { ($0.value, $0.encoding.type) }) { first, _ in first }
    }

    func compile() -> (steps: [CompiledStep], places: [Int: Int], arenaBytes: Int) {
        // With reduced precision inputs are first brought into it, under names of their own.
        let converted = graph.inputs.indices.filter { input in
            name(input) != input
                && fused.contains { reads($0).contains(name(input)) || $0.residual.map(name) == name(input) }
        }
        let offset = converted.count
        var lastUse: [Int: Int] = [:]
        for (position, step) in fused.enumerated() {
            for value in reads(step) { lastUse[value] = position + offset }
            if let residual = step.residual { lastUse[name(residual)] = position + offset }
        }
        let end = fused.count + offset
        for output in graph.outputs { lastUse[name(output)] = end }

        var arena = Arena()
        var places: [Int: Int] = [:]
        var compiled: [CompiledStep] = []
        for (position, input) in converted.enumerated() {
            let (target, count) = (name(input), graph.nodes[input].shape.elementCount)
            places[target] = arena.place(count * precision.byteCount, during: position...(lastUse[target] ?? position))
            compiled.append(conversion(of: input, count: count, from: .float32, into: target, precision))
        }
        var freeName = (integerTypes.keys.max() ?? graph.nodes.count + graph.inputs.count) + 1
        for (position, step) in fused.enumerated() {
            let index = position + offset
            // A residual that nobody reads later is added to in place, unless the step itself reads it.
            let residual = step.residual.map(name)
            let read = reads(step)
            let target = step.target
            let inPlace =
                residual.map {
                    lastUse[$0] == index && !graph.isInput($0) && !read.contains($0)
                        && step.activationBeforeSum == nil && type(of: target) == precision
                } ?? false
            let bytes = graph.nodes[step.output].shape.elementCount * type(of: target).byteCount
            places[target] = inPlace
                ? places[residual!]!
                : arena.place(bytes, during: index...(lastUse[target] ?? index))
            if inPlace {
                arena.extend(places[residual!]!, from: index, to: lastUse[target] ?? index)
            }
            var mask: Int?
            if let wide = maskToWiden(step) {
                let count = graph.nodes[wide].shape.elementCount
                places[freeName] = arena.place(count * ElementType.float32.byteCount, during: index...index)
                compiled.append(conversion(of: wide, count: count, from: precision, into: freeName, .float32))
                mask = freeName
                freeName += 1
            }
            compiled.append(compile(step, inPlace: inPlace, widenedMask: mask))
        }
        return (compiled, places, arena.byteCount)
    }

    /// The mask of an attention, if it is computed in reduced precision: kernels read it as `float32`.
    private func maskToWiden(_ step: FusedStep) -> Int? {
        guard case .attention = step.work, step.operands.count > 3, case .value(let mask) = step.operands[3],
            precision != .float32, !graph.isInput(mask)
        else { return nil }
        return mask
    }

    /// A name for the weights of `step`: programs share those of equal steps in graphs of one structure alone.
    func key(of step: FusedStep) -> Int { structure &+ step.origin }

    /// The value under whose name the bytes of `value` stand, an input's in the program's precision.
    func name(_ value: Int) -> Int {
        let root = graph.root(of: value)
        let isConverted = graph.isInput(root) && graph.inputs[root].type != precision
            && graph.inputs[root].type.isFloatingPoint
        return isConverted ? graph.nodes.count + root : root
    }

    /// The name of what `step` reads as operand `position`, unless that is a constant.
    func name(ofOperand position: Int, of step: FusedStep) -> Int? {
        if position == 0, let source = step.quantized?.source { return source.value }
        guard case .value(let value) = step.operands[position] else { return nil }
        return step.readsInputsAsGiven(at: position) ? graph.root(of: value) : name(value)
    }

    /// The values that `step` reads, but for its residual.
    private func reads(_ step: FusedStep) -> [Int] { step.operands.indices.compactMap { name(ofOperand: $0, of: step) } }

    /// What a value is held in.
    func type(of value: Int) -> ElementType {
        graph.isInput(value) ? graph.inputs[value].type : integerTypes[value] ?? precision
    }

    /// Element `start` of a value, as an argument of a primitive.
    func value(_ value: Int, _ start: Int) -> CompiledStep.Source {
        .value(value, byteOffset: start * type(of: value).byteCount)
    }
}

extension FusedStep {
    /// Whether operand `position` is wanted in an input's own type where it is an input, not in the program's precision.
    fileprivate func readsInputsAsGiven(at position: Int) -> Bool {
        switch work {
        case .encoding, .plain: true
        case .attention: position == 3
        case .convolution, .linear, .globalMean, .layerNorm, .joining: false
        }
    }
}
