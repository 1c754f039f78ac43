import PandoTensor

/// The gradients of a module's parameters, in declaration order.
public struct Gradients: Sendable {
    public var tensors: [Tensor]

    public init(_ tensors: [Tensor]) { self.tensors = tensors }

    /// The Euclidean length of all gradients taken as one vector.
    public var norm: Float { norm { _ in true } }

    /// The lengths of the gradients of each group of the module's parameters; a parameter counts for the first group
    /// that takes it, and for none if none does.
    /// - Precondition: the gradients came from this module.
    public func norms(of module: some Module, in groups: [ParameterGroup]) -> [Float] {
        let parameters = module.namedTensors.filter(\.isParameter)
        require(
            parameters.count == tensors.count, "gradients: \(tensors.count) of them for \(parameters.count) parameters")
        let memberships = parameters.map { parameter in
            groups.firstIndex { $0.contains(parameter.name, parameter.tensor) }
        }
        return groups.indices.map { group in norm { memberships[$0] == group } }
    }

    private func norm(_ includes: (Int) -> Bool) -> Float {
        tensors.indices.filter(includes)
            .reduce(Float(0)) { $0 + tensors[$1].cast(to: .float32).squared().sum().scalar() }.squareRoot()
    }

    /// Whether every number is finite.
    public var isFinite: Bool { tensors.allSatisfy(\.isFinite) }

    /// Scaled down, if need be, to a norm of at most `limit`.
    public func clipped(toNorm limit: Float) -> Gradients {
        var clipped = self
        clipped.clip(toNorm: limit)
        return clipped
    }

    /// Scales down, if need be, to a norm of at most `limit`: one gradient after another, so that they are not all there
    /// twice.
    public mutating func clip(toNorm limit: Float) {
        let norm = norm
        guard norm > limit else { return }
        for index in tensors.indices { tensors[index] = tensors[index] * (limit / norm) }
    }

    /// Every number held within `-limit...limit`.
    public func clipped(toMagnitude limit: Float) -> Gradients {
        Gradients(tensors.map { $0.clamped(-limit, limit) })
    }
}

/// Collects the gradients of several small batches into those of one large batch.
public struct GradientAccumulator: Sendable {
    private var sum: [Tensor] = []
    private var weight: Float = 0

    public init() {}

    /// Adds the gradients of a mean over `weight` examples, or of any mean that should count `weight` times.
    public mutating func add(_ gradients: Gradients, weight: Float = 1) {
        self.weight += weight
        let parts = gradients.tensors
        if sum.isEmpty { sum = parts.map { .zeros($0.shape) } }
        require(sum.count == parts.count, "gradients: \(parts.count) of them are added to \(sum.count)")
        for (index, part) in parts.enumerated() {
            require(
                sum[index].shape == part.shape, "gradients: \(part.shape) is added to \(sum[index].shape)")
            part.cast(to: .float32).withScalars { part in
                sum[index].mutateScalars { total in
                    for place in total.indices { total[place] += weight * part[place] }
                }
            }
        }
    }

    /// The weighted mean of what was added, and begins anew.
    /// - Precondition: something was added since the last call.
    public mutating func take() -> Gradients {
        require(weight > 0, "gradients: nothing was added to the accumulator")
        defer { self = GradientAccumulator() }
        return Gradients(sum.map { $0 / weight })
    }
}
