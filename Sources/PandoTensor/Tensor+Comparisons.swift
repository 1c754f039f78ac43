// Comparisons and logic: `bool` tensors, element by element, broadcast as in NumPy.

extension Tensor {
    public static func .== (left: Tensor, right: Tensor) -> Tensor { .applying(Comparison.equal, to: left, right) }
    public static func .!= (left: Tensor, right: Tensor) -> Tensor { .applying(Comparison.unequal, to: left, right) }
    public static func .> (left: Tensor, right: Tensor) -> Tensor { .applying(Comparison.greater, to: left, right) }
    public static func .>= (left: Tensor, right: Tensor) -> Tensor { .applying(Comparison.notLess, to: left, right) }
    public static func .< (left: Tensor, right: Tensor) -> Tensor { right .> left }
    public static func .<= (left: Tensor, right: Tensor) -> Tensor { right .>= left }

    public static func .== (left: Tensor, right: Float) -> Tensor { left .== left.peer(right) }
    public static func .!= (left: Tensor, right: Float) -> Tensor { left .!= left.peer(right) }
    public static func .> (left: Tensor, right: Float) -> Tensor { left .> left.peer(right) }
    public static func .>= (left: Tensor, right: Float) -> Tensor { left .>= left.peer(right) }
    public static func .< (left: Tensor, right: Float) -> Tensor { left .< left.peer(right) }
    public static func .<= (left: Tensor, right: Float) -> Tensor { left .<= left.peer(right) }

    /// Where both hold; numbers other than 0 hold.
    public static func .& (left: Tensor, right: Tensor) -> Tensor { .applying(Logic.and, to: left, right) }
    /// Where at least one holds; numbers other than 0 hold.
    public static func .| (left: Tensor, right: Tensor) -> Tensor { .applying(Logic.or, to: left, right) }
    /// Where exactly one holds; numbers other than 0 hold.
    public static func .^ (left: Tensor, right: Tensor) -> Tensor { .applying(Logic.exclusiveOr, to: left, right) }
    /// Where it does not hold; numbers other than 0 hold.
    public static prefix func .! (tensor: Tensor) -> Tensor { .applying(Logic.exclusiveOr, to: tensor, Tensor(true)) }

    /// Where elements are numbers and not infinite: a `bool` tensor (`torch.isfinite`).
    public func finiteMask() -> Tensor { (self - self) .== 0 }

    /// Where elements are infinite, of either sign: a `bool` tensor (`torch.isinf`).
    public func infiniteMask() -> Tensor { absolute() .== .infinity }

    /// Where elements are not numbers: a `bool` tensor (`torch.isnan`).
    public func nanMask() -> Tensor { self .!= self }

    /// `number` as a tensor to compare with: whole numbers stay exact among whole numbers.
    private func peer(_ number: Float) -> Tensor {
        guard !elementType.isFloatingPoint, let whole = Int64(exactly: number) else { return Tensor(number) }
        return Tensor(whole)
    }
}

/// Whole numbers are compared exactly, all else as `float32`; nothing but `unequal` holds for what is not a number.
enum Comparison: Operation {
    case greater, notLess, equal, unequal

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (left, right) = (inputs[0], inputs[1])
        if left.elementType.isFloatingPoint || right.elementType.isFloatingPoint {
            return compared(left.cast(to: .float32), right.cast(to: .float32), as: Float.self)
        }
        return compared(left.cast(to: .int64), right.cast(to: .int64), as: Int64.self)
    }

    @inline(__always)
    private func compared<Scalar: TensorScalar & Comparable>(_ left: Tensor, _ right: Tensor, as type: Scalar.Type)
        -> Tensor
    {
        switch self {
        case .greater: combineElements(left, right) { (a: Scalar, b: Scalar) in a > b }
        case .notLess: combineElements(left, right) { (a: Scalar, b: Scalar) in a >= b }
        case .equal: combineElements(left, right) { (a: Scalar, b: Scalar) in a == b }
        case .unequal: combineElements(left, right) { (a: Scalar, b: Scalar) in a != b }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [nil, nil] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

/// Logic on `bool` values; in a program, where all values are numbers, those other than 0 hold.
enum Logic: Operation {
    case and, or, exclusiveOr

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (left, right) = (inputs[0].cast(to: .bool), inputs[1].cast(to: .bool))
        return switch self {
        case .and: combineElements(left, right) { (a: Bool, b: Bool) in a && b }
        case .or: combineElements(left, right) { (a: Bool, b: Bool) in a || b }
        case .exclusiveOr: combineElements(left, right) { (a: Bool, b: Bool) in a != b }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [nil, nil] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
