import PandoTensor

extension LabelBudget {
    /// The money is spent in so many parts, before it is fitted to the last label.
    private static let parts = 40.0

    /// How many labels of each task to buy, for the least expected error within `money`.
    ///
    /// Money goes, part by part, to the task whose next labels gain most for what they cost; then parts change hands, two
    /// tasks at a time, as long as that gains; then what is left is spent label by label. The expected gain of a task is
    /// concave in its labels, so the first already comes near to the best.
    public func allocation(of money: Double) -> [Int] {
        let start = [Int](repeating: 0, count: tasks.count)
        var bought = greedy(from: start, spending: money) { max(1, Int(money / Self.parts / self.tasks[$0].cost)) }
        bought = greedy(from: exchanged(bought, spending: money), spending: money) { _ in 1 }
        return bought
    }

    /// Spends what is left of the money on whatever gains most for what it costs.
    private func greedy(from start: [Int], spending money: Double, _ step: (_ task: Int) -> Int) -> [Int] {
        var bought = start
        var left = money - cost(of: bought)
        while true {
            let before = gain(buying: bought)
            var best: (task: Int, count: Int, rate: Double)?
            for task in tasks.indices {
                let affordable = Int(left / tasks[task].cost + 1e-9)
                let count = min(step(task), affordable, tasks[task].available - bought[task])
                if count <= 0 { continue }
                var more = bought
                more[task] += count
                let rate = (gain(buying: more) - before) / (Double(count) * tasks[task].cost)
                // Where nothing promises more, those with the fewest labels come first.
                let isFewest = best.map { tasks[task].labelled + bought[task] < tasks[$0.task].labelled + bought[$0.task] }
                if rate > best?.rate ?? -.infinity || (rate == best?.rate && isFewest == true) {
                    best = (task, count, rate)
                }
            }
            guard let best else { return bought }
            bought[best.task] += best.count
            left -= Double(best.count) * tasks[best.task].cost
        }
    }

    /// Moves money between two tasks at a time, in ever smaller parts, until no move gains.
    private func exchanged(_ start: [Int], spending money: Double) -> [Int] {
        var bought = start
        var best = gain(buying: bought)
        var amount = money / Self.parts
        while amount >= (tasks.map(\.cost).min() ?? 1) {
            var hasMoved = false
            for giver in tasks.indices {
                for taker in tasks.indices where taker != giver {
                    let given = min(bought[giver], max(1, Int(amount / tasks[giver].cost)))
                    let freed = money - cost(of: bought) + Double(given) * tasks[giver].cost
                    let taken = min(
                        Int(freed / tasks[taker].cost + 1e-9), tasks[taker].available - bought[taker],
                        max(1, Int(amount / tasks[taker].cost)))
                    if given == 0 || taken <= 0 { continue }
                    var moved = bought
                    moved[giver] -= given
                    moved[taker] += taken
                    let value = gain(buying: moved)
                    if value > best + 1e-12 { (bought, best, hasMoved) = (moved, value, true) }
                }
            }
            if !hasMoved { amount /= 2 }
        }
        return bought
    }

    /// Spends the money in given shares, one for each task, as far as there are examples; what a task cannot use is shared
    /// among the others.
    ///
    /// - Parameter shares: of the money; not all zero.
    public func spending(_ money: Double, inShares shares: [Double]) -> [Int] {
        var bought = [Int](repeating: 0, count: tasks.count)
        while true {
            let left = money - cost(of: bought)
            let open = tasks.indices.filter {
                shares[$0] > 0 && bought[$0] < tasks[$0].available && tasks[$0].cost <= left + 1e-9
            }
            if open.isEmpty { return bought }
            let total = open.reduce(0) { $0 + shares[$1] }
            var hasBought = false
            for task in open {
                let count = Int(left * shares[task] / total / tasks[task].cost + 1e-9)
                let room = min(count, tasks[task].available - bought[task])
                bought[task] += room
                hasBought = hasBought || room > 0
            }
            if hasBought { continue }
            // Less than a label for each: to the one that is furthest behind its share.
            let next = open.max { left, right in
                shares[left] / (Double(bought[left]) + 1) < shares[right] / (Double(bought[right]) + 1)
            }
            bought[next ?? open[0]] += 1
        }
    }
}
