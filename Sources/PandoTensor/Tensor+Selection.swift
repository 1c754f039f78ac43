// Choosing elements by masks.

extension Tensor {
    /// Elements of `self` where `condition` holds, of `other` elsewhere (`torch.where`).
    /// - Precondition: `condition` is `bool`, both others hold floating-point numbers; the shapes broadcast.
    public func selected(where condition: Tensor, otherwise other: Tensor) -> Tensor {
        condition.requireMask("select")
        requireFloatingPoint("select")
        other.requireFloatingPoint("select")
        let mask = condition.cast(to: .float32)
        return .applying(Select(), to: mask, self, other)
    }

    /// `value` where `condition` holds, the elements of `self` elsewhere (`masked_fill`).
    /// - Precondition: `condition` is `bool` and broadcasts with this floating-point tensor.
    public func filled(with value: Float, where condition: Tensor) -> Tensor {
        condition.requireMask("fill")
        return selected(where: .!condition, otherwise: Tensor(value).cast(to: elementType))
    }

    /// The elements where `mask` holds, row by row (`masked_select`).
    ///
    /// How many there are depends on values, so a program cannot do it.
    /// - Precondition: `mask` is `bool`; the shapes broadcast.
    public func selected(where mask: Tensor) -> Tensor {
        mask.requireMask("select")
        let shape = broadcastShape(shape, mask.shape, "select")
        let places = mask.broadcast(to: shape).withScalars(as: Bool.self) { mask in
            mask.indices.filter { mask[$0] }.map(Int64.init)
        }
        return broadcast(to: shape).reshaped(shape.elementCount).gathered(at: Tensor(places))
    }

    private func requireMask(_ operation: String) {
        require(elementType == .bool, "\(operation): the condition is \(elementType), expected bool")
    }
}

/// `mask` 1 takes the second input, 0 the third; neither side's infinities leak into the other.
struct Select: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        let shape = broadcastShape(
            inputs[0].shape, broadcastShape(inputs[1].shape, inputs[2].shape, "select"), "select")
        let type = inputs[1].elementType == inputs[2].elementType ? inputs[1].elementType : .float32
        return inputs[0].broadcast(to: shape).cast(to: .float32).withScalars { mask in
            inputs[1].broadcast(to: shape).cast(to: .float32).withScalars { yes in
                inputs[2].broadcast(to: shape).cast(to: .float32).withScalars { no in
                    Tensor(unsafeUninitialized: shape, of: Float.self) { output in
                        for index in output.indices { output[index] = mask[index] != 0 ? yes[index] : no[index] }
                    }
                }
            }
        }.cast(to: type)
    }

    /// Where an input was not chosen its gradient is zero, even if the incoming one is not finite.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let mask = saved.input(0)
        let nothing = Tensor.zeros([], gradient.elementType)
        return [
            nil,
            saved.wanted[1] ? forward([mask, gradient, nothing]).summed(toShape: saved.inputShapes[1]) : nil,
            saved.wanted[2] ? forward([mask, nothing, gradient]).summed(toShape: saved.inputShapes[2]) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([0]) }
}
