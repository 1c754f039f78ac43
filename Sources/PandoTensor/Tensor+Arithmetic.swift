// Element-wise arithmetic of two tensors, broadcast as in NumPy.

extension Tensor {
    public static func + (left: Tensor, right: Tensor) -> Tensor { .applying(Add(), to: left, right) }
    public static func - (left: Tensor, right: Tensor) -> Tensor { .applying(Subtract(), to: left, right) }
    public static func * (left: Tensor, right: Tensor) -> Tensor { .applying(Multiply(), to: left, right) }
    public static func / (left: Tensor, right: Tensor) -> Tensor { .applying(Divide(), to: left, right) }

    public static func + (left: Tensor, right: Float) -> Tensor { left.applying(.linear(scale: 1, shift: right)) }
    public static func - (left: Tensor, right: Float) -> Tensor { left + -right }
    public static func * (left: Tensor, right: Float) -> Tensor { left.applying(.linear(scale: right, shift: 0)) }
    public static func / (left: Tensor, right: Float) -> Tensor { left * (1 / right) }
    public static func + (left: Float, right: Tensor) -> Tensor { right + left }
    public static func - (left: Float, right: Tensor) -> Tensor { right.applying(.linear(scale: -1, shift: left)) }
    public static func * (left: Float, right: Tensor) -> Tensor { right * left }
    public static func / (left: Float, right: Tensor) -> Tensor { right.applying(.power(-1)) * left }
    public static prefix func - (tensor: Tensor) -> Tensor { tensor * -1 }

    /// The larger of the two, element by element; where they are equal each gets half of the gradient.
    public static func maximum(_ left: Tensor, _ right: Tensor) -> Tensor {
        .applying(Extremum(takesLarger: true), to: left, right)
    }

    /// The smaller of the two, element by element; where they are equal each gets half of the gradient.
    public static func minimum(_ left: Tensor, _ right: Tensor) -> Tensor {
        .applying(Extremum(takesLarger: false), to: left, right)
    }
}

struct Add: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        let (left, right) = (inputs[0], inputs[1])
        if left.elementType == .bfloat16, right.elementType == .bfloat16, left.shape == right.shape,
            left.isContiguous, right.isContiguous
        {
            return left.addedInBFloat16(right)
        }
        return combine(left, right) { $0 + $1 }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        zip(saved.inputShapes, saved.wanted).map { $1 ? gradient.summed(toShape: $0) : nil }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Subtract: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { combine(inputs[0], inputs[1]) { $0 - $1 } }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [
            saved.wanted[0] ? gradient.summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1] ? (-gradient).summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Multiply: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { combine(inputs[0], inputs[1]) { $0 * $1 } }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [
            saved.wanted[0] ? (gradient * saved.input(1)).summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1] ? (gradient * saved.input(0)).summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some((wanted[0] ? [1] : []) + (wanted[1] ? [0] : [])) }
}

struct Divide: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { combine(inputs[0], inputs[1]) { $0 / $1 } }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let share = gradient / saved.input(1)
        return [
            saved.wanted[0] ? share.summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1]
                ? (share * (saved.input(0) / saved.input(1)) * -1).summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { wanted[1] ? .inputs : .some([1]) }
}

struct Extremum: Operation {
    let takesLarger: Bool

    func forward(_ inputs: [Tensor]) -> Tensor {
        takesLarger
            ? combine(inputs[0], inputs[1]) { $0 > $1 || $0.isNaN ? $0 : $1 }
            : combine(inputs[0], inputs[1]) { $0 < $1 || $0.isNaN ? $0 : $1 }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let takesLarger = takesLarger
        let share = combine(saved.input(0), saved.input(1)) {
            $0 == $1 ? 0.5 : (($0 > $1) == takesLarger ? 1 : 0)
        }
        return [
            saved.wanted[0] ? (gradient * share).summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1] ? (gradient * (1 - share)).summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }
}

/// The shape that both broadcast to, as in NumPy.
func broadcastShape(_ left: [Int], _ right: [Int], _ operation: @autoclosure () -> String) -> [Int] {
    if left == right { return left }
    let rank = max(left.count, right.count)
    return (0..<rank).map { axis in
        let first = axis < rank - left.count ? 1 : left[axis - (rank - left.count)]
        let second = axis < rank - right.count ? 1 : right[axis - (rank - right.count)]
        require(
            first == second || first == 1 || second == 1,
            "\(operation()): shapes \(left) and \(right) do not broadcast")
        return first == 1 ? second : first
    }
}

/// `function` of the elements of both tensors, broadcast; computed in f32, stored as the wider of both types.
/// - Precondition: one of them holds floating-point numbers; whole numbers would lose digits unseen.
@inline(__always)
func combine(_ left: Tensor, _ right: Tensor, _ function: (Float, Float) -> Float) -> Tensor {
    require(
        left.elementType.isFloatingPoint || right.elementType.isFloatingPoint,
        "element-wise operation: \(left.elementType) and \(right.elementType) hold whole numbers; cast one to float32")
    let type = left.elementType == right.elementType ? left.elementType : .float32
    return combineElements(left.cast(to: .float32), right.cast(to: .float32), function).cast(to: type)
}

@inline(__always)
func combineElements<Input: TensorScalar, Output: TensorScalar>(
    _ left: Tensor, _ right: Tensor, _ function: (Input, Input) -> Output
) -> Tensor {
    let shape = broadcastShape(left.shape, right.shape, "element-wise operation")
    let left = left.broadcast(to: shape)
    let right = right.broadcast(to: shape)
    return withExtendedLifetime((left.storage, right.storage)) {
        Tensor(unsafeUninitialized: shape, of: Output.self) { output in
            guard let result = output.baseAddress, !output.isEmpty else { return }
            let first = left.pointer(as: Input.self)
            let second = right.pointer(as: Input.self)
            if left.isContiguous && right.isContiguous {
                for index in 0..<output.count { result[index] = function(first[index], second[index]) }
                return
            }
            var position = 0
            forEachRow(shape, left.strides, right.strides) { count, start, step, otherStart, otherStep in
                let (x, y, to) = (first + start, second + otherStart, result + position)
                switch (step, otherStep) {
                case (1, 1): for index in 0..<count { to[index] = function(x[index], y[index]) }
                case (1, 0): for index in 0..<count { to[index] = function(x[index], y[0]) }
                case (0, 1): for index in 0..<count { to[index] = function(x[0], y[index]) }
                default: for index in 0..<count { to[index] = function(x[index * step], y[index * otherStep]) }
                }
                position += count
            }
        }
    }
}
