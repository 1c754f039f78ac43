import PandoTensor

/// What a forward pass is given when it is part of training: random numbers, and a place for what the pass learns
/// about the data.
///
/// Networks take it as an argument; without one they run as they will be used. A pass belongs to one thread.
public final class TrainingPass {
    /// For dropout and stochastic depth.
    public var generator: SeededGenerator
    /// What buffers are to become after this step.
    public private(set) var updates = BufferUpdates()

    public init(using generator: SeededGenerator) { self.generator = generator }

    /// Notes the value that a buffer of the network is to have after this step.
    public func replace(_ buffer: Tensor, by value: Tensor) { updates.values[buffer.identity] = value.detached }
}

/// New values for a network's buffers, running statistics above all; good for as long as the network stays as it is.
public struct BufferUpdates: Sendable {
    fileprivate(set) var values: [ObjectIdentifier: Tensor] = [:]

    /// Nothing changes.
    public init() {}
}

extension Module {
    /// Gives every buffer the value that a training pass through this module noted for it.
    public mutating func updateBuffers(by updates: BufferUpdates) {
        var visitor = BufferUpdater(updates: updates)
        visit(&visitor)
    }
}

private struct BufferUpdater: Visitor {
    let updates: BufferUpdates

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {}
    mutating func buffer(_ name: String, _ tensor: inout Tensor) { tensor = updates.values[tensor.identity] ?? tensor }
}
