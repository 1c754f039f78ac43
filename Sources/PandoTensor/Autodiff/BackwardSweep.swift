import Synchronization

/// One backward pass under way: gradients of values that are still to be passed on.
struct BackwardSweep: Sendable {
    /// By the node of the value.
    private(set) var pending: [ObjectIdentifier: Tensor] = [:]
    /// Whether nodes let go of what they keep once it was used.
    let releasing: Bool

    init(releasing: Bool) { self.releasing = releasing }

    /// Adds a part of the gradient of the value that `node` made.
    mutating func add(_ part: Tensor, at node: Node) {
        let key = ObjectIdentifier(node)
        pending[key] = pending[key].map { $0 + part } ?? part
    }

    /// Passes gradients through `nodes`, children before parents. What lanes computed, lanes pass on.
    mutating func run(_ nodes: ArraySlice<Node>) {
        let isInLane = Lane.current != nil
        var next = nodes.startIndex
        while next < nodes.endIndex {
            guard !isInLane, let meeting = nodes[next].lane?.meeting else {
                pass(nodes[next])
                next += 1
                continue
            }
            // Whoever starts lanes waits for them: their nodes follow one another.
            let end = nodes[next...].firstIndex { $0.lane?.meeting !== meeting } ?? nodes.endIndex
            runLanes(of: meeting, nodes[next..<end])
            next = end
        }
    }

    private mutating func pass(_ node: Node) {
        guard let operation = node.operation, let gradient = pending.removeValue(forKey: ObjectIdentifier(node)) else {
            return
        }
        let contributions: [Tensor?]
        if let anomalies = TapeScope.current?.anomalies {
            contributions = operation.contributions(copy gradient, node.saved)
            anomalies.inspect(contributions, of: operation, from: gradient, node.saved)
        } else {
            contributions = operation.contributions(consume gradient, node.saved)
        }
        if releasing { node.release() }
        for (parent, contribution) in zip(node.parents, contributions) {
            guard let parent, let contribution else { continue }
            require(
                contribution.shape == parent.outputShape,
                "\(type(of: operation)): the gradient has shape \(contribution.shape), the input \(parent.outputShape)"
            )
            // Where types mix, an operation's gradient may come in the wider one.
            add(contribution.cast(to: parent.outputType), at: parent)
        }
    }

    /// Each lane goes back through its own nodes; what reaches earlier ones is added up in the order of lanes.
    private mutating func runLanes(of meeting: LaneMeeting, _ nodes: ArraySlice<Node>) {
        var sweeps = (0..<meeting.count).map { _ in BackwardSweep(releasing: releasing) }
        for node in nodes {
            guard let lane = node.lane, let gradient = pending.removeValue(forKey: ObjectIdentifier(node)) else {
                continue
            }
            sweeps[lane.index].add(gradient, at: node)
        }
        let ended = Mutex(sweeps)
        meeting.run { [sweeps] lane in
            var sweep = sweeps[lane.index]
            sweep.run(nodes.filter { $0.lane?.index == lane.index }[...])
            ended.withLock { $0[lane.index] = sweep }
        }
        // What a lane brings goes as it is added: gradients of large weights are large.
        var brought = ended.withLock { lanes in
            defer { lanes = [] }
            return lanes
        }
        for lane in brought.indices {
            while let (node, part) = brought[lane].pending.popFirst() {
                if pending[node] == nil { pending[node] = part } else { pending[node]!.accumulate(part) }
            }
        }
    }
}

extension Tensor {
    /// Adds `part`; in place where these values are nobody else's.
    fileprivate mutating func accumulate(_ part: Tensor) {
        guard [self, part].allSatisfy({ $0.elementType == .float32 && $0.node == nil }), shape == part.shape else {
            self = self + part
            return
        }
        part.withScalars { part in
            mutateScalars { sum in
                for place in sum.indices { sum[place] += part[place] }
            }
        }
    }
}
