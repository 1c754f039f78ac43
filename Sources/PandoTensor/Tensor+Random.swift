// Random tensors; the generator is always an argument.

import Glibc

extension Tensor {
    /// Independent values from the uniform distribution over `range`.
    public static func uniform(
        _ range: Range<Float>, _ shape: [Int], using generator: inout some RandomNumberGenerator
    ) -> Tensor {
        Tensor(unsafeUninitialized: shape, of: Float.self) { elements in
            for index in elements.indices {
                elements[index] = range.lowerBound + generator.uniform() * (range.upperBound - range.lowerBound)
            }
        }
    }

    /// Independent values from the normal distribution (Box–Muller).
    public static func normal(
        mean: Float = 0, deviation: Float = 1, _ shape: [Int], using generator: inout some RandomNumberGenerator
    ) -> Tensor {
        Tensor(unsafeUninitialized: shape, of: Float.self) { elements in
            for index in elements.indices {
                let radius = (-2 * logf(1 - generator.uniform())).squareRoot()
                elements[index] = mean + deviation * radius * cosf(2 * .pi * generator.uniform())
            }
        }
    }

    /// Independent values from the normal distribution around 0, drawn again beyond two deviations.
    public static func truncatedNormal(
        deviation: Float, _ shape: [Int], using generator: inout some RandomNumberGenerator
    ) -> Tensor {
        Tensor(unsafeUninitialized: shape, of: Float.self) { elements in
            for index in elements.indices {
                var value = Float.infinity
                while abs(value) > 2 {
                    let radius = (-2 * logf(1 - generator.uniform())).squareRoot()
                    value = radius * cosf(2 * .pi * generator.uniform())
                }
                elements[index] = value * deviation
            }
        }
    }
}
