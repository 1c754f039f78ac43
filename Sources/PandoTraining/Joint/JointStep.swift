import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// The examples of one training step that one lane computes: each row once, whoever asks for it.
struct JointBatch: Sendable {
    let features: Features
    let asked: [TaskRows]
    /// In the order of `asked`.
    let targets: [TaskHead.Targets]
    /// By how much each task's mean over this batch counts in its mean over the whole step.
    let shares: [Float]

    /// - Parameter positions: by task, places among its training examples.
    init(_ positions: [ArraySlice<Int>], of total: [Int], joint: JointTasks, precision: ElementType) {
        var rows: [Int] = []
        var places: [Int: Int] = [:]
        (asked, targets, shares) = positions.indices.reduce(into: ([], [], [])) { result, task in
            let positions = positions[task]
            if positions.isEmpty { return }
            let examples = joint.tasks[task].examples(in: .train)
            let taskRows = positions.map { position in
                let row = examples.rows[position]
                if let place = places[row] { return place }
                places[row] = rows.count
                rows.append(row)
                return rows.count - 1
            }
            result.0.append(TaskRows(task, rows: taskRows))
            result.1.append(examples.batch(positions, texts: joint.texts[joint.tasks[task].name]))
            result.2.append(Float(positions.count) / Float(total[task]))
        }
        features = joint.features.features(rows, workers: 1).prepared(for: joint.sharing, precision: precision)
    }

    /// A step's batches, one for each lane that has something to do; every task's examples spread over them evenly.
    static func lanes(_ drawn: [[Int]], joint: JointTasks, precision: ElementType, workers: Int) -> [JointBatch] {
        let count = joint.hasContrastiveLoss ? 1 : max(1, min(workers, drawn.reduce(0) { $0 + $1.count }))
        let total = drawn.map(\.count)
        // Lanes take their turns at what cannot be split evenly, so that none is left without work.
        var turn = 0
        var split = [[ArraySlice<Int>]](repeating: [], count: count)
        for positions in drawn {
            for lane in 0..<count {
                let share = (lane + turn) % count
                split[lane].append(positions[positions.count * share / count..<positions.count * (share + 1) / count])
            }
            turn += positions.count % count
        }
        let busy = split.filter { $0.contains { !$0.isEmpty } }
        return Parallel.map(busy.count, workers: workers) {
            JointBatch(busy[$0], of: total, joint: joint, precision: precision)
        }
    }
}

/// What a training step found: where to go, and each task's loss.
struct JointStep {
    var gradients: Gradients
    /// By task, times the task's weight; `nil` where nothing was drawn.
    var losses: [Float?]
    var updates: BufferUpdates

    /// One step of all tasks that examples were drawn for.
    ///
    /// - Parameters:
    ///   - drawn: by task, places among its training examples; not all empty.
    ///   - stream: for dropout and whatever else is random in a training pass.
    init(
        of branches: SharedBranches, on drawn: [[Int]], joint: JointTasks, precision: ElementType, epoch: Int,
        balancing: inout any Balancing, workers: Int, using stream: SeededGenerator
    ) {
        let tasks = drawn.indices.filter { !drawn[$0].isEmpty }
        let pass = Pass(joint: joint, precision: precision, workers: workers, stream: stream)
        var losses = [Float](repeating: 0, count: tasks.count)
        if balancing.readsGradients {
            var updates = BufferUpdates()
            let each = tasks.indices.map { place in
                let alone = drawn.indices.map { $0 == tasks[place] ? drawn[$0] : [] }
                let batches = JointBatch.lanes(alone, joint: joint, precision: precision, workers: workers)
                return valueAndGradients(of: branches) { branches in
                    let found = pass.losses(of: branches, batches)
                    updates = found.updates
                    losses[place] = found.losses[tasks[place]]!.scalar()
                    return found.losses[tasks[place]]!
                }.gradients
            }
            let isShared = branches.namedTensors.filter(\.isParameter).map { $0.name.hasPrefix("sharing.") }
            let weights = balancing.weights(
                for: BalancingStep(
                    tasks: tasks, losses: losses, gramian: Self.gramian(each, of: isShared), epoch: epoch))
            gradients = Self.combined(each, weights, isShared, weighsLosses: balancing.weighsLosses)
            if branches.sharing.regularization() != nil {
                let beside = valueAndGradients(of: branches) { $0.sharing.regularization() ?? Tensor(Float(0)) }.gradients
                gradients = Gradients(zip(gradients.tensors, beside.tensors).map { $0 + $1 })
            }
            self.updates = updates
        } else {
            let batches = JointBatch.lanes(drawn, joint: joint, precision: precision, workers: workers)
            var updates = BufferUpdates()
            var method = balancing
            gradients = valueAndGradients(of: branches) { branches in
                let found = pass.losses(of: branches, batches)
                updates = found.updates
                losses = tasks.map { found.losses[$0]!.scalar() }
                let weights = method.weights(for: BalancingStep(tasks: tasks, losses: losses, epoch: epoch))
                let total = zip(tasks, weights).map { found.losses[$0]! * $1 }.reduce(Tensor(Float(0)), +)
                return branches.sharing.regularization().map { total + $0 } ?? total
            }.gradients
            balancing = method
            self.updates = updates
        }
        self.losses = drawn.indices.map { task in tasks.firstIndex(of: task).map { losses[$0] } }
    }

    /// Inner products of the tasks' gradients in what is shared, row by row.
    private static func gramian(_ each: [Gradients], of isShared: [Bool]) -> [Double] {
        let count = each.count
        var products = [Double](repeating: 0, count: count * count)
        for first in 0..<count {
            for second in first..<count {
                var sum = 0.0
                for (index, isShared) in isShared.enumerated() where isShared {
                    sum += Double((each[first].tensors[index] * each[second].tensors[index]).sum().scalar())
                }
                (products[first * count + second], products[second * count + first]) = (sum, sum)
            }
        }
        return products
    }

    /// The weighted sum in what is shared; each head's own gradient, weighted too if the weights are the losses'.
    private static func combined(_ each: [Gradients], _ weights: [Float], _ isShared: [Bool], weighsLosses: Bool)
        -> Gradients
    {
        Gradients(
            isShared.indices.map { index in
                zip(each, weights).map { gradients, weight in
                    isShared[index] || weighsLosses ? gradients.tensors[index] * weight : gradients.tensors[index]
                }.reduce(.zeros(each[0].tensors[index].shape), +)
            })
    }
}

/// A forward pass of a training step over its lanes.
private struct Pass: Sendable {
    let joint: JointTasks
    let precision: ElementType
    let workers: Int
    let stream: SeededGenerator

    /// The loss of each task that is in the batches, times its weight, and what the first lane says of running statistics.
    func losses(of branches: SharedBranches, _ batches: [JointBatch]) -> (losses: [Int: Tensor], updates: BufferUpdates) {
        @Sendable func lane(_ index: Int) -> (losses: [Int: Tensor], updates: BufferUpdates) {
            let batch = batches[index]
            let pass = TrainingPass(using: stream.split("lane \(index)"))
            var dropout: SeededGenerator? = stream.split("heads of lane \(index)")
            let losses = branches.sharing.losses(of: batch.features, for: batch.asked, during: pass) { place, vectors in
                let task = batch.asked[place].task
                let scale = Float(joint.tasks[task].plan.weight) * batch.shares[place]
                return branches.heads[task].loss(vectors, batch.targets[place], using: &dropout) * scale
            }
            return (Dictionary(uniqueKeysWithValues: zip(batch.asked.map(\.task), losses)), pass.updates)
        }
        let parts = batches.count == 1 ? [lane(0)] : inLanes(batches.count) { lane($0.index) }
        let losses = parts.reduce(into: [Int: Tensor]()) { $0.merge($1.losses, uniquingKeysWith: +) }
        return (losses, parts[0].updates)
    }
}
