// Sine and cosine.

import Glibc

extension Tensor {
    /// The sine of every element, in radians.
    public func sine() -> Tensor {
        requireFloatingPoint("sine")
        return .applying(CircularFunction.sine, to: self)
    }

    /// The cosine of every element, in radians.
    public func cosine() -> Tensor {
        requireFloatingPoint("cosine")
        return .applying(CircularFunction.cosine, to: self)
    }
}

enum CircularFunction: Operation {
    case sine, cosine

    func forward(_ inputs: [Tensor]) -> Tensor {
        let function: (Float) -> Float = self == .sine ? { sinf($0) } : { cosf($0) }
        return inputs[0].cast(to: .float32).withScalars { values in
            Tensor(unsafeUninitialized: inputs[0].shape, of: Float.self) { results in
                for index in results.indices { results[index] = function(values[index]) }
            }
        }.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let input = saved.input(0)
        return [gradient * (self == .sine ? input.cosine() : -input.sine())]
    }
}
