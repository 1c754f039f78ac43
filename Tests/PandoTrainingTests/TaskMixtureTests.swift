import PandoTensor
import Testing

@testable import PandoTraining

@Suite struct TaskMixtureTests {
    @Test func `shares follow the sizes' root, under a cap, and sum to 1`() {
        func close(_ found: [Double], _ expected: [Double]) -> Bool {
            zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 }
        }
        #expect(close(TaskMixture(temperature: 1).shares(sizes: [100, 300]), [0.25, 0.75]))
        #expect(close(TaskMixture(temperature: 2).shares(sizes: [100, 400]), [1 / 3, 2 / 3]))
        // The median is 20, so that the largest counts as 40.
        #expect(close(TaskMixture(temperature: 1, cap: 2).shares(sizes: [20, 20, 1000]), [0.25, 0.25, 0.5]))
        let resting = TaskMixture(temperature: 1).shares(sizes: [100, 100], resting: [true, false])
        #expect(close(resting, [0.1 / 1.1, 1 / 1.1]))
    }

    @Test func `what is drawn follows the shares, and each task's examples come round evenly`() {
        var sampler = MixtureSampler(sizes: [10, 40, 7], using: SeededGenerator(seed: 1))
        let shares = [0.2, 0.5, 0.3]
        var counts = [[Int: Int]](repeating: [:], count: 3)
        for step in 0..<300 {
            let drawn = sampler.draw(16, shares: shares, step: step)
            #expect(drawn.reduce(0) { $0 + $1.count } == 16)
            for (task, places) in drawn.enumerated() {
                // Systematic sampling leaves no room for luck: a step is at most one off.
                #expect(abs(Double(places.count) - 16 * shares[task]) < 1)
                for place in places { counts[task][place, default: 0] += 1 }
            }
        }
        for (task, size) in [10, 40, 7].enumerated() {
            let total = counts[task].values.reduce(0, +)
            #expect(abs(Double(total) - 4800 * shares[task]) < 3 * (4800 * shares[task] * (1 - shares[task])).squareRoot())
            #expect(total == sampler.drawn[task])
            #expect(counts[task].count == size)
            #expect((counts[task].values.max() ?? 0) - (counts[task].values.min() ?? 0) <= 1)
        }
    }

    @Test func `a sampler goes on from its counts, and never draws from a task without a share`() {
        var unbroken = MixtureSampler(sizes: [5, 9], using: SeededGenerator(seed: 2))
        for step in 0..<7 { _ = unbroken.draw(6, shares: [0.4, 0.6], step: step) }
        var resumed = MixtureSampler(sizes: [5, 9], using: SeededGenerator(seed: 2), drawn: unbroken.drawn)
        #expect(resumed.draw(6, shares: [0.4, 0.6], step: 7) == unbroken.draw(6, shares: [0.4, 0.6], step: 7))
        for step in 8..<40 { #expect(resumed.draw(5, shares: [1, 0], step: step)[1].isEmpty) }
    }
}
