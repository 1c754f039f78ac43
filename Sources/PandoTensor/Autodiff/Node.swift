import Synchronization

/// How a tensor came about: an operation and where its inputs came from. Nodes form the tape.
///
/// A node keeps the values that its operation's backward pass reads, and nothing else; inputs that nobody
/// differentiates leave no node at all.
final class Node: Sendable {
    /// `nil` for a leaf: a value that gradients are asked for.
    let operation: (any Operation)?
    /// Written once more when the node goes, by its last owner: see `deinit`.
    nonisolated(unsafe) private(set) var parents: [Node?]
    /// Emptied by a backward pass that releases what it has used.
    nonisolated(unsafe) private(set) var saved: Saved
    let outputShape: [Int]
    /// What gradients of the value are kept as.
    let outputType: ElementType
    /// Whether the tape is recorded for a program, not for gradients: constants are then kept too.
    let isTrace: Bool
    /// Grows with every node, so that parents always come before their children.
    let sequence: Int
    /// The lane that computed the value.
    let lane: Lane?

    private static let counter = Atomic<Int>(0)

    /// The `sequence` of the newest node.
    static var newestSequence: Int { counter.load(ordering: .relaxed) }

    /// A leaf.
    init(leafOf shape: [Int], _ type: ElementType, isTrace: Bool = false) {
        operation = nil
        parents = []
        saved = .nothing
        outputShape = shape
        outputType = type
        self.isTrace = isTrace
        sequence = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        lane = .current
    }

    init(operation: some Operation, inputs: [Tensor], output: Tensor, auxiliaries: [Tensor]) {
        self.operation = operation
        parents = inputs.map(\.node)
        let isTrace = inputs.contains { $0.node?.isTrace == true }
        let wanted = inputs.map { $0.node != nil }
        let kept = operation.keeps(wanted)
        saved = Saved(
            inputs: inputs.enumerated().map { index, input in
                isTrace
                    ? (input.node == nil ? input : nil)
                    : (kept.containsInput(index) ? input.plain : nil)
            },
            output: kept.containsOutput && !isTrace ? output : nil,
            auxiliaries: isTrace ? [] : auxiliaries, inputShapes: inputs.map(\.shape), wanted: wanted)
        outputShape = output.shape
        outputType = output.elementType
        self.isTrace = isTrace
        sequence = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        lane = .current
        if !isTrace { for tensor in saved.tensors { tensor.storage.keep() } }
    }

    /// Lets go of what the backward pass has used; there can be no other after that.
    func release() {
        for tensor in saved.tensors { tensor.storage.letGo() }
        saved = .nothing
    }

    /// Lets go of a long tape node by node: one inside another they would use up the stack.
    deinit {
        if !isTrace { for tensor in saved.tensors { tensor.storage.letGo() } }
        var pending = parents.compactMap(\.self)
        parents = []
        while !pending.isEmpty {
            var node = pending.removeLast()
            guard isKnownUniquelyReferenced(&node) else { continue }
            pending += node.parents.compactMap(\.self)
            node.parents = []
        }
    }
}

extension Tensor {
    /// The same values as a leaf of the tape: what is computed from it can be differentiated with respect to it.
    package var differentiable: Tensor {
        require(elementType.isFloatingPoint, "only floating-point tensors can be differentiated, not \(elementType)")
        return counted(as: .weights).with(Node(leafOf: shape, elementType))
    }

    /// Gradients of this scalar with respect to `leaves`, in their order; zeros for a leaf it does not depend on.
    ///
    /// - Parameter releasing: whether what the tape keeps is let go of on the way. There can be no other backward pass
    ///   through it then.
    /// - Precondition: one element; each leaf came from `differentiable`.
    package func gradients(for leaves: [Tensor], releasing: Bool = false) -> [Tensor] {
        require(elementCount == 1, "gradients: the value to differentiate has shape \(shape), not one element")
        return gradients(for: leaves, seed: .ones(shape), releasing: releasing)
    }

    /// The vector-Jacobian product: gradients of `sum(self · seed)` with respect to `leaves`.
    package func gradients(for leaves: [Tensor], seed: Tensor, releasing: Bool = false) -> [Tensor] {
        let places = leaves.compactMap(\.node)
        require(
            Set(places.map(ObjectIdentifier.init)).count == leaves.count,
            "gradients: each leaf must be made by `differentiable`, once")
        return zip(leaves, gradients(at: places, seed: seed, releasing: releasing)).map {
            $1 ?? .zeros($0.shape, $0.elementType)
        }
    }

    /// The vector-Jacobian product towards the values of `places`, none behind another's back: what lies beyond a
    /// place is not followed. `nil` for a place that this value does not depend on.
    func gradients(at places: [Node], seed: Tensor, releasing: Bool = false) -> [Tensor?] {
        guard let node else { return places.map { _ in nil } }
        let ends = Set(places.map(ObjectIdentifier.init))
        let nodes = node.ancestorsNewestFirst(upTo: ends).filter {
            $0.operation != nil && !ends.contains(ObjectIdentifier($0))
        }
        var sweep = BackwardSweep(releasing: releasing)
        sweep.add(seed.cast(to: elementType), at: node)
        sweep.run(nodes[...])
        return places.map { sweep.pending[ObjectIdentifier($0)] }
    }
}

extension Node {
    /// This node and everything it came from, children before parents.
    var ancestorsNewestFirst: [Node] { ancestorsNewestFirst(upTo: []) }

    /// This node and what it came from, children before parents, without what lies behind one of `ends`.
    func ancestorsNewestFirst(upTo ends: Set<ObjectIdentifier>) -> [Node] {
        var seen: Set<ObjectIdentifier> = [ObjectIdentifier(self)]
        var found = [self]
        var next = 0
        while next < found.count {
            defer { next += 1 }
            if ends.contains(ObjectIdentifier(found[next])) { continue }
            for case let parent? in found[next].parents where seen.insert(ObjectIdentifier(parent)).inserted {
                found.append(parent)
            }
        }
        return found.sorted { $0.sequence > $1.sequence }
    }
}
