import Foundation
import PandoTensor

/// How often each task is drawn from, when tasks of very different size train together.
///
/// `p_k ∝ min(n_k, cap · median n)^(1/T)`: `T = 1` draws in proportion to the tasks' sizes, a large `T` from all tasks alike.
/// - Source: temperature sampling with a cap, Raffel et al. 2020, T5 (arXiv:1910.10683) §3.5.2.
public struct TaskMixture: Sendable, Hashable, Codable {
    public var temperature: Double
    /// In medians of the tasks' sizes; `nil` for none.
    public var cap: Double?

    /// What a task that rests is still drawn, of its share.
    static let replay = 0.1

    public init(temperature: Double = 2, cap: Double? = nil) { (self.temperature, self.cap) = (temperature, cap) }

    static func median(_ sizes: [Int]) -> Double {
        let sorted = sizes.sorted()
        return Double(sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    /// The share of each task, in sum 1.
    ///
    /// - Parameters:
    ///   - sizes: training examples of each task.
    ///   - resting: whether a task only stays in memory, by a tenth of its share.
    /// - Precondition: there is a task, none is empty, and the temperature is positive.
    public func shares(sizes: [Int], resting: [Bool]? = nil) -> [Double] {
        require(!sizes.isEmpty && sizes.allSatisfy { $0 > 0 }, "TaskMixture: sizes \(sizes)")
        require(temperature > 0, "TaskMixture: temperature \(temperature) is not positive")
        let median = Self.median(sizes)
        let weights = sizes.indices.map { task -> Double in
            let size = min(Double(sizes[task]), cap.map { $0 * median } ?? .infinity)
            return pow(size, 1 / temperature) * (resting?[task] == true ? Self.replay : 1)
        }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }
}

/// Draws training examples of several tasks: each task's own examples in an endless shuffled order.
///
/// What is drawn follows from the seed and the counts alone, so the counts are all that a checkpoint needs.
struct MixtureSampler: Sendable {
    /// Training examples of each task.
    let sizes: [Int]
    private let generator: SeededGenerator
    /// Examples drawn of each task so far.
    private(set) var drawn: [Int]
    /// The order of each task's present round, and which round it is.
    private var orders: [(round: Int, order: [Int])?]

    init(sizes: [Int], using generator: SeededGenerator, drawn: [Int]? = nil) {
        (self.sizes, self.generator) = (sizes, generator)
        self.drawn = drawn ?? [Int](repeating: 0, count: sizes.count)
        orders = .init(repeating: nil, count: sizes.count)
    }

    /// Draws `count` examples: of each task its share, rounded up or down at random.
    ///
    /// - Parameter shares: in sum 1; a task of share 0 is never drawn.
    /// - Returns: by task, places among its training examples.
    mutating func draw(_ count: Int, shares: [Double], step: Int) -> [[Int]] {
        var stream = generator.split("step \(step)")
        // Systematic sampling: one random start, then even steps along the stacked shares.
        var position = Double.random(in: 0..<1, using: &stream)
        var end = 0.0
        return shares.indices.map { task in
            end += shares[task] * Double(count)
            var wanted = 0
            // The last share's end may be rounded; nobody is to be lost there.
            while position < end || (task == shares.indices.last && position < Double(count) && shares[task] > 0) {
                (wanted, position) = (wanted + 1, position + 1)
            }
            return (0..<wanted).map { _ in next(of: task) }
        }
    }

    private mutating func next(of task: Int) -> Int {
        let (round, place) = drawn[task].quotientAndRemainder(dividingBy: sizes[task])
        if orders[task]?.round != round {
            var stream = generator.split("task \(task) round \(round)")
            orders[task] = (round, Array(0..<sizes[task]).shuffled(using: &stream))
        }
        drawn[task] += 1
        return orders[task]!.order[place]
    }
}
