import PandoTensor

/// Follows the sum of the gradients after their principal components were made equally long, as long as the shortest.
///
/// - Source: Senushkin et al. 2023, Independent Component Alignment for Multi-Task Learning (arXiv:2305.19000), algorithm 1.
///   Components are left out that are zero in single precision, as in the authors' code.
public struct AlignedMTL: Balancing {
    public init() {}

    public var readsGradients: Bool { true }
    public var weighsLosses: Bool { false }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        step.weights { gramian, _, _ in
            let count = gramian.count
            var vectors = gramian.values
            var values = [Double](repeating: 0, count: count)
            let isDone = vectors.withUnsafeMutableBufferPointer { vectors in
                values.withUnsafeMutableBufferPointer { LAPACK.symmetricEigen(vectors, size: count, $0) }
            }
            guard isDone, let largest = values.last else { return [.nan] }
            let least = largest * Double(count) * Double(Float.ulpOfOne)
            let kept = values.indices.filter { values[$0] > least }
            var weights = [Double](repeating: 0, count: count)
            for component in kept {
                let vector = vectors[component * count..<(component + 1) * count]
                let factor = vector.reduce(0, +) * (values[kept[0]] / values[component]).squareRoot()
                for (place, element) in vector.enumerated() { weights[place] += factor * element }
            }
            return weights
        }
    }

    public var state: [String: Tensor] {
        get { [:] }
        set {}
    }
}

/// Nothing to choose.
public struct AlignedConfiguration: BalancingConfiguration {
    public static let kind = "aligned"
    public static let summary = "gradients whose principal components are made equally long"
    public static let options: [PlanOption<AlignedConfiguration>] = []

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing { AlignedMTL() }
}
