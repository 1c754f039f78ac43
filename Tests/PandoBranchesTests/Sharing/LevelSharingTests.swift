import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Policies that read several levels of a backbone: what a fake of each would not do.
@Suite struct LevelSharingTests {
    private let tokens = Features(
        taps: ["a": irregular([4, 3, 6]), "b": irregular([4, 3, 8], phase: 1), "c": irregular([4, 3, 5], phase: 2)],
        pooled: .zeros([4, 0]))

    // MARK: TaskExpert

    private func taskExpert(reads: Bool = true, adapts: Bool = true) -> TaskExpert {
        var generator = SeededGenerator(seed: 1)
        return TaskExpert(
            reading: ["a", "b", "c"], channels: [6, 8, 5], taskCount: 2, experts: 3, width: 8, reads: reads, adapts: adapts,
            using: &generator)
    }

    @Test func `gates of experts depend on the example and on the task, constant ones on the task alone`() {
        let (adaptive, constant) = (taskExpert(), taskExpert(adapts: false))
        let states = adaptive.states(tokens)
        let first = adaptive.shares(of: 0, at: 0, state: states[0], memory: nil)
        expectClose(first.sum(along: [1]), .ones([4]))
        #expect(first.standardDeviation(along: [0]).max().scalar() > 0.01)
        let second = adaptive.shares(of: 1, at: 0, state: states[0], memory: nil)
        #expect(worstDifference(first, second).relative > 0.01)
        let same = constant.shares(of: 0, at: 0, state: states[0], memory: nil)
        expectClose(same, .filled([4, 3], with: 1 / 3))
    }

    @Test func `the memory is one more expert from the second level on, and the gate sees it`() {
        let sharing = taskExpert()
        let states = sharing.states(tokens)
        let memories = [irregular([4, 8], phase: 3), irregular([4, 8], phase: 4)]
        let shares = memories.map { sharing.shares(of: 0, at: 1, state: states[1], memory: $0) }
        #expect(shares[0].shape == [4, 4] && worstDifference(shares[0], shares[1]).relative > 0.001)
        #expect(sharing.shares(of: 0, at: 0, state: states[0], memory: nil).shape == [4, 3])
        let blind = taskExpert(reads: false)
        #expect(blind.shares(of: 0, at: 1, state: states[1], memory: memories[0]).shape == [4, 3])
    }

    @Test func `the head reads the memory, which is the sum of what levels write`() {
        var sharing = taskExpert()
        for level in 0..<3 {
            sharing.tasks[0].writings[level].weight = .zeros([8, 8])
            sharing.tasks[0].writings[level].bias = .filled([8], with: Float(level + 1))
        }
        expectClose(sharing(tokens, for: [0])[0], .filled([4, 8], with: 6))
    }

    @Test func `one level with one expert and no memory is a plain decoder of that level`() {
        var generator = SeededGenerator(seed: 2)
        let sharing = TaskExpert(
            reading: ["a"], channels: [6], taskCount: 1, experts: 1, width: 8, using: &generator)
        let expert = sharing.levels[0].experts(sharing.states(tokens)[0]).squeezed(1)
        let task = sharing.tasks[0]
        let plain = task.writings[0](task.refinements[0](expert).gelu())
        #expect(sharing(tokens, for: [0])[0].scalars() == plain.scalars())
    }

    // MARK: SwinFace

    private func swinFace(gates: Bool = true) -> SwinFace {
        var generator = SeededGenerator(seed: 3)
        return SwinFace(
            reading: ["x", "y"], channels: [4, 12], rates: [2, 1], taskCount: 2, width: 16, gates: gates, using: &generator)
    }

    private let maps = Features(
        taps: ["x": irregular([3, 4, 4, 4]), "y": irregular([3, 2, 2, 12], phase: 1)], pooled: .zeros([3, 0]))

    @Test func `levels get channels by their share, and every level one at least`() {
        #expect(ChannelAttention.widths([4, 12], width: 16) == [4, 12])
        #expect(ChannelAttention.widths([192, 384, 768, 768], width: 512).reduce(0, +) == 512)
        #expect(ChannelAttention.widths([1, 1000], width: 4) == [1, 3])
        #expect(ChannelAttention.widths([1000, 1, 1], width: 3) == [1, 1, 1])
    }

    @Test func `channels are weighed by mean and maximum, example by example`() throws {
        let sharing = swinFace()
        let attention = sharing.tasks[0].attention
        let levels = sharing.maps(maps)
        #expect(levels.map(\.shape) == [[3, 2, 2, 4], [3, 2, 2, 12]])
        let seen = Tensor.concatenated(zip(attention.convolutions, levels).map { $0($1) }, along: 3)
        let gate = try #require(attention.gate(seen.places, mask: nil))
        let perceptron = { (x: Tensor) in attention.excitation!(attention.squeeze!(x).relu()) }
        let pooled = perceptron(seen.mean(along: [1, 2])) + perceptron(seen.max(along: [1, 2]))
        expectClose(gate, pooled.sigmoid())
        #expect(gate.standardDeviation(along: [0]).max().scalar() > 1e-3)
        let chosen = attention.norm((seen * gate.reshaped(3, 1, 1, 16)).relu().max(along: [1, 2]))
        expectClose(attention(levels, mask: nil), chosen)
        #expect(swinFace(gates: false).tasks[0].attention.gate(seen.places, mask: nil) == nil)
    }

    @Test func `tasks weigh levels differently`() throws {
        let sharing = swinFace()
        let levels = sharing.maps(maps)
        let gates = try sharing.tasks.map { task in
            let seen = Tensor.concatenated(zip(task.attention.convolutions, levels).map { $0($1) }, along: 3).places
            return try #require(task.attention.gate(seen, mask: nil))
        }
        #expect(worstDifference(gates[0], gates[1]).relative > 0.01)
    }

    // MARK: FaceXFormer

    private func faceXFormer(bothWays: Bool = true, joins: Bool = true) -> FaceXFormer {
        var generator = SeededGenerator(seed: 4)
        return FaceXFormer(
            reading: ["x", "y"], channels: [4, 12], sizedAs: 0, taskCount: 3, width: 16, depth: 2, heads: 2,
            bothWays: bothWays, joins: joins, using: &generator)
    }

    @Test func `exchanging tokens with their layers exchanges the vectors and nothing else`() {
        let sharing = faceXFormer()
        var exchanged = sharing
        exchanged.tokens = sharing.tokens.gathered(at: Tensor([2, 0, 1] as [Int64]))
        exchanged.tasks = [2, 0, 1].map { sharing.tasks[$0] }
        let (plain, moved) = (sharing(maps, for: [0, 1, 2]), exchanged(maps, for: [0, 1, 2]))
        for (place, task) in [2, 0, 1].enumerated() { expectClose(moved[place], plain[task], relative: 1e-4) }
    }

    @Test(arguments: [true, false]) func `another task's token matters while tokens or places read tokens`(joins: Bool) {
        for bothWays in [true, false] {
            let sharing = faceXFormer(bothWays: bothWays, joins: joins)
            var changed = sharing
            changed.tokens = .concatenated([sharing.tokens.slice(0..<2), irregular([1, 16], phase: 9)])
            let difference = worstDifference(changed(maps, for: [0])[0], sharing(maps, for: [0])[0]).relative
            #expect(joins || bothWays ? difference > 1e-4 : difference == 0, "\(joins), \(bothWays): \(difference)")
        }
    }

    @Test func `the code of places is fixed, one seed gives one, and it is not trained`() {
        let (one, two) = (faceXFormer(), faceXFormer())
        #expect(one.positions!.frequencies.scalars() == two.positions!.frequencies.scalars())
        let tensor = one.namedTensors.first { $0.name == "positions.frequencies" }
        #expect(tensor?.isParameter == false)
        let code = one.positions!(height: 2, width: 3)
        #expect(code.shape == [1, 6, 16])
        let halves = code.slice(0..<8, along: 2).squared() + code.slice(8..<16, along: 2).squared()
        expectClose(halves, .ones([1, 6, 8]))
    }

    // MARK: APEM

    private func apem(selects: Bool = true) -> APEM {
        var generator = SeededGenerator(seed: 5)
        return APEM(
            reading: ["a", "b", "c"], channels: [6, 8, 5], taskCount: 2, width: 8, patterns: 4, heads: 2, layers: 2, tower: 6,
            selects: selects, using: &generator)
    }

    @Test func `the order of fields does not matter, if what belongs to them goes along`() {
        let sharing = apem()
        var generator = SeededGenerator(seed: 6)
        let order = [2, 0, 1]
        var moved = APEM(
            reading: ["c", "a", "b"], channels: [5, 6, 8], taskCount: 2, width: 8, patterns: 4, heads: 2, layers: 2, tower: 6,
            using: &generator)
        moved.fields.norms = order.map { sharing.fields.norms[$0] }
        moved.embeddings = order.map { sharing.embeddings[$0] }
        (moved.layers, moved.tasks) = (sharing.layers, sharing.tasks)
        let places = Tensor(order.map(Int64.init))
        moved.excitation.squeeze = sharing.excitation.squeeze
        moved.excitation.squeeze.weight = sharing.excitation.squeeze.weight.gathered(at: places, along: 1)
        moved.excitation.excitation.weight = sharing.excitation.excitation.weight.gathered(at: places)
        moved.excitation.excitation.bias = sharing.excitation.excitation.bias!.gathered(at: places)
        for (found, expected) in zip(moved(tokens, for: [0, 1]), sharing(tokens, for: [0, 1])) {
            expectClose(found, expected, relative: 1e-4)
        }
    }

    @Test func `what is selected differs between tasks and examples, and not where one indicator serves all`() {
        let (own, one) = (apem(), apem(selects: false))
        func shares(_ sharing: APEM, _ task: Int) -> Tensor {
            let (patterns, fields) = sharing.extracted(tokens)
            return patterns.shares(for: sharing.indicator(of: task, fields))
        }
        #expect(worstDifference(shares(own, 0), shares(own, 1)).relative > 0.01)
        #expect(shares(own, 0).standardDeviation(along: [0]).max().scalar() > 1e-3)
        #expect(shares(one, 0).scalars() == shares(one, 1).scalars())
        expectClose(shares(own, 0).sum(along: [1]), .ones([4]))
    }

    @Test func `excitation looks at the fields`() {
        let sharing = apem()
        let fields = irregular([4, 3, 8])
        let weighed = sharing.excitation(fields)
        let weights = (weighed / fields).mean(along: [2])
        #expect(weights.standardDeviation(along: [0]).max().scalar() > 1e-3)
        #expect(weights.min().scalar() > 0 && weights.max().scalar() < 2)
        let (_, seen) = sharing.extracted(tokens)
        #expect(seen.mean(along: [2]).absolute().max().scalar() > 0.01, "fields whose means are all 0 tell excitation nothing")
    }
}
