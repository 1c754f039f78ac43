// The inner loops of optimizers: one pass over parameter, gradient and moments.

import COneDNN

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
        let results = (0..<3).map { _ in Tensor(uninitialized: parameter.shape, .float32) }
        parameter.withScalars { p in
            gradient.withScalars { g in
                first.withScalars { m in
                    second.withScalars { v in
                        update(
                            (p.baseAddress!, results[0].pointer(as: Float.self)), g.baseAddress!,
                            (m.baseAddress!, results[1].pointer(as: Float.self)),
                            (v.baseAddress!, results[2].pointer(as: Float.self)), count: p.count)
                    }
                }
            }
        }
        return (results[0], results[1], results[2])
    }

    private typealias Change = (from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>)

    /// Four elements at a time, then the rest.
    private func update(
        _ parameter: Change, _ gradient: UnsafePointer<Float>, _ first: Change, _ second: Change, count: Int
    ) {
        func values(_ pointer: UnsafePointer<Float>) -> SIMD4<Float> {
            UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Float>.self)
        }
        func store(_ values: SIMD4<Float>, _ pointer: UnsafeMutablePointer<Float>) {
            UnsafeMutableRawPointer(pointer).storeBytes(of: values, as: SIMD4<Float>.self)
        }
        var index = 0
        while index + 4 <= count {
            let moved = moved(
                parameter: values(parameter.from + index), gradient: values(gradient + index),
                mean: values(first.from + index), square: values(second.from + index))
            store(moved.parameter, parameter.to + index)
            store(moved.mean, first.to + index)
            store(moved.square, second.to + index)
            index += 4
        }
        while index < count {
            let moved = moved(
                parameter: SIMD4(repeating: parameter.from[index]), gradient: SIMD4(repeating: gradient[index]),
                mean: SIMD4(repeating: first.from[index]), square: SIMD4(repeating: second.from[index]))
            parameter.to[index] = moved.parameter[0]
            first.to[index] = moved.mean[0]
            second.to[index] = moved.square[0]
            index += 1
        }
    }

    @inline(__always)
    private func moved(
        parameter: SIMD4<Float>, gradient: SIMD4<Float>, mean: SIMD4<Float>, square: SIMD4<Float>
    ) -> (parameter: SIMD4<Float>, mean: SIMD4<Float>, square: SIMD4<Float>) {
        let mean = betas.0 * mean + (1 - betas.0) * gradient
        let square = betas.1 * square + (1 - betas.1) * (gradient * gradient)
        let length = pando_square_root4(square) * secondScale + epsilon
        return (decay * parameter - rate * mean / length, mean, square)
    }
}
