import PandoTensor

/// The value of `function` at `module`, and its gradients with respect to the module's parameters.
///
/// Whatever else `function` reads is constant: nothing is kept for it.
/// - Precondition: `function` returns one number.
public func valueAndGradients<M: Module>(of module: M, _ function: (M) throws -> Tensor) rethrows
    -> (value: Tensor, gradients: Gradients)
{
    try valueAndGradients(of: module, computingIn: nil, function)
}

/// The same, with the parameters brought to `type` once before `function` sees them: mixed precision.
///
/// The module itself keeps its parameters as they are, the master weights: optimizers add steps to them that 8 bits of
/// precision would lose. Gradients come back in the parameters' own type, rounded once on the way, when the product
/// that makes them is stored as `type`. With `bfloat16` the loss needs no scaling: its exponents reach as far as
/// `float32`'s, so small gradients do not vanish, as they do in `float16`.
///
/// Inputs are for the caller to cast, and the loss is better computed in `float32`:
/// `valueAndGradients(of: model, computingIn: .bfloat16) { crossEntropy($0(x.cast(to: .bfloat16)), y) }` does both,
/// since losses compute in `float32` whatever they are given.
/// - Source: Micikevicius et al. 2018, Mixed Precision Training (arXiv:1710.03740), section 3.1.
public func valueAndGradients<M: Module>(
    of module: M, computingIn type: ElementType?, _ function: (M) throws -> Tensor
) rethrows -> (value: Tensor, gradients: Gradients) {
    var leaves: [Tensor] = []
    var differentiable = module
    differentiable.updateParameters { _, tensor in
        let leaf = tensor.differentiable
        leaves.append(leaf)
        return type.map { leaf.cast(to: $0) } ?? leaf
    }
    let value = try function(differentiable)
    return (value.detached, Gradients(value.gradients(for: leaves, releasing: true)))
}
