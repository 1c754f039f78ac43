import PandoTensor

/// One size of a value: a number, or so many for each element of a batch whose size is open.
struct Extent: Hashable, Sendable {
    var count: Int
    var isPerElement = false

    static let one = Extent(count: 1)

    /// What two batches of 2 and 3 elements have in common; `nil` if the size is neither fixed nor proportional.
    init?(_ two: Int, _ three: Int) {
        if two == three {
            self.init(count: two)
        } else {
            guard two % 2 == 0, two / 2 * 3 == three else { return nil }
            self.init(count: two / 2, isPerElement: true)
        }
    }

    init(count: Int, isPerElement: Bool = false) {
        (self.count, self.isPerElement) = (count, isPerElement)
    }
}

/// What a function does to a batch of any size, or of one.
///
/// A trace knows sizes as numbers. Two traces of batches of 2 and of 3 elements tell which of them, and which
/// constants, follow the batch.
struct BatchTrace {
    enum Operand {
        case value(Int)
        case constant(BatchConstant)
    }

    struct Step {
        let operation: TracedOperation
        let operands: [Operand]
        let shape: [Extent]
    }

    private(set) var steps: [Step] = []
    let outputs: [Int]

    /// A function of a batch of `count`.
    init(of count: Int, shape: [Int], _ function: (Tensor) -> [Tensor]) {
        let graph = TracedGraph(tracing: [count] + shape, function)
        outputs = graph.outputs
        steps = graph.steps.map { step in
            Step(
                operation: step.operation,
                operands: step.operands.map { operand in
                    switch operand {
                    case .value(let index): .value(index)
                    case .constant(let tensor): .constant(BatchConstant(tensor))
                    }
                }, shape: step.shape.map { Extent(count: $0) })
        }
    }

    /// A function of batches of any size.
    /// - Throws: `ONNXExportError` if batches of 2 and 3 go different ways.
    init(ofAnyCountWithShape shape: [Int], _ function: (Tensor) -> [Tensor]) throws(ONNXExportError) {
        let two = TracedGraph(tracing: [2] + shape, function)
        let three = TracedGraph(tracing: [3] + shape, function)
        guard two.steps.count == three.steps.count, two.outputs == three.outputs else {
            throw ONNXExportError(
                "the network does other operations for other batch sizes; export it for a batch of one size")
        }
        outputs = two.outputs
        var problems: [String] = []
        for (first, second) in zip(two.steps, three.steps) {
            let extents = zip(first.shape, second.shape).map { Extent($0, $1) }
            guard first.shape.count == second.shape.count, first.operands.count == second.operands.count,
                let operation = Self.common(first.operation, second.operation), extents.allSatisfy({ $0 != nil })
            else {
                problems.append(
                    "\(first.operation.name) depends on the batch size in a way that an open size cannot follow (\(first.shape) for 2, \(second.shape) for 3); export it for a batch of one size"
                )
                continue
            }
            var operands: [Operand] = []
            for pair in zip(first.operands, second.operands) {
                switch pair {
                case (.value(let left), .value(let right)) where left == right: operands.append(.value(left))
                case (.constant(let left), .constant(let right)):
                    guard let constant = BatchConstant(left, right) else { fallthrough }
                    operands.append(.constant(constant))
                default:
                    problems.append(
                        "\(first.operation.name) reads numbers that depend on the batch size; export it for a batch of one size")
                }
            }
            steps.append(Step(operation: operation, operands: operands, shape: extents.compactMap(\.self)))
        }
        if !problems.isEmpty { throw ONNXExportError(problems) }
    }

    /// The operation that both are; a slice up to the end of the batch is one without an end.
    private static func common(_ first: TracedOperation, _ second: TracedOperation) -> TracedOperation? {
        if first == second { return first }
        guard case .slice(let axis, let two, let step) = first, case .slice(axis, let three, step) = second,
            two.lowerBound == three.lowerBound, two.count * 3 == three.count * 2
        else { return nil }
        return .slice(axis: axis, range: two.lowerBound..<Int.max, step: step)
    }
}

/// A constant, perhaps one that is repeated for each element of a batch.
struct BatchConstant {
    /// What is repeated.
    let tensor: Tensor
    /// Axes along which it stands once for each element of the batch.
    let repeatedAxes: [Int]

    init(_ tensor: Tensor) {
        self.tensor = tensor
        repeatedAxes = []
    }

    init(_ tensor: Tensor, repeatedAlong axes: [Int]) {
        self.tensor = tensor
        repeatedAxes = axes
    }

    /// What the constants of batches of 2 and 3 have in common; `nil` if they are something else altogether.
    init?(_ two: Tensor, _ three: Tensor) {
        guard two.rank == three.rank, two.elementType == three.elementType else { return nil }
        var part = two
        var axes: [Int] = []
        for axis in two.shape.indices {
            guard let extent = Extent(two.shape[axis], three.shape[axis]) else { return nil }
            if extent.isPerElement {
                axes.append(axis)
                part = part.slice(0..<extent.count, along: axis)
            }
        }
        func isRepeated(in whole: Tensor, _ count: Int) -> Bool {
            let repeated = part.repeated(part.shape.indices.map { axes.contains($0) ? count : 1 })
            return repeated.hasSameElements(as: whole)
        }
        guard two.isSameView(as: three) || (isRepeated(in: two, 2) && isRepeated(in: three, 3)) else { return nil }
        self.init(part, repeatedAlong: axes)
    }

    var shape: [Extent] {
        tensor.shape.enumerated().map { Extent(count: $1, isPerElement: repeatedAxes.contains($0)) }
    }
}

extension Tensor {
    /// Whether both hold the same numbers, what is not a number included.
    fileprivate func hasSameElements(as other: Tensor) -> Bool {
        guard shape == other.shape, elementType == other.elementType else { return false }
        if elementType.isFloatingPoint {
            let pairs = zip(cast(to: .float32).scalars(), other.cast(to: .float32).scalars())
            return pairs.allSatisfy { $0.bitPattern == $1.bitPattern }
        }
        return cast(to: .int64).scalars(as: Int64.self) == other.cast(to: .int64).scalars(as: Int64.self)
    }
}

extension TracedOperation {
    /// Its name in messages.
    var name: String {
        switch self {
        case .other(let name): name
        case .activation(let activation): String("\(activation)".prefix { $0 != "(" })
        case .function(let function): "\(function)"
        case .combination(let combination): "\(combination)"
        default: String("\(self)".prefix { $0 != "(" })
        }
    }
}
