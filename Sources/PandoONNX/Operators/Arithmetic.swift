import Foundation
import PandoTensor

/// A function of two numbers.
enum Arithmetic {
    case add, subtract, multiply, divide, power, maximum, minimum
    /// The remainder with the divisor's sign, or with the dividend's.
    case remainder, truncatedRemainder

    func callAsFunction(_ left: Tensor, _ right: Tensor) -> Tensor {
        switch self {
        case .add: left + right
        case .subtract: left - right
        case .multiply: left * right
        case .divide: left / right
        case .power: left.power(right)
        case .maximum: .maximum(left, right)
        case .minimum: .minimum(left, right)
        case .remainder: left.remainder(right)
        // The divisor with the dividend's sign leaves a rest of that sign.
        case .truncatedRemainder:
            left.absolute().remainder(right.absolute()) * left.sign()
        }
    }

    /// With one of the two known and the same for all elements, as a function of the other that kernels know.
    func callAsFunction(_ left: Tensor, number: Float) -> Tensor? {
        switch self {
        case .add: left + number
        case .subtract: left - number
        case .multiply: left * number
        case .divide: number == 0 ? nil : left.applying(.linear(scale: 1 / number, shift: 0))
        case .power where number == 2: left.squared()
        case .power where number == 0.5: left.squareRoot()
        case .power where number == 1: left
        case .power: nil
        case .maximum: left.clamped(number...)
        case .minimum: left.clamped(...number)
        case .remainder, .truncatedRemainder: nil
        }
    }

    /// The same of whole numbers; what no number is stays 0 and overflow wraps around, as in C.
    func integer(_ left: Int64, _ right: Int64) -> Int64 {
        switch self {
        case .add: left &+ right
        case .subtract: left &- right
        case .multiply: left &* right
        case .divide: right == 0 ? 0 : left.dividedReportingOverflow(by: right).partialValue
        case .power: right < 0 ? (left == 1 || left == -1 ? (right % 2 == 0 ? 1 : left) : 0) : Self.power(left, right)
        case .maximum: max(left, right)
        case .minimum: min(left, right)
        case .remainder:
            right == 0 ? 0 : { let rest = left.remainderReportingOverflow(dividingBy: right).partialValue
                return rest != 0 && (rest < 0) != (right < 0) ? rest &+ right : rest }()
        case .truncatedRemainder: right == 0 ? 0 : left.remainderReportingOverflow(dividingBy: right).partialValue
        }
    }

    private static func power(_ base: Int64, _ exponent: Int64) -> Int64 {
        var (result, square, rest): (Int64, Int64, Int64) = (1, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result = result &* square }
            square = square &* square
            rest >>= 1
        }
        return result
    }
}

extension OperatorTable {
    /// Element-wise operators of several values, broadcast.
    static let arithmetic: [String: OperatorImplementation] = [
        "Add": { try [combined($0, $0.pair(), .add)] },
        "Sub": { try [combined($0, $0.pair(), .subtract)] },
        "Mul": { try [combined($0, $0.pair(), .multiply)] },
        "Div": { try [combined($0, $0.pair(), .divide)] },
        "Mod": { call in
            [try combined(call, call.pair(), try call.node.flag("fmod") ? .truncatedRemainder : .remainder)]
        },
        "Pow": { call in
            var (base, exponent) = (try call.value(0), try call.value(1))
            // The base alone says what the result is.
            if base.kind == .float, exponent.kind == .integer { exponent = exponent.asFloats }
            if base.kind == .integer, exponent.kind == .float {
                return [try combined(call, [base.asFloats, exponent], .power).asIntegers]
            }
            return [try combined(call, [base, exponent], .power)]
        },
        "Max": { try [folded($0, .maximum)] },
        "Min": { try [folded($0, .minimum)] },
        "Sum": { try [folded($0, .add)] },
        "Mean": { call in
            let sum = try folded(call, .add)
            try call.expect(sum.kind == .float, "the inputs hold \(sum.kind.name), expected floating-point numbers")
            return [sum.with(sum.stored * (1 / Float(call.inputs.count)))]
        },
        "Equal": { try compared($0, .==) { $0 == $1 } },
        "Greater": { try compared($0, .>) { $0 > $1 } },
        "GreaterOrEqual": { try compared($0, .>=) { $0 >= $1 } },
        "Less": { try compared($0, .<) { $0 < $1 } },
        "LessOrEqual": { try compared($0, .<=) { $0 <= $1 } },
        "And": { try logic($0, .&) },
        "Or": { try logic($0, .|) },
        "Xor": { try logic($0, .^) },
        "BitwiseAnd": { try bitwise($0) { $0 & $1 } },
        "BitwiseOr": { try bitwise($0) { $0 | $1 } },
        "Where": { call in
            let (condition, yes, no) = (try call.value(0), try call.value(1), try call.value(2))
            try call.expect(
                condition.kind == .bool && yes.kind == no.kind,
                "a condition of \(condition.kind.name) chooses between \(yes.kind.name) and \(no.kind.name)")
            try call.expectBroadcast([condition, yes, no])
            let aligned = ONNXValue.aligned([condition, yes, no])
            return [aligned.result(chosen(aligned.tensors), yes.kind)]
        },
        "PRelu": { call in
            let (value, slopes) = (try call.floats(0), try call.floats(1))
            try call.expectBroadcast([value, slopes])
            let aligned = ONNXValue.aligned([value, slopes])
            return [aligned.result(aligned.tensors[0].parametricReLU(slopes: aligned.tensors[1]), .float)]
        },
    ]

    /// `function` of two values, broadcast; of whole numbers exactly where they are known.
    static func combined(_ call: OperatorCall, _ values: [ONNXValue], _ function: Arithmetic) throws -> ONNXValue {
        let (left, right) = (values[0].numeric, values[1].numeric)
        try call.expect(
            left.kind == right.kind && left.kind != .bool,
            "one input holds \(left.kind.name), the other \(right.kind.name); expected numbers of one kind")
        try call.expectBroadcast([left, right])
        let kind = left.kind
        if kind == .integer, !left.isTraced, !right.isTraced {
            let aligned = ONNXValue.aligned([left, right])
            return aligned.result(pairwise(aligned.tensors[0], aligned.tensors[1], function.integer), .integer)
        }
        var result: ONNXValue?
        if !right.isTraced, right.stored.elementCount == 1, right.rank <= left.rank, left.isTraced {
            result = function(left.stored, number: right.stored.cast(to: .float32).shaped([]).scalar()).map { left.with($0) }
        } else if !left.isTraced, left.stored.elementCount == 1, left.rank <= right.rank, right.isTraced {
            let number = left.stored.cast(to: .float32).shaped([]).scalar()
            switch function {
            case .add, .multiply, .maximum, .minimum: result = function(right.stored, number: number).map { right.with($0) }
            case .subtract: result = right.with(number - right.stored)
            case .divide, .power, .remainder, .truncatedRemainder: break
            }
        }
        if result == nil {
            let aligned = ONNXValue.aligned([left, right])
            let tensors = aligned.tensors.map { $0.cast(to: .float32) }
            result = aligned.result(function(tensors[0], tensors[1]), kind)
        }
        guard let result else { throw call.fault("the inputs cannot be combined") }
        return kind == .integer && function == .divide ? result.with(result.stored.cast(to: .int64)).numeric : result
    }

    private static func folded(_ call: OperatorCall, _ function: Arithmetic) throws -> ONNXValue {
        var result = try call.value(0)
        for index in call.inputs.indices.dropFirst() { result = try combined(call, [result, call.value(index)], function) }
        return result
    }

    private static func compared(
        _ call: OperatorCall, _ numbers: (Tensor, Tensor) -> Tensor, _ truths: (Int64, Int64) -> Bool
    ) throws -> [ONNXValue] {
        let values = try call.pair().map(\.numeric)
        try call.expect(
            values[0].kind == values[1].kind, "one input holds \(values[0].kind.name), the other \(values[1].kind.name)")
        try call.expectBroadcast(values)
        let aligned = ONNXValue.aligned(values)
        let tensors = aligned.tensors.map { $0.elementType == .bool ? $0.cast(to: .float32) : $0 }
        return [aligned.result(numbers(tensors[0], tensors[1]), .bool)]
    }

    private static func logic(_ call: OperatorCall, _ function: (Tensor, Tensor) -> Tensor) throws -> [ONNXValue] {
        let values = try call.pair()
        try call.expect(values.allSatisfy { $0.kind == .bool }, "the inputs hold numbers, expected truth values")
        try call.expectBroadcast(values)
        let aligned = ONNXValue.aligned(values)
        return [aligned.result(function(aligned.tensors[0], aligned.tensors[1]), .bool)]
    }

    private static func bitwise(_ call: OperatorCall, _ function: (Int64, Int64) -> Int64) throws -> [ONNXValue] {
        let values = try call.pair()
        try call.expect(values.allSatisfy { $0.kind == .integer }, "the inputs are expected to hold whole numbers")
        for value in values { try call.expectKnown(value) }
        try call.expectBroadcast(values)
        let aligned = ONNXValue.aligned(values)
        return [aligned.result(pairwise(aligned.tensors[0], aligned.tensors[1], function), .integer)]
    }

    /// Elements of the second tensor where the first holds, of the third elsewhere.
    static func chosen(_ tensors: [Tensor]) -> Tensor {
        let (condition, yes, no) = (tensors[0].cast(to: .bool), tensors[1], tensors[2])
        if tensors.allSatisfy({ !$0.isDifferentiated }), !(yes.elementType.isFloatingPoint && no.elementType.isFloatingPoint) {
            // Whole numbers and truth values, exactly.
            let mask = condition.cast(to: .int64)
            let one = Tensor(Int64(1))
            let sum = pairwise(
                pairwise(mask, yes.cast(to: .int64)) { $0 * $1 },
                pairwise(pairwise(one, mask) { $0 - $1 }, no.cast(to: .int64)) { $0 * $1 }
            ) { $0 &+ $1 }
            return yes.elementType == .bool ? sum.cast(to: .bool) : sum
        }
        return yes.cast(to: .float32).selected(where: condition, otherwise: no.cast(to: .float32))
    }

    /// `function` of whole numbers of two tensors that broadcast.
    static func pairwise(_ left: Tensor, _ right: Tensor, _ function: (Int64, Int64) -> Int64) -> Tensor {
        let shape = ONNXValue.broadcastShape([left.shape, right.shape]) ?? []
        let (first, second) = (
            left.broadcast(to: shape).scalars(as: Int64.self), right.broadcast(to: shape).scalars(as: Int64.self)
        )
        return Tensor(zip(first, second).map(function), shape: shape)
    }
}

extension OperatorCall {
    func pair() throws -> [ONNXValue] { [try value(0), try value(1)] }

    /// Checks that the values broadcast, to a shape that can be made.
    func expectBroadcast(_ values: [ONNXValue]) throws {
        guard let shape = ONNXValue.broadcastShape(values.map(\.shape)) else {
            throw fault("shapes \(values.map(\.shape)) do not broadcast")
        }
        try expectRoom(shape)
    }
}

extension ONNXValue {
    /// The numbers as floating-point numbers.
    var asFloats: ONNXValue { with(stored.cast(to: .float32), .float) }

    /// The numbers cut to whole ones.
    var asIntegers: ONNXValue { with(stored.cast(to: .int64), .integer).numeric }
}
