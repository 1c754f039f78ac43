import PandoTensor

/// Changes a module's parameters along their gradients.
///
/// An optimizer's memory is a list of tensors, so that a checkpoint can hold it. A parameter that nobody else holds is
/// changed in place.
public protocol Optimizer: Sendable {
    /// What multiplies the step; schedules set it before each update.
    var learningRate: Float { get set }

    /// Parameters that are treated in a way of their own; the first group that takes a parameter counts.
    var groups: [ParameterGroup] { get set }

    /// Takes one step.
    /// - Precondition: the gradients came from this module; always the same module.
    mutating func update(_ module: inout some Module, along gradients: Gradients)

    /// What the optimizer remembers between steps, by name.
    var state: [String: Tensor] { get set }
}

extension Module {
    /// Changes each parameter that is not frozen by `step(position, group, &parameter, gradient)`.
    mutating func step(
        along gradients: Gradients, in groups: [ParameterGroup],
        _ step: (Int, ParameterGroup, inout Tensor, Tensor) -> Void
    ) {
        let count = withoutActuallyEscaping(step) { step in
            var stepper = Stepper(gradients: gradients.tensors, groups: groups, step: step)
            visit(&stepper)
            return stepper.position
        }
        require(
            count == gradients.tensors.count,
            "optimizer: \(gradients.tensors.count) gradients for \(count) parameters")
    }
}

private struct Stepper: Visitor {
    let gradients: [Tensor]
    let groups: [ParameterGroup]
    let step: (Int, ParameterGroup, inout Tensor, Tensor) -> Void
    var path = Path()
    var position = 0

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {
        require(position < gradients.count, "optimizer: there is no gradient for \(path(name))")
        let group = group(name, tensor)
        if !group.isFrozen {
            step(position, group, &tensor, gradients[position])
            tensor.counted(as: .weights)
        }
        position += 1
    }

    private func group(_ name: String, _ tensor: Tensor) -> ParameterGroup {
        if groups.isEmpty { return .usual }
        let name = path(name)
        return groups.first { $0.contains(name, tensor) } ?? .usual
    }

    mutating func buffer(_ name: String, _ tensor: inout Tensor) {}
    mutating func enter(_ name: String) { path.enter(name) }
    mutating func leave() { path.leave() }
}
