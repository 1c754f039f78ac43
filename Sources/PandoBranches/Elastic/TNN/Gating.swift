import PandoBackbones
import PandoTensor

/// How a number from 0 to 1, the utilisation, opens the components of a network's blocks.
///
/// A gated part is cut into components of neighbouring units; of `n` components, `floor(u · (n + 1))` are open, at least 1
/// and at most all.
/// - Source: Liu et al. 2020 (arXiv:2011.02836), section on throttleable modules, with no component open for certain; we
///   keep one, so that no part is ever empty.
public struct Gating: Sendable, Hashable, Codable {
    /// Which components are open.
    public enum Order: String, Sendable, Hashable, Codable, CaseIterable {
        /// The first ones of each part: what is open at one utilisation is open at every higher one.
        case nested
        /// Of each part as many, drawn anew for every pass.
        case independent
        /// Whole blocks: the last ones of those that can be left out, by one budget for the network.
        case depth
    }

    public var order: Order
    /// The most components a part is cut into; a part of fewer units has as many.
    public var components: Int
    /// Whether what is open is scaled by how much is closed, so that sums keep their size.
    public var rescales: Bool

    /// - Precondition: `components` is positive.
    public init(order: Order = .nested, components: Int = 16, rescales: Bool = false) {
        require(components > 0, "Gating: \(components) components, expected at least one")
        (self.order, self.components, self.rescales) = (order, components, rescales)
    }

    /// How many of `total` components are open.
    /// - Precondition: `utilization` is within 0...1.
    public static func openCount(of total: Int, at utilization: Double) -> Int {
        require((0...1).contains(utilization), "Gating: a utilisation of \(utilization) is outside 0...1")
        return max(1, min(total, Int((utilization * Double(total + 1)).rounded(.down))))
    }

    /// What is open of each block from place `first` on; blocks before it are whole.
    ///
    /// - Parameter generator: for components that are drawn.
    public func openings(
        of gates: [BlockGates], from first: Int = 0, at utilization: Double, using generator: inout SeededGenerator
    ) -> [Int: BlockOpening] {
        let closable = gates.indices.dropFirst(first)
        if order == .depth {
            let optional = closable.filter { gates[$0].isOptional }
            guard !optional.isEmpty else { return [:] }
            let closed = optional.dropLast(Self.openCount(of: optional.count, at: utilization))
            return Dictionary(uniqueKeysWithValues: closed.map { ($0, .leftOut) })
        }
        var openings: [Int: BlockOpening] = [:]
        for index in closable where !gates[index].unitCounts.isEmpty {
            openings[index] = .units(gates[index].unitCounts.map { open(of: $0, at: utilization, using: &generator) })
        }
        return openings
    }

    private func open(of units: Int, at utilization: Double, using generator: inout SeededGenerator) -> OpenUnits {
        let total = min(components, units)
        let count = Self.openCount(of: total, at: utilization)
        let chosen = order == .independent
            ? Array((0..<total).shuffled(using: &generator).prefix(count)).sorted() : Array(0..<count)
        let open = chosen.flatMap { $0 * units / total..<($0 + 1) * units / total }
        return OpenUnits(open, scale: rescales ? Float(units) / Float(open.count) : 1)
    }
}
