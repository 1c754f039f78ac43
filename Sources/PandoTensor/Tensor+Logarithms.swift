// Logarithms of our own: oneDNN's is off by up to 7e-6 whatever the result's size, which near log 1 = 0 leaves no
// digit right, and its softplus and log-softmax inherit that.

import Glibc

extension Tensor {
    /// The natural logarithm of every element of a `float32` tensor, within two units in the last place.
    func naturalLogarithm() -> Tensor { mapped { logarithm($0) } }

    /// `log(1 + eˣ)` of every element of a `float32` tensor, precise for small results too.
    func softplusValues() -> Tensor {
        let tail = Elementwise(function: .exp).forward([mapped { -magnitude($0) }])  // e^-|x|, never above 1
        let logarithm = tail.mapped { logarithmOfOnePlus($0) }
        return combine(self, logarithm) { $0 > 0 ? $0 + $1 : ($0.isNaN ? $0 : $1) }
    }

    /// `x - log Σ exp(x)` over the middle one of three axes of a contiguous `float32` tensor.
    ///
    /// The largest element's `probability` p says what the sum is: `log Σ exp(x) = max - log p`.
    func logProbabilities(from probabilities: Tensor, _ before: Int, _ width: Int, _ after: Int) -> Tensor {
        withScalars { values in
            probabilities.withScalars { shares in
                Tensor(unsafeUninitialized: shape, of: Float.self) { output in
                    for outer in 0..<before {
                        for inner in 0..<after {
                            let start = outer * width * after + inner
                            var best = start
                            for place in stride(from: start, to: start + width * after, by: after)
                            where values[place] > values[best] { best = place }
                            let (largest, share) = (values[best], logf(shares[best]))
                            for place in stride(from: start, to: start + width * after, by: after) {
                                output[place] = (values[place] - largest) + share
                            }
                        }
                    }
                }
            }
        }
    }
}
