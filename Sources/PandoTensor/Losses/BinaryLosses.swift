import Glibc

extension Tensor {
    /// `Σ m [w t (-log σ(x)) + (1-t) (-log σ(-x))]` over all elements, divided by `count`.
    ///
    /// - Shapes: logits, targets t, factors m and w of one shape → scalar.
    package func binaryCrossEntropy(_ targets: Tensor, positiveWeights: Tensor?, mask: Tensor?, count: Float) -> Tensor
    {
        let loss = BinaryCrossEntropy(
            hasPositiveWeights: positiveWeights != nil, hasMask: mask != nil, count: count)
        let factors = [positiveWeights, mask].compactMap { $0?.broadcast(to: shape) }
        return .applying(loss, to: [self, targets] + factors)
    }

    /// `Σ α_t (1 - p_t)^γ · (-log p_t)` over all elements, divided by their number; without `alpha`, α is 1.
    ///
    /// - Shapes: logits, targets of one shape → scalar.
    package func focalLoss(_ targets: Tensor, alpha: Float?, gamma: Float) -> Tensor {
        .applying(FocalLoss(alpha: alpha, gamma: gamma), to: self, targets)
    }
}

/// Inputs: logits, targets, positive weights if any, mask if any.
struct BinaryCrossEntropy: FusedLoss {
    let hasPositiveWeights, hasMask: Bool
    let count: Float

    func lossAndSlope(_ inputs: [Tensor]) -> (loss: Float, slope: Tensor) {
        let one = Tensor(Float(1)).broadcast(to: inputs[0].shape).contiguous()
        let weights = hasPositiveWeights ? inputs[2] : one
        let mask = hasMask ? inputs[inputs.count - 1] : one
        return inputs[0].sumOverLogits(inputs[1], weights, mask, scale: 1 / count) { x, target, weight, mask in
            let positive = weight * target
            let loss = positive * x.losesOnPositive + (1 - target) * x.losesOnNegative
            return (mask * loss, mask * ((1 - target) * x.share - positive * x.rest))
        }
    }
}

/// Inputs: logits, targets.
struct FocalLoss: FusedLoss {
    let alpha: Float?
    let gamma: Float

    func lossAndSlope(_ inputs: [Tensor]) -> (loss: Float, slope: Tensor) {
        let targets = inputs[1]
        let scale = 1 / Float(targets.elementCount)
        return inputs[0].sumOverLogits(targets, targets, targets, scale: scale) { x, target, _, _ in
            let entropy = target * x.losesOnPositive + (1 - target) * x.losesOnNegative
            let wrong = target * x.rest + (1 - target) * x.share  // 1 - p_t
            let weight = alpha.map { $0 * target + (1 - $0) * (1 - target) } ?? 1
            // (1 - p_t)^(γ-1); at γ = 0 the slope of the power is zero, wherever it stands.
            let power = gamma == 2 ? wrong : gamma == 0 ? 0 : powf(wrong, gamma - 1)
            let factor = gamma == 0 ? 1 : power * wrong
            let steepening = gamma * power * x.share * x.rest * (1 - 2 * target) * entropy
            return (weight * factor * entropy, weight * (factor * (x.share - target) + steepening))
        }
    }
}

/// A logit's probability and what it costs to be wrong, all precise for large logits too.
private struct Logit {
    /// `σ(x)` and `σ(-x)`.
    let share, rest: Float
    /// `-log σ(x)` and `-log σ(-x)`.
    let losesOnPositive, losesOnNegative: Float
}

extension Tensor {
    /// A scaled sum over the logits here, each with three factors of its own, and the sum's slope.
    @inline(__always)
    fileprivate func sumOverLogits(
        _ first: Tensor, _ second: Tensor, _ third: Tensor, scale: Float,
        _ body: (_ x: Logit, Float, Float, Float) -> (loss: Float, slope: Float)
    ) -> (loss: Float, slope: Tensor) {
        let shares = Elementwise(function: .sigmoid).forward([self])
        let rests = Elementwise(function: .sigmoid).forward([self * -1])
        let tails = (absolute() * -1).softplusValues()  // log(1 + e^-|x|)
        let inputs = [self, shares, rests, tails, first, second, third]
        var sum = 0.0
        let slope = Tensor(unsafeUninitialized: shape, of: Float.self) { slope in
            withExtendedLifetime(inputs) {
                let (x, share, rest) = (pointer(as: Float.self), shares.pointer(as: Float.self), rests.pointer(as: Float.self))
                let tail = tails.pointer(as: Float.self)
                let factors = (first.pointer(as: Float.self), second.pointer(as: Float.self), third.pointer(as: Float.self))
                for index in slope.indices {
                    let logit = Logit(
                        share: share[index], rest: rest[index],
                        losesOnPositive: Swift.max(-x[index], 0) + tail[index],
                        losesOnNegative: Swift.max(x[index], 0) + tail[index])
                    let (loss, change) = body(logit, factors.0[index], factors.1[index], factors.2[index])
                    sum += Double(loss)
                    slope[index] = change * scale
                }
            }
        }
        return (Float(sum * Double(scale)), slope)
    }
}
