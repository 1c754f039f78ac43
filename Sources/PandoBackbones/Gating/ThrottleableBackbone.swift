import PandoNN
import PandoTensor

/// A backbone of residual blocks whose inner units, or whole blocks, can be left out.
///
/// What the blocks hand on keeps its width, so any units of any block may be closed. A throttled network is a plain network
/// whose weights are slices of this one's: what is closed is not computed, a program compiled for it is smaller, and
/// gradients of it are gradients of these weights.
/// - Source: Liu et al. 2020 (arXiv:2011.02836), the "sum" form of a throttleable module, of units within residual blocks.
public protocol ThrottleableBackbone: BlockwiseBackbone {
    /// For each tap in order, what can be closed of its block.
    var gates: [BlockGates] { get }

    /// The network with blocks opened only so far; blocks that are not named stay whole.
    /// - Precondition: each opening fits its block's gates.
    func throttled(to openings: [Int: BlockOpening]) -> Self

    /// How much each unit of each gated part of a block weighs: the product of the lengths of what makes it and what adds
    /// it up.
    func magnitudes(ofBlock index: Int) -> [[Float]]
}

/// What can be closed of a block.
public struct BlockGates: Sendable, Hashable {
    /// Units of each gated part.
    public let unitCounts: [Int]
    /// Whether the whole block can be left out: its input has its output's shape.
    public let isOptional: Bool

    public init(unitCounts: [Int], isOptional: Bool) { (self.unitCounts, self.isOptional) = (unitCounts, isOptional) }

    /// A block that always runs whole.
    static let none = BlockGates(unitCounts: [], isOptional: false)
}

/// How far a block is open.
public enum BlockOpening: Sendable, Hashable {
    /// What each gated part keeps.
    case units([OpenUnits])
    /// The block hands on what it is given.
    case leftOut
}

extension ThrottleableBackbone {
    /// The same function with the units of each gated part in order of magnitude, the heaviest first, so that the first
    /// ones are the best to keep.
    ///
    /// - Source: Hou et al. 2020, DynaBERT (arXiv:2004.04037), section 2.1, which ranks by the loss's gradient; ranking by
    ///   weights needs no data.
    public func orderedByMagnitude() -> Self {
        var openings: [Int: BlockOpening] = [:]
        for (index, gates) in gates.enumerated() where !gates.unitCounts.isEmpty {
            openings[index] = .units(
                magnitudes(ofBlock: index).map { magnitudes in
                    OpenUnits(magnitudes.indices.sorted { (magnitudes[$1], $0) < (magnitudes[$0], $1) })
                })
        }
        return throttled(to: openings)
    }
}

/// A block whose units can be closed.
protocol GatedBlock: Module {
    var gates: BlockGates { get }
    /// Of each part, the lengths of the weights that make a unit, times of those that add it up.
    var magnitudes: [[Float]] { get }
    /// Whether it hands on what it is given.
    var isLeftOut: Bool { get set }
    /// Keeps of each part the open units.
    mutating func open(_ parts: [OpenUnits])
}

extension GatedBlock {
    mutating func open(to opening: BlockOpening) {
        let gates = gates
        switch opening {
        case .leftOut:
            require(gates.isOptional, "\(Self.self): a block that changes its input's shape cannot be left out")
            isLeftOut = true
        case .units(let parts):
            require(
                parts.count == gates.unitCounts.count
                    && zip(parts, gates.unitCounts).allSatisfy { part, count in
                        part.units.allSatisfy { (0..<count).contains($0) }
                    },
                "\(Self.self): units \(parts.map(\.units)) do not fit parts of \(gates.unitCounts) units")
            open(parts)
        }
    }
}

/// The length of what belongs to each unit along `axis`, units of `size` neighbours each.
func unitLengths(_ weight: Tensor, along axis: Int, size: Int = 1) -> [Float] {
    let others = (0..<weight.rank).filter { $0 != axis }
    let squares = weight.cast(to: .float32).squared().sum(along: others).scalars()
    return stride(from: 0, to: squares.count, by: size).map { start in
        squares[start..<start + size].reduce(0, +).squareRoot()
    }
}

/// Product, unit by unit.
func unitProducts(_ factors: [Float]...) -> [Float] {
    factors[0].indices.map { index in factors.reduce(1) { $0 * $1[index] } }
}
