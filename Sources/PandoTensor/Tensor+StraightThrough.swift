// Choices whose gradient is that of the probabilities behind them.

import Glibc

extension Tensor {
    /// `hard` where values are asked for, this tensor where gradients are: it gets the result's gradient unchanged.
    ///
    /// - Shapes: equal.
    /// - Source: Bengio et al. 2013, "Estimating or Propagating Gradients Through Stochastic Neurons"
    ///   (arXiv:1308.3432), section 4.
    public func straightThrough(_ hard: Tensor) -> Tensor {
        require(
            hard.shape == shape && hard.elementType == elementType,
            "straight-through: \(hard.elementType) \(hard.shape) does not stand for \(elementType) \(shape)")
        return .applying(StraightThrough(), to: self, hard.detached)
    }

    /// 1 where `sigmoid(x)` is above one half, else 0; the gradient is the sigmoid's.
    public func sigmoidStep() -> Tensor {
        let soft = sigmoid()
        return soft.straightThrough((soft.detached .> Tensor(0.5 as Float)).cast(to: elementType))
    }

    /// 1 with each element's probability, else 0; the gradient reaches the probabilities unchanged.
    public func bernoulliSample(using generator: inout some RandomNumberGenerator) -> Tensor {
        requireFloatingPoint("Bernoulli sample")
        let noise = Tensor.uniform(0..<1, shape, using: &generator)
        return straightThrough((detached .> noise).cast(to: elementType))
    }

    /// A random choice among the classes along `axis`, relaxed: `softmax((x + g) / temperature)` with Gumbel noise g.
    ///
    /// If `isHard`, the result is the chosen class alone, one-hot, with the relaxed choice's gradient.
    /// - Source: Jang et al. 2017 (arXiv:1611.01144), section 2.
    public func gumbelSoftmax(
        temperature: Float = 1, isHard: Bool = false, along axis: Int = -1,
        using generator: inout some RandomNumberGenerator
    ) -> Tensor {
        // -log(-log u); u = 0 would be no number.
        let noise = Tensor(unsafeUninitialized: shape, of: Float.self) { elements in
            for index in elements.indices {
                elements[index] = -logf(-logf(Swift.max(generator.uniform(), 0x1p-25)))
            }
        }
        return gumbelSoftmax(noise: noise, temperature: temperature, isHard: isHard, along: axis)
    }

    /// The same with noise that was drawn before.
    package func gumbelSoftmax(noise: Tensor, temperature: Float, isHard: Bool, along axis: Int) -> Tensor {
        require(temperature > 0, "Gumbel-softmax: temperature \(temperature) is not positive")
        let soft = ((self + noise.cast(to: elementType)) / temperature).softmax(along: axis)
        return isHard ? soft.straightThrough(soft.detached.greatestAlone(along: axis)) : soft
    }

    /// 1 at the greatest element along `axis`, the first of equals; 0 elsewhere.
    private func greatestAlone(along axis: Int) -> Tensor {
        let axis = normalized(axis)
        if elementCount == 0 { return self }
        let chosen = argmax(along: axis).oneHot(classes: shape[axis])
        let order = Array(0..<axis) + [rank - 1] + Array(axis..<rank - 1)
        return chosen.permuted(order).cast(to: elementType)
    }
}

/// Inputs: what gets the gradient, what gives the value.
struct StraightThrough: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { inputs[1] }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [gradient, nil] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
