import PandoTensor

/// Changes a module's parameters along their gradients.
///
/// An optimizer's memory is a list of tensors, so that a checkpoint can hold it.
public protocol Optimizer: Sendable {
    /// What multiplies the step; schedules set it before each update.
    var learningRate: Float { get set }

    /// Takes one step.
    /// - Precondition: the gradients came from this module; always the same module.
    mutating func update(_ module: inout some Module, along gradients: Gradients)

    /// What the optimizer remembers between steps, by name.
    var state: [String: Tensor] { get set }
}

extension Module {
    /// Replaces each parameter by `step(position, parameter, gradient)`.
    mutating func step(along gradients: Gradients, _ step: (Int, Tensor, Tensor) -> Tensor) {
        var position = 0
        withoutActuallyEscaping(step) { step in
            updateParameters { name, tensor in
                require(position < gradients.tensors.count, "optimizer: there is no gradient for \(name)")
                defer { position += 1 }
                return step(position, tensor, gradients.tensors[position]).counted(as: .weights)
            }
        }
        require(
            position == gradients.tensors.count,
            "optimizer: \(gradients.tensors.count) gradients for \(position) parameters")
    }
}
