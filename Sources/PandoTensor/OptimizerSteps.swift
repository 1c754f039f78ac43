// The inner loops of optimizers: one pass over parameter, gradient and moments, in place.

import CKernels

/// One step of Adam with decoupled weight decay.
///
/// `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`, `p ← decay · p - rate · m / (√v · secondScale + ε)`; the bias
/// corrections are in `rate` and `secondScale`.
package struct AdamStep: Sendable {
    private let settings: pando_adam

    package init(rate: Float, decay: Float, betas: (Float, Float), secondScale: Float, epsilon: Float) {
        settings = pando_adam(
            rate: rate, decay: decay, beta1: betas.0, beta2: betas.1, second_scale: secondScale, epsilon: epsilon)
    }

    /// Moves the parameter and both moments.
    /// - Precondition: four `float32` tensors of one shape.
    package func callAsFunction(
        _ parameter: inout Tensor, _ gradient: Tensor, _ first: inout Tensor, _ second: inout Tensor
    ) {
        require(
            parameter.shape == gradient.shape && parameter.shape == first.shape && parameter.shape == second.shape,
            "Adam: parameter \(parameter.shape), gradient \(gradient.shape) and moments \(first.shape), \(second.shape) differ in shape"
        )
        gradient.withScalars { g in
            parameter.mutateScalars { p in
                first.mutateScalars { m in
                    second.mutateScalars { v in
                        withUnsafePointer(to: settings) {
                            pando_adam_step(
                                $0, p.baseAddress, g.baseAddress, m.baseAddress, v.baseAddress, Int64(p.count),
                                Processor.instructions)
                        }
                    }
                }
            }
        }
    }
}

/// One step down the gradient: `s ← g + decay · p`, `v ← momentum · v + s`, `p ← p - rate · v`; with `nesterov`
/// `p ← p - rate · (s + momentum · v)`.
package struct DescentStep: Sendable {
    let rate, decay, momentum: Float
    let nesterov: Bool

    package init(rate: Float, decay: Float = 0, momentum: Float = 0, nesterov: Bool = false) {
        self.rate = rate
        self.decay = decay
        self.momentum = momentum
        self.nesterov = nesterov
    }

    /// Moves the parameter without momentum.
    /// - Precondition: two `float32` tensors of one shape.
    package func callAsFunction(_ parameter: inout Tensor, _ gradient: Tensor) {
        require(
            parameter.shape == gradient.shape, "SGD: parameter \(parameter.shape), gradient \(gradient.shape)")
        gradient.withScalars { g in
            parameter.mutateScalars { p in
                for index in p.indices { p[index] -= rate * (g[index] + decay * p[index]) }
            }
        }
    }

    /// Moves the parameter and its velocity.
    /// - Precondition: three `float32` tensors of one shape.
    package func callAsFunction(_ parameter: inout Tensor, _ gradient: Tensor, _ velocity: inout Tensor) {
        require(
            parameter.shape == gradient.shape && parameter.shape == velocity.shape,
            "SGD: parameter \(parameter.shape), gradient \(gradient.shape), velocity \(velocity.shape)")
        gradient.withScalars { g in
            parameter.mutateScalars { p in
                velocity.mutateScalars { v in
                    for index in p.indices {
                        let slope = g[index] + decay * p[index]
                        v[index] = momentum * v[index] + slope
                        p[index] -= rate * (nesterov ? slope + momentum * v[index] : v[index])
                    }
                }
            }
        }
    }
}
