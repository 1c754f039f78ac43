/// A loss whose gradient is found in the same pass as its value.
///
/// The value is one number, so the gradient towards the first input is a tensor known in the forward pass, times the
/// incoming number. Only the first input is differentiated: targets and weights are constants.
protocol FusedLoss: Operation {
    /// The loss, and its derivative by every element of the first input: `float32`, of its shape.
    /// - Parameter inputs: all in `float32` but whole numbers, all contiguous.
    func lossAndSlope(_ inputs: [Tensor]) -> (loss: Float, slope: Tensor)
}

extension FusedLoss {
    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let inputs = inputs.map { ($0.elementType.isFloatingPoint ? $0.cast(to: .float32) : $0).contiguous() }
        let (loss, slope) = lossAndSlope(inputs)
        return (Tensor(loss).reshaped([]), [slope])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let scale = gradient.cast(to: .float32).scalar()
        let slope = saved.auxiliaries[0]
        return [scale == 1 ? slope : slope * scale] + Array(repeating: nil, count: saved.wanted.count - 1)
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
