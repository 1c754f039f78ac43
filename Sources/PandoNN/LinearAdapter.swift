import PandoTensor

/// A small trainable part that changes what a frozen linear layer gives.
public protocol LinearAdapter: Sendable {
    /// The adapted output.
    ///
    /// - Shapes: `[…, in]` → `[…, out]`.
    /// - Parameter layer: the frozen layer, without adapter.
    func output(of layer: Linear, for input: Tensor) -> Tensor

    /// Layer and adapter as one plain layer; `nil` if there is none that computes the same.
    func merged(into layer: Linear) -> Linear?
}

/// A small trainable part that changes what a frozen convolution gives.
public protocol ConvolutionAdapter: Sendable {
    /// The adapted output.
    ///
    /// - Shapes: `[N, H, W, I]` → `[N, H', W', O]`.
    /// - Parameter layer: the frozen layer, without adapter.
    func output(of layer: Convolution2D, for input: Tensor) -> Tensor

    /// Layer and adapter as one plain layer; `nil` if there is none that computes the same.
    func merged(into layer: Convolution2D) -> Convolution2D?
}
