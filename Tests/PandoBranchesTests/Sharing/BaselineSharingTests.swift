import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Cross-stitch units, masks, and experts, held against what their papers' equations say.
@Suite struct BaselineSharingTests {
    private let features = Features(pooled: irregular([4, 6]))

    @Test func `columns that take nothing of one another are networks of their own`() {
        var generator = SeededGenerator(seed: 1)
        var sharing = CrossStitch(vectorLength: 6, taskCount: 2, width: 5, layers: 2, own: 0.9, using: &generator)
        #expect(sharing.units[0].scalars().map { ($0 * 10).rounded() } == [9, 1, 1, 9])
        sharing.units = [.eye(2), .eye(2)]
        let vector = sharing.norm(features.pooled)
        for (task, found) in sharing(features, for: [0, 1]).enumerated() {
            expectClose(found, sharing.columns[task](vector))
        }
        sharing.units[1] = Tensor([0.25, 0.75, 0, 1] as [Float], shape: [2, 2])
        let columns = sharing.columns.map { $0(vector) }
        expectClose(sharing(features, for: [0])[0], columns[0] * 0.25 + columns[1] * 0.75)
    }

    @Test func `a unit between layers mixes what the next layers read`() {
        var generator = SeededGenerator(seed: 2)
        var sharing = CrossStitch(vectorLength: 6, taskCount: 2, width: 5, layers: 2, own: 0.9, using: &generator)
        sharing.units = [Tensor([0, 1, 1, 0] as [Float], shape: [2, 2]), .eye(2)]
        let vector = sharing.norm(features.pooled)
        let crossed = sharing.columns[0].layers[1](sharing.columns[1].layers[0](vector).relu()).relu()
        expectClose(sharing(features, for: [0])[0], crossed)
    }

    @Test func `a gate that is sure of one expert gives that expert`() {
        var generator = SeededGenerator(seed: 3)
        var sharing = MMoE(vectorLength: 6, taskCount: 2, experts: 3, width: 5, using: &generator)
        let vector = sharing.norm(features.pooled)
        let experts = sharing.experts(vector)
        let shares = sharing.tasks[1].gate(vector)
        let mixture = (experts * shares.expanded(at: 2)).sum(along: [1])
        expectClose(sharing(features, for: [1])[0], mixture)
        // Examples whose scores of expert 2 are far above the others'.
        sharing.tasks[0].gate.layer.weight = .zeros([3, 6])
        expectClose(sharing(features, for: [0])[0], experts.mean(along: [1]))
        #expect(sharing.parameterCount == 12 + 3 * 5 * 7 + 2 * 3 * 6)
    }

    @Test func `one level of extraction is a gate over own and shared experts`() {
        var generator = SeededGenerator(seed: 4)
        let sharing = PLE(vectorLength: 6, taskCount: 2, levels: 1, shared: 2, own: 1, width: 5, using: &generator)
        let vector = sharing.norm(features.pooled)
        let (level, task) = (sharing.levels[0], sharing.levels[0].tasks[1])
        #expect(level.sharedGate == nil)
        let experts = Tensor.concatenated([task.experts(vector), level.shared(vector)], along: 1)
        let mixture = (experts * task.gate(vector).expanded(at: 2)).sum(along: [1])
        expectClose(sharing(features, for: [1])[0], mixture)
    }

    @Test func `a closed mask lets nothing of the trunk through, and masks of tasks differ`() {
        var generator = SeededGenerator(seed: 5)
        var sharing = MTAN(
            reading: ["a", "b"], channels: [6, 4], taskCount: 2, width: 5, maskWidth: 3, using: &generator)
        let features = Features(taps: ["a": irregular([3, 2, 6]), "b": irregular([3, 2, 4], phase: 1)], pooled: .zeros([3, 0]))
        let open = sharing(features, for: [0, 1])
        #expect(open[0].scalars() != open[1].scalars())
        let last = sharing.tasks[0].masks.count - 1
        sharing.tasks[0].masks[last].output.bias = .filled([5], with: -200)
        sharing.tasks[0].masks[last].output.weight = .zeros([5, 3])
        let closed = sharing(features, for: [0, 1])
        expectClose(closed[0], sharing.layers[1].onward(.zeros([3, 5])).relu())
        #expect(closed[1].scalars() == open[1].scalars())
    }
}
