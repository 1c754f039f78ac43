import PandoTensor

/// The gradients of a module's parameters, in declaration order.
public struct Gradients: Sendable {
    public var tensors: [Tensor]

    public init(_ tensors: [Tensor]) { self.tensors = tensors }

    /// The Euclidean length of all gradients taken as one vector.
    public var norm: Float {
        tensors.reduce(Float(0)) { $0 + $1.cast(to: .float32).squared().sum().scalar() }.squareRoot()
    }

    /// Scaled down, if need be, to a norm of at most `limit`.
    public func clipped(toNorm limit: Float) -> Gradients {
        let norm = norm
        return norm > limit ? Gradients(tensors.map { $0 * (limit / norm) }) : self
    }
}

/// The value of `function` at `module`, and its gradients with respect to the module's parameters.
///
/// Whatever else `function` reads is constant: nothing is kept for it.
/// - Precondition: `function` returns one number.
public func valueAndGradients<M: Module>(of module: M, _ function: (M) throws -> Tensor) rethrows
    -> (value: Tensor, gradients: Gradients)
{
    var leaves: [Tensor] = []
    var differentiable = module
    differentiable.updateParameters { _, tensor in
        let leaf = tensor.differentiable
        leaves.append(leaf)
        return leaf
    }
    let value = try function(differentiable)
    return (value.detached, Gradients(value.gradients(for: leaves, releasing: true)))
}
