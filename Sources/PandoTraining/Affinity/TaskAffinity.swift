import Foundation
import PandoTensor

/// Which task helps which, when they share what is trained.
///
/// Two measures, both averages over a joint run. Looking ahead: by how much a task's validation loss is lower after a few
/// steps together with another task than after the same steps by itself. And the cosine of the tasks' gradients in what
/// they share, which says how alike their next steps are.
public struct TaskAffinity: Sendable, Hashable, Codable {
    /// Names.
    public let tasks: [String]
    /// In row `j`, column `i`: what task `j` adds, in shares of task `i`'s loss before the steps; above 0, it helps. 0 on the
    /// diagonal.
    public private(set) var gains: [[Double]]
    /// What each task gains by its own steps, in shares of its loss before.
    public private(set) var ownGains: [Double]
    /// Of the gradients; 1 on the diagonal.
    public private(set) var cosines: [[Double]]
    /// How often was looked ahead, and how many steps the cosines are averages of.
    public private(set) var measurementCount = 0, stepCount = 0

    /// Nothing measured yet.
    public init(_ tasks: [String]) {
        self.tasks = tasks
        let zeros = [Double](repeating: 0, count: tasks.count)
        (gains, ownGains) = (tasks.map { _ in zeros }, zeros)
        cosines = tasks.indices.map { row in tasks.indices.map { $0 == row ? 1 : 0 } }
    }

    /// Takes another look ahead into the averages.
    ///
    /// - Parameters:
    ///   - before: each task's loss before the steps.
    ///   - alone: after steps of its own.
    ///   - together: in row `j`, column `i`, the loss of `i` after steps with `j`.
    /// - Precondition: a number for each task, and losses before are positive.
    public mutating func add(before: [Double], alone: [Double], together: [[Double]]) {
        require(
            before.count == tasks.count && alone.count == tasks.count && together.count == tasks.count
                && before.allSatisfy { $0 > 0 },
            "TaskAffinity: losses of \(before.count) tasks, expected \(tasks.count), and positive ones")
        measurementCount += 1
        let part = 1 / Double(measurementCount)
        for task in tasks.indices {
            ownGains[task] += ((before[task] - alone[task]) / before[task] - ownGains[task]) * part
            for helper in tasks.indices where helper != task {
                let gain = (alone[task] - together[helper][task]) / before[task]
                gains[helper][task] += (gain - gains[helper][task]) * part
            }
        }
    }

    /// Takes the inner products of a step's gradients into the average cosines; a gradient of length 0 is at right angles
    /// to all.
    ///
    /// - Parameter gramian: row by row.
    /// - Precondition: of all tasks.
    public mutating func add(gramian: [Double]) {
        let count = tasks.count
        require(gramian.count == count * count, "TaskAffinity: \(gramian.count) inner products of \(count) tasks")
        stepCount += 1
        for row in 0..<count {
            for column in 0..<count where column != row {
                let lengths = (gramian[row * count + row] * gramian[column * count + column]).squareRoot()
                let cosine = lengths > 0 ? gramian[row * count + column] / lengths : 0
                cosines[row][column] += (cosine - cosines[row][column]) / Double(stepCount)
            }
        }
    }

    /// What a label of task `j` is worth to task `i`, in labels of `i`: what `j` adds over what `i` gains by itself, within
    /// 0 and 1; 1 on the diagonal.
    ///
    /// A task that gains nothing by itself has nothing to measure others by, and no other's labels count for it.
    public var transfer: [[Double]] {
        tasks.indices.map { helper in
            tasks.indices.map { task in
                if helper == task { return 1 }
                return ownGains[task] > 1e-9 ? min(max(gains[helper][task] / ownGains[task], 0), 1) : 0
            }
        }
    }
}

extension TaskAffinity {
    /// A table for people: each row a task that steps along, each column a task that gains, in hundredths of its loss.
    public var table: String {
        var table = Table([.init("adds to")] + tasks.map { .init($0, .right) }, widestCell: 18)
        for (row, name) in tasks.enumerated() {
            table.add([name] + tasks.indices.map { $0 == row ? "·" : String(format: "%+.2f%%", 100 * gains[row][$0]) })
        }
        table.add(["by itself"] + ownGains.map { String(format: "%+.2f%%", 100 * $0) })
        return "\(table)"
    }

    /// The gradients' cosines as a table.
    public var cosineTable: String {
        var table = Table([.init("cosine")] + tasks.map { .init($0, .right) }, widestCell: 18)
        for (row, name) in tasks.enumerated() {
            table.add([name] + tasks.indices.map { $0 == row ? "·" : String(format: "%+.2f", cosines[row][$0]) })
        }
        return "\(table)"
    }

    /// The pairs that help most, and those that harm most, in a sentence each; at most `count` of either.
    public func sentences(_ count: Int = 3) -> [String] {
        let pairs = tasks.indices.flatMap { helper in
            tasks.indices.filter { $0 != helper }.map { (helper: helper, task: $0, gain: gains[helper][$0]) }
        }
        let helping = pairs.filter { $0.gain > 0 }.sorted { $0.gain > $1.gain }.prefix(count)
        let harming = pairs.filter { $0.gain < 0 }.sorted { $0.gain < $1.gain }.prefix(count)
        return helping.map { String(format: "%@ helps %@: its loss falls by %.2f%% more", tasks[$0.helper], tasks[$0.task], 100 * $0.gain) }
            + harming.map { String(format: "%@ harms %@: its loss falls by %.2f%% less", tasks[$0.helper], tasks[$0.task], -100 * $0.gain) }
    }
}
