import PandoTensor

// Functions of one value, element by element: the arrangement in memory does not matter.

extension OperatorTable {
    static let elementwise: [String: OperatorImplementation] = functions.mapValues {
        function -> OperatorImplementation in
        { call in
            let value = try call.floats(0)
            return [value.with(try function(call, value.stored))]
        }
    }.merging(ofAnyNumbers) { _, second in second }

    private static let functions: [String: @Sendable (OperatorCall, Tensor) throws -> Tensor] = [
        "Ceil": { _, x in x.ceil() },
        "Floor": { _, x in x.floor() },
        "Round": { _, x in x.rounded() },
        "Exp": { _, x in x.exp() },
        "Log": { _, x in x.log() },
        "Sqrt": { _, x in x.squareRoot() },
        "Reciprocal": { _, x in x.reciprocal() },
        "Erf": { _, x in x.erf() },
        "Sin": { _, x in x.sine() },
        "Cos": { _, x in x.cosine() },
        "Atan": { _, x in x.arctangent() },
        "Tanh": { _, x in x.tanh() },
        "Sigmoid": { _, x in x.sigmoid() },
        "Softplus": { _, x in x.softplus() },
        "Softsign": { _, x in x / (x.absolute() + 1) },
        "Mish": { _, x in x.mish() },
        "HardSwish": { _, x in x.hardSwish() },
        "Elu": { call, x in x.elu(alpha: try call.node.float("alpha", default: 1)) },
        "Celu": { call, x in x.celu(alpha: try call.node.float("alpha", default: 1)) },
        "LeakyRelu": { call, x in x.leakyReLU(slope: try call.node.float("alpha", default: 0.01)) },
        "ThresholdedRelu": { call, x in
            let threshold = try call.node.float("alpha", default: 1)
            return x.filled(with: 0, where: x .<= threshold)
        },
        "Selu": { call, x in
            let alpha = try call.node.float("alpha", default: 1.673_263_2)
            return x.elu(alpha: alpha) * (try call.node.float("gamma", default: 1.050_701))
        },
        "HardSigmoid": { call, x in
            let (alpha, beta) = (
                try call.node.float("alpha", default: 0.2), try call.node.float("beta", default: 0.5)
            )
            // PyTorch's, which kernels have.
            if abs(alpha - 1 / 6) < 1e-6, beta == 0.5 { return x.hardSigmoid() }
            return (x * alpha + beta).clamped(0, 1)
        },
        "Gelu": { call, x in
            switch try call.node.string("approximate", default: "none") {
            case "none": return x.gelu()
            case "tanh": return x.gelu(approximatedByTanh: true)
            case let other: throw call.fault("approximate is \"\(other)\", expected none or tanh", .graph)
            }
        },
        "Swish": { call, x in
            let alpha = try call.node.float("alpha", default: 1)
            return alpha == 1 ? x.silu() : x * (x * alpha).sigmoid()
        },
        "Shrink": { call, x in
            let (bias, lambda) = (
                try call.node.float("bias", default: 0), try call.node.float("lambd", default: 0.5)
            )
            let zero = x * 0
            let low = (x + bias).selected(where: x .< -lambda, otherwise: zero)
            return (x - bias).selected(where: x .> lambda, otherwise: low)
        },
    ]

    private static let ofAnyNumbers: [String: OperatorImplementation] = [
        "Identity": { call in [try call.value(0)] },
        "Dropout": { call in
            let value = try call.value(0)
            if let training = call.optional(2), training.kind == .bool, !training.isTraced,
                training.stored.elementCount == 1, training.tensor.scalar(as: Bool.self),
                try call.optional(1).map({ try call.expectKnown($0); return $0.tensor.cast(to: .float32).scalars() != [0] })
                    ?? true
            {
                throw call.fault("it drops values, as in training; export the model for inference", .unsupported)
            }
            return call.node.outputs.count > 1 ? [value, ONNXValue(Tensor.ones(value.shape) .> 0, .bool)] : [value]
        },
        "Abs": { call in try integerOrFloat(call, { $0.absolute() }) { $0 < 0 ? 0 &- $0 : $0 } },
        "Neg": { call in try integerOrFloat(call, { -$0 }) { 0 &- $0 } },
        "Sign": { call in try integerOrFloat(call, { $0.sign() }) { $0.signum() } },
        "Relu": { call in try integerOrFloat(call, { $0.relu() }) { max($0, 0) } },
        "IsNaN": { call in
            let value = try call.floats(0)
            return [value.with(value.stored.nanMask(), .bool)]
        },
        "IsInf": { call in
            let value = try call.floats(0)
            let (negative, positive) = (
                try call.node.flag("detect_negative", default: true), try call.node.flag("detect_positive", default: true)
            )
            let mask: Tensor =
                switch (negative, positive) {
                case (true, true): value.stored.infiniteMask()
                case (true, false): value.stored .== -.infinity
                case (false, true): value.stored .== .infinity
                case (false, false): value.stored.infiniteMask() .& value.stored.nanMask()
                }
            return [value.with(mask, .bool)]
        },
        "Not": { call in
            let value = try call.value(0)
            try call.expect(value.kind == .bool, "input 0 holds \(value.kind.name), expected truth values")
            return [value.with(.!value.stored, .bool)]
        },
        "Clip": { call in
            let value = try call.value(0)
            func bound(_ index: Int) throws -> ONNXValue? {
                guard let bound = call.optional(index) else { return nil }
                try call.expect(
                    bound.stored.elementCount == 1 && bound.kind == value.kind,
                    "input \(index) has shape \(bound.shape), expected a single number as input 0 has them")
                return bound
            }
            let (lower, upper) = (try bound(1), try bound(2))
            if value.kind == .float, !(lower?.isTraced ?? false), !(upper?.isTraced ?? false) {
                return [
                    value.with(
                        value.stored.clamped(
                            lower?.stored.shaped([]).scalar() ?? -.infinity, upper?.stored.shaped([]).scalar() ?? .infinity))
                ]
            }
            var result = value
            if let lower { result = try combined(call, [result, lower], .maximum) }
            if let upper { result = try combined(call, [result, upper], .minimum) }
            return [result]
        },
    ]

    /// One function for floating-point numbers, one for whole ones.
    private static func integerOrFloat(
        _ call: OperatorCall, _ float: (Tensor) -> Tensor, _ integer: (Int64) -> Int64
    ) throws -> [ONNXValue] {
        let value = try call.value(0).numeric
        try call.expect(value.kind != .bool, "input 0 holds truth values, expected numbers")
        guard value.kind == .integer, !value.isTraced else { return [value.with(float(value.stored))] }
        let values = value.stored.scalars(as: Int64.self).map(integer)
        return [value.with(Tensor(values, shape: value.stored.shape))]
    }
}
