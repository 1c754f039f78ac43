import PandoNN
import PandoTensor

/// An adapter that starts from what the layer alone gives, so that several can share one product with the layer's weight.
public protocol OutputAdapter: LinearAdapter {
    /// The adapted output.
    ///
    /// - Shapes: `[…, out]` and `[…, in]` → `[…, out]`.
    /// - Parameters:
    ///   - output: of the layer alone.
    ///   - layer: the frozen layer, without adapter.
    func adapting(_ output: Tensor, of input: Tensor, through layer: Linear) -> Tensor
}

extension OutputAdapter {
    public func output(of layer: Linear, for input: Tensor) -> Tensor { adapting(layer(input), of: input, through: layer) }
}
