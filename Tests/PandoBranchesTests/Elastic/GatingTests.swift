import PandoBackbones
import PandoTensor
import Testing

@testable import PandoBranches

@Suite struct GatingTests {
    private let gates: [BlockGates] = [
        BlockGates(unitCounts: [], isOptional: false), BlockGates(unitCounts: [4, 48], isOptional: true),
        BlockGates(unitCounts: [10], isOptional: false), BlockGates(unitCounts: [16], isOptional: true),
        BlockGates(unitCounts: [16], isOptional: true),
    ]

    private func units(_ gating: Gating, at utilization: Double, seed: UInt64 = 0) -> [[[Int]]] {
        var generator = SeededGenerator(seed: seed)
        let openings = gating.openings(of: gates, at: utilization, using: &generator)
        return gates.indices.map { index in
            guard case .units(let parts) = openings[index] else { return [] }
            return parts.map(\.units)
        }
    }

    @Test(arguments: [(0.0, 1), (0.2, 1), (0.25, 2), (0.5, 4), (0.75, 6), (0.88, 7), (0.9, 8), (1, 8)])
    func `a utilisation opens so many of eight`(utilization: Double, count: Int) {
        #expect(Gating.openCount(of: 8, at: utilization) == count)
    }

    @Test func `what is open stays open at every higher utilisation`() {
        let gating = Gating(components: 8)
        for (low, high) in [(0.1, 0.3), (0.3, 0.5), (0.5, 0.9), (0.9, 1.0)] {
            for (small, large) in zip(units(gating, at: low), units(gating, at: high)) {
                for (part, whole) in zip(small, large) { #expect(Set(part).isSubset(of: whole)) }
            }
        }
        #expect(units(gating, at: 1) == [[], [Array(0..<4), Array(0..<48)], [Array(0..<10)], [Array(0..<16)], [Array(0..<16)]])
        #expect(units(gating, at: 0.5)[1] == [[0, 1], Array(0..<24)])
    }

    @Test func `drawn components are as many, and others for another draw`() {
        let (nested, drawn) = (Gating(components: 8), Gating(order: .independent, components: 8))
        for utilization in [0.0, 0.3, 0.6, 1] {
            let counts = units(nested, at: utilization).map { $0.map(\.count) }
            // Ten units in eight components: components differ in size.
            #expect(units(drawn, at: utilization).enumerated().allSatisfy { $0 == 2 || $1.map(\.count) == counts[$0] })
        }
        #expect(units(drawn, at: 0.5) == units(drawn, at: 0.5))
        #expect(units(drawn, at: 0.5) != units(drawn, at: 0.5, seed: 1))
    }

    @Test func `by depth the last blocks that can be left out are kept`() {
        var generator = SeededGenerator(seed: 0)
        let gating = Gating(order: .depth)
        let openings = gating.openings(of: gates, at: 0.5, using: &generator)
        #expect(openings == [1: .leftOut])
        #expect(gating.openings(of: gates, at: 0, using: &generator) == [1: .leftOut, 3: .leftOut])
        #expect(gating.openings(of: gates, from: 2, at: 0, using: &generator) == [3: .leftOut])
        #expect(gating.openings(of: gates, at: 1, using: &generator).isEmpty)
    }

    @Test func `rescaling makes up for what is closed`() {
        var generator = SeededGenerator(seed: 0)
        let openings = Gating(components: 8, rescales: true).openings(of: gates, at: 0.5, using: &generator)
        guard case .units(let parts) = openings[1] else {
            Issue.record("block 1 is not opened by units")
            return
        }
        #expect(parts.map(\.scale) == [2, 2])
    }
}
