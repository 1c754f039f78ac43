import Glibc

extension Tensor {
    /// The negative log-likelihood of class `targets[n]` in row n, weighted, smoothed and averaged.
    ///
    /// `Σₙ [(1-ε) wₜ (-log pₜ) + ε/K Σₖ wₖ (-log pₖ)] / Σₙ wₜ`, over the rows whose target is not negative; zero if
    /// there is none.
    /// - Shapes: logits `[N, K]`, targets `[N]` (`int64`, below K), weights `[K]` → scalar.
    package func crossEntropy(_ targets: Tensor, weights: Tensor, smoothing: Float) -> Tensor {
        .applying(CrossEntropy(smoothing: smoothing), to: self, targets, weights)
    }

    /// The mean over rows of `-Σₖ tₖ log pₖ`.
    /// - Shapes: logits, targets `[N, K]` → scalar.
    package func softCrossEntropy(_ targets: Tensor) -> Tensor { .applying(SoftCrossEntropy(), to: self, targets) }
}

/// Inputs: logits, class numbers, class weights.
struct CrossEntropy: FusedLoss {
    let smoothing: Float

    func lossAndSlope(_ inputs: [Tensor]) -> (loss: Float, slope: Tensor) {
        let targets = inputs[1].scalars(as: Int64.self)
        let weights = inputs[2].scalars()
        let total = targets.reduce(0) { $1 < 0 ? $0 : $0 + weights[Int($1)] }
        guard total > 0 else { return (0, .zeros(inputs[0].shape)) }
        let spread = smoothing / Float(weights.count)
        let allWeights = weights.reduce(0, +)
        return inputs[0].lossesOfRows { row, values in
            guard targets[row] >= 0 else { return (0, 0) }
            let target = Int(targets[row])
            var loss = -(1 - smoothing) * weights[target] * values.logarithm(target)
            var mass = (1 - smoothing) * weights[target]
            if smoothing > 0 {
                for column in weights.indices { loss -= spread * weights[column] * values.logarithm(column) }
                mass += spread * allWeights
            }
            return (loss / total, mass / total)
        } aims: { row, aim in
            guard targets[row] >= 0 else { return }
            if smoothing > 0 {
                for column in weights.indices { aim[column] -= spread * weights[column] / total }
            }
            aim[Int(targets[row])] -= (1 - smoothing) * weights[Int(targets[row])] / total
        }
    }
}

/// Inputs: logits, shares of the classes.
struct SoftCrossEntropy: FusedLoss {
    func lossAndSlope(_ inputs: [Tensor]) -> (loss: Float, slope: Tensor) {
        let (rows, width) = (Float(inputs[0].shape[0]), inputs[0].shape[1])
        return inputs[1].withScalars { targets in
            inputs[0].lossesOfRows { row, values in
                var (loss, mass) = (Float(0), Float(0))
                for column in 0..<width {
                    let share = targets[row * width + column]
                    if share != 0 { loss -= share * values.logarithm(column) }
                    mass += share
                }
                return (loss / rows, mass / rows)
            } aims: { row, aim in
                for column in 0..<width { aim[column] -= targets[row * width + column] / rows }
            }
        }
    }
}

/// The log-probabilities of one row.
private struct RowLogarithms {
    let logits: UnsafePointer<Float>
    let shares: UnsafePointer<Float>
    let width: Int
    /// A logit and the logarithm of its share.
    private var reference: (logit: Float, logarithm: Float)?

    init(_ logits: UnsafePointer<Float>, _ shares: UnsafePointer<Float>, width: Int) {
        self.logits = logits
        self.shares = shares
        self.width = width
    }

    /// From a share that is not too small to have all its digits: the difference of two logits is that of their
    /// logarithms.
    mutating func logarithm(_ column: Int) -> Float {
        if let reference { return (logits[column] - reference.logit) + reference.logarithm }
        var best = column
        if shares[column] < 1e-20 {
            for column in 0..<width where shares[column] > shares[best] { best = column }
        }
        let found = (logit: logits[best], logarithm: logf(shares[best]))
        reference = found
        return (logits[column] - found.logit) + found.logarithm
    }
}

extension Tensor {
    /// A sum of losses over the rows of logits and its slope `mass · softmax + aims`, for losses that are weighted sums
    /// of log-probabilities.
    ///
    /// - Parameters:
    ///   - losses: the loss of a row, and the sum of the weights in it.
    ///   - aims: subtracts from each element of a row's slope the weight of its logarithm.
    fileprivate func lossesOfRows(
        _ losses: (_ row: Int, inout RowLogarithms) -> (loss: Float, mass: Float),
        aims: (_ row: Int, UnsafeMutablePointer<Float>) -> Void
    ) -> (loss: Float, slope: Tensor) {
        let (rows, width) = (shape[0], shape[1])
        var slope = Softmax(logarithm: false, axis: 1).forward([self])
        var sum = 0.0
        withScalars { logits in
            slope.mutateScalars { shares in
                guard let from = logits.baseAddress, let to = shares.baseAddress else { return }
                for row in 0..<rows {
                    let line = to + row * width
                    var logarithms = RowLogarithms(from + row * width, line, width: width)
                    let (loss, mass) = losses(row, &logarithms)
                    sum += Double(loss)
                    for column in 0..<width { line[column] *= mass }
                    aims(row, line)
                }
            }
        }
        return (Float(sum), slope)
    }
}
