import PandoTensor

extension GraphWriter {
    mutating func elementwise(_ step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        switch step.operation {
        case .activation(let activation):
            return try mapped(step) { writer, x in writer.activation(activation, x) }
        case .function(let function):
            return try mapped(step) { writer, x in writer.function(function, x) }
        case .cast(let type):
            let value = try value(of: step.operands[0])
            // Numbers are float32 in the file, whatever their precision was.
            let wanted: ElementType = type.isFloatingPoint ? .float32 : type
            guard wanted == .float32 || wanted == .bool else {
                throw ONNXExportError("values of type \(type) have no equal in an exported model")
            }
            return cast(value, to: wanted)
        case .combination(let combination): return try combined(step, combination)
        case .select: return try selected(step)
        default: throw ONNXExportError("\(step.operation.name) is not element-wise")
        }
    }

    /// A function of one value, which may stay to be arranged and reshaped.
    private mutating func mapped(_ step: BatchTrace.Step, _ write: (inout GraphWriter, String) -> String)
        throws(ONNXExportError) -> ExportedValue
    {
        var result = try value(of: step.operands[0])
        result.name = write(&self, result.name)
        return result
    }

    mutating func cast(_ value: ExportedValue, to type: ElementType) -> ExportedValue {
        if value.type == type { return value }
        var result = value
        result.type = type
        result.name = add("Cast", [value.name], ["to": .integer(ONNXElementType(type).rawValue)])
        return result
    }

    private mutating func activation(_ activation: Activation, _ x: String) -> String {
        switch activation {
        case .relu: return add("Relu", [x])
        case .leakyReLU(let slope): return add("LeakyRelu", [x], ["alpha": .float(slope)])
        case .elu(let alpha): return add("Elu", [x], ["alpha": .float(alpha)])
        case .clamp(let lower, let upper):
            var inputs = [x, lower == -.infinity ? "" : number(lower)]
            if upper != .infinity { inputs.append(number(upper)) }
            return add("Clip", inputs)
        case .gelu:
            let error = add("Erf", [add("Div", [x, number(Float(2).squareRoot())])])
            let product = add("Mul", [x, add("Add", [error, number(1)])])
            return add("Mul", [product, number(0.5)])
        case .geluTanh:
            let cube = add("Mul", [add("Mul", [x, x]), x])
            let inner = add("Add", [x, add("Mul", [cube, number(0.044715)])])
            let bent = add("Tanh", [add("Mul", [inner, number((2 / Float.pi).squareRoot())])])
            return add("Mul", [add("Mul", [x, number(0.5)]), add("Add", [bent, number(1)])])
        case .silu: return add("Mul", [x, add("Sigmoid", [x])])
        case .quickGELU: return add("Mul", [x, add("Sigmoid", [add("Mul", [x, number(1.702)])])])
        case .mish: return add("Mul", [x, add("Tanh", [add("Softplus", [x])])])
        case .hardSigmoid: return add("HardSigmoid", [x], ["alpha": .float(1 / 6), "beta": .float(0.5)])
        case .hardSwish: return add("HardSwish", [x])
        case .sigmoid: return add("Sigmoid", [x])
        case .tanh: return add("Tanh", [x])
        case .exp: return add("Exp", [x])
        case .log: return add("Log", [x])
        case .squareRoot: return add("Sqrt", [x])
        case .square: return add("Mul", [x, x])
        case .absolute: return add("Abs", [x])
        case .softplus: return add("Softplus", [x])
        case .linear(let scale, let shift):
            let scaled = scale == 1 ? x : add("Mul", [x, number(scale)])
            return shift == 0 ? scaled : add("Add", [scaled, number(shift)])
        case .power(-1): return add("Reciprocal", [x])
        case .power(let exponent): return add("Pow", [x, number(exponent)])
        }
    }

    private mutating func function(_ function: TracedOperation.Function, _ x: String) -> String {
        switch function {
        case .exponentialLessOne: add("Sub", [add("Exp", [x]), number(1)])
        case .logarithmOfOnePlus: add("Log", [add("Add", [x, number(1)])])
        case .errorFunction: add("Erf", [x])
        case .cubeRoot: add("Mul", [add("Sign", [x]), add("Pow", [add("Abs", [x]), number(1 / 3)])])
        case .sign: add("Sign", [x])
        case .floor: add("Floor", [x])
        case .ceiling: add("Ceil", [x])
        case .nearest: add("Round", [x])
        case .sine: add("Sin", [x])
        case .cosine: add("Cos", [x])
        case .arctangent: add("Atan", [x])
        }
    }

    // MARK: Two values

    private mutating func combined(_ step: BatchTrace.Step, _ combination: TracedOperation.Combination)
        throws(ONNXExportError) -> ExportedValue
    {
        var (names, result) = try together(step.operands, step.shape)
        switch combination {
        case .add: result.name = add("Add", names)
        case .subtract: result.name = add("Sub", names)
        case .multiply: result.name = add("Mul", names)
        case .divide: result.name = add("Div", names)
        case .maximum: result.name = add("Max", names)
        case .minimum: result.name = add("Min", names)
        case .power: result.name = add("Pow", names)
        case .parametricReLU: result.name = add("PRelu", names)
        case .remainder:
            let whole = add("Floor", [add("Div", names)])
            result.name = add("Sub", [names[0], add("Mul", [whole, names[1]])])
        case .greater, .notLess, .equal, .unequal, .and, .or, .exclusiveOr:
            let isLogic = combination == .and || combination == .or || combination == .exclusiveOr
            for (place, operand) in step.operands.enumerated() {
                let type = type(of: operand)
                let wanted: ElementType = isLogic ? .bool : .float32
                if type != wanted {
                    names[place] = add("Cast", [names[place]], ["to": .integer(ONNXElementType(wanted).rawValue)])
                }
            }
            result.type = .bool
            switch combination {
            case .greater: result.name = add("Greater", names)
            case .notLess: result.name = add("GreaterOrEqual", names)
            case .equal: result.name = add("Equal", names)
            case .unequal: result.name = add("Not", [add("Equal", names)])
            case .and: result.name = add("And", names)
            case .or: result.name = add("Or", names)
            default: result.name = add("Xor", names)
            }
        }
        return result
    }

    private mutating func selected(_ step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        var (names, result) = try together(step.operands, step.shape)
        if type(of: step.operands[0]) != .bool {
            names[0] = add("Cast", [names[0]], ["to": .integer(ONNXElementType.bool.rawValue)])
        }
        result.name = add("Where", names)
        result.type = .float32
        return result
    }

    private func type(of operand: BatchTrace.Operand) -> ElementType {
        switch operand {
        case .value(let index): values[index]!.type
        case .constant(let constant):
            constant.tensor.elementType.isFloatingPoint ? .float32 : constant.tensor.elementType
        }
    }

    /// Operands that are broadcast against one another, with their axes in one order: their names, and the result
    /// without its name.
    private mutating func together(_ operands: [BatchTrace.Operand], _ shape: [Extent]) throws(ONNXExportError)
        -> (names: [String], result: ExportedValue)
    {
        var values: [ExportedValue?] = []
        for operand in operands {
            if case .value(let index) = operand { values.append(self.values[index]!) } else { values.append(nil) }
        }
        let present = values.compactMap(\.self)
        // Beside single numbers, or all alike, they may stay to be arranged and reshaped.
        if let first = present.first, first.shape == shape,
            present.allSatisfy({ $0.stored == first.stored && $0.layout == first.layout && $0.shape == first.shape }),
            operands.allSatisfy({ if case .constant(let number) = $0 { number.tensor.elementCount == 1 } else { true } })
        {
            var names: [String] = []
            for (operand, value) in zip(operands, values) {
                if case .constant(let constant) = operand {
                    names.append(self.constant(constant.tensor.reshaped([]), "number"))
                } else {
                    names.append(value!.name)
                }
            }
            return (names, first)
        }
        // All take the order of the largest.
        var layout = Array(shape.indices)
        if present.allSatisfy({ $0.shape.count == shape.count }),
            let largest = present.max(by: { $0.shape.weight < $1.shape.weight })
        {
            layout = try settled(largest).layout
        }
        var names: [String] = []
        for (operand, value) in zip(operands, values) {
            switch operand {
            case .value:
                names.append(
                    try value!.shape.count == shape.count ? arranged(value!, layout).name : inOrder(value!).name)
            case .constant(let constant): names.append(broadcastable(constant, layout))
            }
        }
        return (names, .arranged("", shape, layout, present.first?.type ?? .float32))
    }

    /// A constant that is broadcast against a value whose axes stand in the order `layout`.
    private mutating func broadcastable(_ constant: BatchConstant, _ layout: [Int]) -> String {
        let tensor = constant.tensor
        let lead = layout.count - tensor.rank
        guard lead >= 0 else { return placed(constant, Array(tensor.shape.indices), "constant") }
        // What stands once for each element of the batch, and is the same for all, is broadcast anyway.
        let repeated = constant.repeatedAxes.filter { tensor.shape[$0] != 1 }.map { $0 + lead }
        if layout == Array(layout.indices), repeated.isEmpty { return self.constant(tensor, "constant") }
        let full = BatchConstant(
            tensor.reshaped([Int](repeating: 1, count: lead) + tensor.shape), repeatedAlong: repeated)
        if repeated.isEmpty {
            let shape = layout.map { full.tensor.shape[$0] }
            let places = full.tensor.permuted(layout)
            return self.constant(places.reshaped(Array(shape.drop { $0 == 1 })), "constant")
        }
        return placed(full, layout, "constant")
    }
}

extension ONNXElementType {
    /// How the file stores values of a type that are written as `float32`, `int64` or `bool`.
    init(_ type: ElementType) {
        switch type {
        case .int64: self = .int64
        case .bool: self = .bool
        default: self = .float
        }
    }
}
