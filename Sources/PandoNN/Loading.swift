import PandoTensor

/// Weights that do not fit the module they were loaded into; every problem found.
public struct WeightMismatch: Error, CustomStringConvertible, Sendable {
    /// Where the weights came from.
    public let source: String
    /// One sentence each, naming the tensor.
    public let problems: [String]

    public init(source: String, problems: [String]) {
        self.source = source
        self.problems = problems
    }

    public var description: String {
        "the weights in \(source) do not fit:\n" + problems.map { "  \($0)" }.joined(separator: "\n")
    }
}

extension Module {
    /// Takes parameters and buffers from `weights`, by name.
    ///
    /// - Parameters:
    ///   - source: where the weights came from, for the message.
    ///   - ignoring: names that may stand in `weights` unused.
    ///   - sourceName: what the source calls a tensor of ours, for the message.
    /// - Throws: `WeightMismatch` naming every missing, left-over, mis-shaped and non-finite tensor; the module is
    ///   then unchanged.
    public mutating func load(
        _ weights: [String: Tensor], from source: String, ignoring: (String) -> Bool = { _ in false },
        sourceName: (String) -> String = { $0 }
    ) throws(WeightMismatch) {
        var loader = Loader(weights: weights)
        var loaded = self
        loaded.visit(&loader)
        for name in weights.keys.sorted() where !loader.used.contains(name) && !ignoring(name) {
            loader.problems.append((name, "\(weights[name]!.shape) is left over: the network has no such tensor"))
        }
        guard loader.problems.isEmpty else {
            throw WeightMismatch(source: source, problems: loader.problems.map { "\(sourceName($0.name)) \($0.problem)" })
        }
        self = loaded
    }
}

private struct Loader: Visitor {
    let weights: [String: Tensor]
    var path = Path()
    var used: Set<String> = []
    var problems: [(name: String, problem: String)] = []

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {
        let name = path(name)
        guard let found = weights[name] else {
            problems.append((name, "is missing, expected shape \(tensor.shape)"))
            return
        }
        used.insert(name)
        guard found.shape == tensor.shape else {
            problems.append((name, "has shape \(found.shape), expected \(tensor.shape)"))
            return
        }
        guard found.elementType.isFloatingPoint == tensor.elementType.isFloatingPoint else {
            problems.append((name, "holds \(found.elementType), expected \(tensor.elementType)"))
            return
        }
        let value = found.cast(to: tensor.elementType)
        if !value.isFinite {
            problems.append((name, "holds values that are not finite"))
            return
        }
        tensor = value.counted(as: .weights)
    }

    mutating func buffer(_ name: String, _ tensor: inout Tensor) { parameter(name, &tensor) }
    mutating func enter(_ name: String) { path.enter(name) }
    mutating func leave() { path.leave() }
}
