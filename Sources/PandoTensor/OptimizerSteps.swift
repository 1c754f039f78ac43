// The inner loops of optimizers: one pass over parameter, gradient and moments.

/// One step of Adam with decoupled weight decay.
///
/// `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`, `p ← decay · p - rate · m / (√v · secondScale + ε)`; the bias
/// corrections are in `rate` and `secondScale`.
package struct AdamStep: Sendable {
    let rate, decay: Float
    let betas: (Float, Float)
    let secondScale, epsilon: Float

    package init(rate: Float, decay: Float, betas: (Float, Float), secondScale: Float, epsilon: Float) {
        self.rate = rate
        self.decay = decay
        self.betas = betas
        self.secondScale = secondScale
        self.epsilon = epsilon
    }

    /// The parameter after the step, and the moments after it.
    /// - Precondition: four `float32` tensors of one shape.
    package func callAsFunction(_ parameter: Tensor, _ gradient: Tensor, _ first: Tensor, _ second: Tensor)
        -> (parameter: Tensor, first: Tensor, second: Tensor)
    {
        require(
            parameter.shape == gradient.shape && parameter.shape == first.shape && parameter.shape == second.shape,
            "Adam: parameter \(parameter.shape), gradient \(gradient.shape) and moments \(first.shape), \(second.shape) differ in shape"
        )
        let count = parameter.elementCount
        let results = (0..<3).map { _ in Tensor(uninitialized: parameter.shape, .float32) }
        let (p, m, v) = (
            results[0].pointer(as: Float.self), results[1].pointer(as: Float.self), results[2].pointer(as: Float.self)
        )
        let (b1, b2, c1, c2) = (betas.0, betas.1, 1 - betas.0, 1 - betas.1)
        parameter.withScalars { oldP in
            gradient.withScalars { g in
                first.withScalars { oldM in
                    second.withScalars { oldV in
                        for index in 0..<count {
                            let slope = g[index]
                            let mean = b1 * oldM[index] + c1 * slope
                            let square = b2 * oldV[index] + c2 * slope * slope
                            m[index] = mean
                            v[index] = square
                            p[index] = decay * oldP[index] - rate * mean / (square.squareRoot() * secondScale + epsilon)
                        }
                    }
                }
            }
        }
        return (results[0], results[1], results[2])
    }
}
