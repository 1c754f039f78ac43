import Synchronization

/// The first operation that made a value which is not finite.
public struct Anomaly: Error, Sendable, CustomStringConvertible {
    public enum Direction: String, Sendable { case forward, backward }

    /// The operation's type, with its attributes.
    public let operation: String
    /// Whether its value or its gradient is not finite.
    public let direction: Direction
    public let inputShapes: [[Int]]
    /// Whether everything it was computed from was finite, the incoming gradient included.
    public let inputsWereFinite: Bool

    public var description: String {
        let what = direction == .forward ? "values" : "gradients"
        let origin = inputsWereFinite ? "all it was computed from was" : "it was given such numbers"
        let shapes = inputShapes.map(\.description).joined(separator: ", ")
        return "\(operation) of \(shapes) made \(what) that are not finite (\(direction) pass); \(origin)"
            + (inputsWereFinite ? " finite" : "")
    }
}

/// Runs `body` and looks at every value and every gradient that operations make meanwhile.
///
/// What `body` starts through `Parallel` is watched too. Each result is read once more, so this is for finding a
/// fault; outside such a call nothing is looked at. A value that is not finite by intention (a mask of infinities)
/// counts as one.
/// - Throws: `Anomaly`, once `body` has ended, if a value was not finite; else what `body` throws.
public func detectAnomaly<Result>(_ body: () throws -> Result) throws -> Result {
    let record = AnomalyRecord()
    do {
        let result = try TapeScope.with({ $0.anomalies = record }, body)
        if let anomaly = record.first { throw anomaly }
        return result
    } catch {
        throw record.first ?? error
    }
}

/// Remembers the first anomaly of a scope.
final class AnomalyRecord: Sendable {
    private let found = Mutex<Anomaly?>(nil)

    var first: Anomaly? { found.withLock { $0 } }

    func inspect(_ output: Tensor, of operation: some Operation, from inputs: [Tensor]) {
        guard first == nil, !output.plain.isFinite else { return }
        report(operation, .forward, inputs.map(\.shape), inputsWereFinite: inputs.allSatisfy(\.plain.isFinite))
    }

    func inspect(_ gradients: [Tensor?], of operation: some Operation, from gradient: Tensor, _ saved: Saved) {
        guard first == nil, gradients.contains(where: { $0?.plain.isFinite == false }) else { return }
        report(
            operation, .backward, saved.inputShapes,
            inputsWereFinite: gradient.plain.isFinite && saved.tensors.allSatisfy(\.plain.isFinite))
    }

    private func report(
        _ operation: some Operation, _ direction: Anomaly.Direction, _ shapes: [[Int]], inputsWereFinite: Bool
    ) {
        let anomaly = Anomaly(
            operation: "\(operation)".replacing("PandoTensor.", with: ""), direction: direction, inputShapes: shapes,
            inputsWereFinite: inputsWereFinite)
        found.withLock { $0 = $0 ?? anomaly }
    }
}
