import Glibc
import PandoTensor

/// Adam without momentum that keeps, for a matrix, the second moments' sums over rows and columns alone.
///
/// `v̂ᵢⱼ = rowᵢ · columnⱼ / mean(row)`, `u = g / √v̂`, cut to a root mean square of `clipThreshold`;
/// `p ← p - rate · max(ε₂, RMS(p)) · u`. Tensors of more than two axes are stacks of matrices of the last two; vectors
/// keep their moments whole.
/// - Cost: memory of `rows + columns` numbers for a matrix.
/// - Source: Shazeer and Stern 2018 (arXiv:1804.04235), algorithms 4 and 5, with `transformers`' averages in place of
///   sums. The learning rate is given, so that schedules apply: the paper's `min(0.01, 1/√t)` is one of them.
public struct Adafactor: Optimizer {
    public var learningRate: Float
    /// ε₁, added to squared gradients, and ε₂, the least size that a parameter counts as having.
    public let epsilons: (Float, Float)
    /// The decay of the second moments at step t is `1 - t^decayRate`.
    public let decayRate: Float
    public let clipThreshold: Float
    public let weightDecay: Float
    /// Whether the step is as long as a share of the parameter's own size.
    public let scalesByParameter: Bool
    public var groups: [ParameterGroup]
    private var moments = ParameterMemory("exp_avg_sq_row", "exp_avg_sq_col")
    private var steps = 0

    public init(
        learningRate: Float, epsilons: (Float, Float) = (1e-30, 1e-3), decayRate: Float = -0.8,
        clipThreshold: Float = 1, weightDecay: Float = 0, scalesByParameter: Bool = true, groups: [ParameterGroup] = []
    ) {
        self.learningRate = learningRate
        self.epsilons = epsilons
        self.decayRate = decayRate
        self.clipThreshold = clipThreshold
        self.weightDecay = weightDecay
        self.scalesByParameter = scalesByParameter
        self.groups = groups
    }

    public mutating func update(_ module: inout some Module, along gradients: Gradients) {
        moments.prepare(for: gradients, of: "Adafactor")
        steps += 1
        let kept = 1 - powf(Float(steps), decayRate)
        module.step(along: gradients, in: groups) { position, group, parameter, gradient in
            require(
                parameter.shape == gradient.shape, "Adafactor: parameter \(parameter.shape), gradient \(gradient.shape)")
            let shape = parameter.shape
            let isFactored = shape.count > 1
            let rows = isFactored ? Array(shape.dropLast()) : shape
            let columns = isFactored ? Array(shape.dropLast(2)) + [shape[shape.count - 1]] : []
            let (firstEpsilon, clipThreshold, decay) = (epsilons.0, clipThreshold, group.decays ? weightDecay : 0)
            let size = scalesByParameter ? max(epsilons.1, rootMeanSquare(parameter)) : 1
            let rate = learningRate * group.learningRateScale * size
            moments.update(at: position, isFactored ? [.zeros(rows), .zeros(columns)] : [.zeros(rows)]) {
                let squares = gradient.squared() + firstEpsilon
                for (index, axis) in $0.indices.map({ ($0, shape.count - 1 - $0) }) {
                    let now = isFactored ? squares.mean(along: [axis]) : squares
                    $0[index] = $0[index] * kept + now * (1 - kept)
                }
                let scale = isFactored ? Self.inverseRoots(rows: $0[0], columns: $0[1]) : $0[0].power(-0.5)
                let direction = gradient * scale
                let clip = max(rootMeanSquare(direction) / clipThreshold, 1)
                DescentStep(rate: rate / clip, decay: decay * clip)(&parameter, direction)
            }
        }
    }

    /// `1 / √v̂` from the means of rows `[…, R]` and columns `[…, C]`: `[…, R, C]`.
    private static func inverseRoots(rows: Tensor, columns: Tensor) -> Tensor {
        let shares = rows / rows.mean(along: [-1], keepingAxes: true)
        return shares.power(-0.5).expanded(at: -1) * columns.power(-0.5).expanded(at: -2)
    }

    public var state: [String: Tensor] {
        get { moments.state.merging(["step": Tensor(Int64(steps))]) { $1 } }
        set {
            steps = newValue["step"].map { Int($0.scalar(as: Int64.self)) } ?? 0
            moments.state = newValue
        }
    }
}

private func rootMeanSquare(_ tensor: Tensor) -> Float {
    length(of: tensor) / Float(max(tensor.elementCount, 1)).squareRoot()
}
