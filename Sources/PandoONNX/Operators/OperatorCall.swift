import PandoTensor

/// A node that is about to run, with its inputs.
///
/// What a file says is checked before a tensor operation sees it: those stop the program where shapes do not fit.
struct OperatorCall {
    let node: ONNXNode
    /// `nil` where an optional input is left out.
    let inputs: [ONNXValue?]
    let operatorSet: Int

    /// Elements that one value may have: a GiB of numbers, which no frozen network comes near for a batch that fits.
    static let elementLimit = 1 << 28

    func fault(_ text: String, _ kind: ONNXError.Problem.Kind = .shape) -> NodeFault {
        NodeFault(problem: node.problem(kind, text))
    }

    func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
        if !condition { throw fault(text()) }
    }

    func optional(_ index: Int) -> ONNXValue? { index < inputs.count ? inputs[index] : nil }

    func value(_ index: Int) throws -> ONNXValue {
        guard let value = optional(index) else { throw fault("input \(index) is missing", .graph) }
        return value
    }

    /// Input `index`, which holds floating-point numbers.
    func floats(_ index: Int) throws -> ONNXValue {
        let value = try value(index)
        try expect(value.kind == .float, "input \(index) holds \(value.kind.name), expected floating-point numbers")
        return value
    }

    /// The tensor of input `index` in the graph's order of axes, of floating-point numbers and of this shape.
    func parameter(_ index: Int, _ shape: [Int]) throws -> Tensor {
        let value = try floats(index)
        try expect(value.shape == shape, "input \(index) has shape \(value.shape), expected \(shape)")
        return value.tensor
    }

    /// The elements of input `index`: whole numbers that do not depend on the model's inputs.
    func integers(_ index: Int) throws -> [Int] { try integers(value(index), index) }

    func optionalIntegers(_ index: Int) throws -> [Int]? { try optional(index).map { try integers($0, index) } }

    private func integers(_ value: ONNXValue, _ index: Int) throws -> [Int] {
        try expect(value.kind == .integer, "input \(index) holds \(value.kind.name), expected whole numbers")
        guard !value.isTraced else {
            throw fault("input \(index) depends on what the model is given; a frozen program needs it beforehand")
        }
        return value.tensor.scalars(as: Int64.self).map { Int($0) }
    }

    /// `axis` counted from the front.
    func axis(_ axis: Int, rank: Int) throws -> Int {
        let positive = axis < 0 ? axis + rank : axis
        try expect((0..<rank).contains(positive), "axis \(axis) does not exist among \(rank)")
        return positive
    }

    /// Axes counted from the front, each once.
    func axes(_ axes: [Int], rank: Int) throws -> [Int] {
        let positive = try axes.map { try axis($0, rank: rank) }
        try expect(Set(positive).count == positive.count, "axes \(axes) name one twice")
        return positive
    }

    /// Checks that a value of this shape can be made.
    func expectRoom(_ shape: [Int]) throws {
        try expect(
            TensorReader.count(shape, limit: Self.elementLimit) != nil,
            "the result would have shape \(shape): a negative size, or more than \(Self.elementLimit) elements")
    }

    /// Stops what only runs outside of programs.
    func expectKnown(_ value: ONNXValue) throws {
        try expect(!value.isTraced, "it chooses by the values that the model is given, which a frozen program cannot")
    }
}

extension ONNXValue {
    /// The tensor, in a type that programs compute in: in them whole numbers are `float32` too.
    var numbers: Tensor { isTraced && !stored.elementType.isFloatingPoint ? stored.cast(to: .float32) : stored }

    /// The value with such a tensor.
    var numeric: ONNXValue { with(numbers) }
}

/// What computes an operator.
typealias OperatorImplementation = @Sendable (OperatorCall) throws -> [ONNXValue]

/// The operators that are known.
enum OperatorTable {
    private static let all: [String: OperatorImplementation] = [
        elementwise, arithmetic, shapes, indexing, making, networks, reductions, fused,
    ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }

    static func implementation(of node: ONNXNode) -> OperatorImplementation? { all[node.label] }

    /// Names of ONNX's own operators that are supported, in order.
    static var names: [String] { all.keys.filter { !$0.hasPrefix(ONNXNode.fusedDomain + ".") }.sorted() }
}
