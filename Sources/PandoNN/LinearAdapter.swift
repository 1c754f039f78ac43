import PandoTensor

/// A small trainable part that changes what a frozen linear layer gives.
public protocol LinearAdapter: Sendable {
    /// The adapted output.
    ///
    /// - Shapes: `input` `[…, in]`, `output` `[…, out]` → `[…, out]`.
    /// - Parameters:
    ///   - output: what `layer` alone gives for `input`, its bias included.
    ///   - layer: the frozen layer.
    func adapting(_ output: Tensor, of input: Tensor, through layer: Linear) -> Tensor

    /// Layer and adapter as one plain layer.
    func merged(into layer: Linear) -> Linear
}

/// A small trainable part that changes what a frozen convolution gives.
public protocol ConvolutionAdapter: Sendable {
    /// The adapted output.
    ///
    /// - Shapes: `input` `[N, H, W, I]`, `output` `[N, H', W', O]` → `[N, H', W', O]`.
    func adapting(_ output: Tensor, of input: Tensor, through layer: Convolution2D) -> Tensor

    /// Layer and adapter as one plain layer.
    func merged(into layer: Convolution2D) -> Convolution2D
}
