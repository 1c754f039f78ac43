import PandoTensor

/// What a forward pass is given when it is part of training: random numbers, and a place for what the pass learns
/// about the data.
///
/// Networks take it as an argument; without one they run as they will be used. A pass belongs to one thread.
public final class TrainingPass {
    /// For dropout and stochastic depth.
    public var generator: SeededGenerator
    private var successors: [ObjectIdentifier: Tensor] = [:]

    public init(using generator: SeededGenerator) { self.generator = generator }

    /// Notes the value that a buffer of the network is to have after this step.
    public func replace(_ buffer: Tensor, by value: Tensor) { successors[buffer.identity] = value.detached }

    /// What `buffer` is to become, if the pass has seen it.
    fileprivate func successor(of buffer: Tensor) -> Tensor? { successors[buffer.identity] }
}

extension Module {
    /// Gives every buffer the value that the pass noted for it, running statistics above all.
    public mutating func updateBuffers(from pass: TrainingPass) {
        var visitor = BufferUpdater(pass: pass)
        visit(&visitor)
    }
}

private struct BufferUpdater: Visitor {
    let pass: TrainingPass

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {}
    mutating func buffer(_ name: String, _ tensor: inout Tensor) { tensor = pass.successor(of: tensor) ?? tensor }
}
