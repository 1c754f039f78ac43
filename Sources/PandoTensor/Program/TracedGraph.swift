/// What a function of one value does, operation by operation, in the order in which values come about: the form in
/// which it can be told to other programs.
package struct TracedGraph: Sendable {
    /// An operand of an operation.
    package enum Operand: Sendable {
        /// The value that step `index` computes.
        case value(Int)
        case constant(Tensor)
    }

    /// One operation and the shape of what it computes.
    package struct Step: Sendable {
        package let operation: TracedOperation
        package let operands: [Operand]
        package let shape: [Int]
    }

    /// The first step is the input.
    package let steps: [Step]
    /// The steps whose values the function returns.
    package let outputs: [Int]

    /// Runs `function` once on zeros of `shape`, `float32`, and records what it does.
    /// - Precondition: every result depends on the input.
    package init(tracing shape: [Int], _ function: (Tensor) -> [Tensor]) {
        let graph = Graph(tracing: shape, function)
        steps = graph.nodes.map { node in
            let operands = node.operands.map { operand -> Operand in
                switch operand {
                case .value(let index): .value(index)
                case .constant(let tensor): .constant(tensor)
                }
            }
            return Step(
                operation: node.operation.map(TracedOperation.init) ?? .input, operands: operands, shape: node.shape)
        }
        outputs = graph.outputs
    }
}

/// What a step computes, without what its operands and its shape say already.
package enum TracedOperation: Sendable, Equatable {
    /// Windows that slide over a map `[N, …, C]`; one number for each spatial axis.
    package struct Window: Sendable, Equatable {
        package let kernel, stride, dilation, paddingBefore, paddingAfter: [Int]
    }

    package enum Pooling: Sendable, Equatable { case max, average, averageCountingPadding }
    package enum Reduction: Sendable, Equatable { case sum, mean, max, min }
    /// Of the last axis, which goes.
    package enum RowReduction: Sendable, Equatable { case norm(Float), product, any, all }
    /// Of two values, broadcast as in NumPy.
    package enum Combination: Sendable, Equatable {
        case add, subtract, multiply, divide, maximum, minimum, power, remainder, parametricReLU
        case greater, notLess, equal, unequal, and, or, exclusiveOr
    }
    package enum Function: Sendable, Equatable {
        case exponentialLessOne, logarithmOfOnePlus, errorFunction, cubeRoot, sign, floor, ceiling, nearest
        case sine, cosine, arctangent
    }

    case input
    /// Operands: map `[N, …, I]`, weight `[O, I / groups, k…]`, perhaps bias.
    case convolution(Window, groups: Int)
    /// Operands: map `[N, …, I]`, weight `[I, O / groups, k…]`, perhaps bias.
    case transposedConvolution(Window, groups: Int)
    case pooling(Pooling, Window)
    /// Operands: `[N, in]`, weight `[out, in]`, perhaps bias.
    case linear
    case matrixProduct
    /// Operands: query, key, value `[B, heads, N, D]`, perhaps numbers that are added to the scores.
    case attention(scale: Float, isCausal: Bool)
    /// Operands: `[N, C]`, weight, bias.
    case layerNorm(epsilon: Float)
    /// Operands: `[N, C]`, weight.
    case rootMeanSquareNorm(epsilon: Float)
    /// Operands: `[N, P, C]`, weight, bias.
    case groupNorm(groups: Int, epsilon: Float)
    /// Operands: `[N, …, C]`, mean, variance, weight, bias.
    case batchNorm(epsilon: Float)
    case softmax(axis: Int, isLogarithm: Bool)
    case activation(Activation)
    case function(Function)
    case combination(Combination)
    /// Operands: a mask, what is taken where it is not 0, what is taken elsewhere.
    case select
    case cast(ElementType)
    /// The axes stay, with size 1.
    case reduction(Reduction, axes: [Int])
    case rowReduction(RowReduction)
    case reshape
    /// Axis `i` of the result is axis `axes[i]` of the operand.
    case permute(axes: [Int])
    case broadcast
    case slice(axis: Int, range: Range<Int>, step: Int)
    case copy
    case concatenate(axis: Int)
    case gather(axis: Int)
    case gatherElements(axis: Int)
    case pad(before: [Int], after: [Int], value: Float)
    case flip(axes: [Int])
    /// Each row of the matrix `[out, in]` holds the weights of one place of the result along the axis.
    case resample(axis: Int, matrix: [Float])
    /// One that has no description here, by name.
    case other(String)
}

extension TracedOperation {
    init(_ operation: any Operation) {
        switch operation {
        case let operation as Convolution:
            self = .convolution(Window(operation.window), groups: operation.groups)
        case let operation as TransposedConvolution:
            self = .transposedConvolution(
                Window(operation.convolution.window), groups: operation.convolution.groups)
        case let operation as Pool: self = .pooling(Pooling(operation.kind), Window(operation.window))
        case is LinearMap: self = .linear
        case is MatrixProduct: self = .matrixProduct
        case let operation as Attention: self = .attention(scale: operation.scale, isCausal: operation.isCausal)
        case let operation as LayerNormalization: self = .layerNorm(epsilon: operation.epsilon)
        case let operation as RootMeanSquareNormalization: self = .rootMeanSquareNorm(epsilon: operation.epsilon)
        case let operation as GroupNormalization:
            self = .groupNorm(groups: operation.groups, epsilon: operation.epsilon)
        case let operation as BatchNormalization: self = .batchNorm(epsilon: operation.epsilon)
        case let operation as Softmax: self = .softmax(axis: operation.axis, isLogarithm: operation.logarithm)
        case let operation as Elementwise: self = .activation(operation.function)
        case let operation as Cast: self = .cast(operation.to)
        case let operation as Reduce: self = .reduction(Reduction(operation.kind), axes: operation.axes)
        case let operation as Norm: self = .rowReduction(.norm(operation.order))
        case is Product: self = .rowReduction(.product)
        case let operation as Quantifier: self = .rowReduction(operation == .any ? .any : .all)
        default: self = Self.combination(of: operation) ?? Self.function(of: operation) ?? Self.movement(of: operation)
        }
    }

    private static func combination(of operation: any Operation) -> TracedOperation? {
        switch operation {
        case is Add: .combination(.add)
        case is Subtract: .combination(.subtract)
        case is Multiply: .combination(.multiply)
        case is Divide: .combination(.divide)
        case is Power: .combination(.power)
        case is Remainder: .combination(.remainder)
        case is ParametricReLU: .combination(.parametricReLU)
        case let operation as Extremum: .combination(operation.takesLarger ? .maximum : .minimum)
        case let operation as Comparison:
            switch operation {
            case .greater: .combination(.greater)
            case .notLess: .combination(.notLess)
            case .equal: .combination(.equal)
            case .unequal: .combination(.unequal)
            }
        case let operation as Logic:
            switch operation {
            case .and: .combination(.and)
            case .or: .combination(.or)
            case .exclusiveOr: .combination(.exclusiveOr)
            }
        case is Select: .select
        default: nil
        }
    }

    private static func function(of operation: any Operation) -> TracedOperation? {
        switch operation {
        case let operation as PandoTensor.Function:
            switch operation {
            case .exponentialLessOne: .function(.exponentialLessOne)
            case .logarithmOfOnePlus: .function(.logarithmOfOnePlus)
            case .errorFunction: .function(.errorFunction)
            case .cubeRoot: .function(.cubeRoot)
            case .sign: .function(.sign)
            case .floor: .function(.floor)
            case .ceiling: .function(.ceiling)
            case .nearest: .function(.nearest)
            }
        case let operation as CircularFunction: .function(operation == .sine ? .sine : .cosine)
        case is Arctangent: .function(.arctangent)
        default: nil
        }
    }

    private static func movement(of operation: any Operation) -> TracedOperation {
        switch operation {
        case is Reshape: .reshape
        case let operation as Permute: .permute(axes: operation.axes)
        case is Broadcast: .broadcast
        case let operation as Slice: .slice(axis: operation.axis, range: operation.range, step: operation.step)
        case is Contiguous: .copy
        case let operation as Concatenate: .concatenate(axis: operation.axis)
        case let operation as Gather: .gather(axis: operation.axis)
        case let operation as GatherElements: .gatherElements(axis: operation.axis)
        case let operation as ConstantPad:
            .pad(before: operation.before, after: operation.after, value: operation.value)
        case let operation as Flip: .flip(axes: operation.axes.sorted())
        case let operation as Resample: .resample(axis: operation.axis, matrix: operation.taps.matrix)
        default: .other("\(type(of: operation))")
        }
    }
}

extension TracedOperation.Window {
    init(_ window: PrimitiveRecipe.Window) {
        self.init(
            kernel: window.kernel, stride: window.stride, dilation: window.dilation,
            paddingBefore: window.paddingBefore, paddingAfter: window.paddingAfter)
    }
}

extension TracedOperation.Pooling {
    init(_ kind: PrimitiveRecipe.Pooling) {
        switch kind {
        case .max, .maxKeepingPositions: self = .max
        case .average: self = .average
        case .averageCountingPadding: self = .averageCountingPadding
        }
    }
}

extension TracedOperation.Reduction {
    init(_ kind: PrimitiveRecipe.Reduction) {
        switch kind {
        case .sum: self = .sum
        case .mean: self = .mean
        case .max: self = .max
        case .min: self = .min
        }
    }
}

extension Tensor {
    /// Whether both are the same elements of the same storage, seen alike.
    package func isSameView(as other: Tensor) -> Bool {
        storage === other.storage && offset == other.offset && shape == other.shape && strides == other.strides
            && elementType == other.elementType
    }
}

extension Taps {
    /// The weights as a matrix `[outputSize, inputSize]`, row by row.
    fileprivate var matrix: [Float] {
        var matrix = [Float](repeating: 0, count: outputSize * inputSize)
        for output in 0..<outputSize {
            for tap in starts[output]..<starts[output + 1] { matrix[output * inputSize + pixels[tap]] += weights[tap] }
        }
        return matrix
    }
}
