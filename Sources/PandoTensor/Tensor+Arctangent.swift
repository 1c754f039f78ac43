import Glibc

extension Tensor {
    /// The angle in -π/2…π/2 whose tangent each element is.
    public func arctangent() -> Tensor {
        requireFloatingPoint("arctangent")
        return .applying(Arctangent(), to: self)
    }
}

struct Arctangent: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        inputs[0].cast(to: .float32).withScalars { source in
            Tensor(unsafeUninitialized: inputs[0].shape, of: Float.self) { target in
                for index in target.indices { target[index] = atanf(source[index]) }
            }
        }.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [gradient / (saved.input(0).squared() + 1)] }
}
