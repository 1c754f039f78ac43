import PandoTensor

/// How the losses of several tasks become one step of what they share.
///
/// Every method that we know of follows a weighted sum of the tasks' gradients; they differ in how the weights are found:
/// from the losses alone, or from the gradients' inner products. So a method is a rule for weights.
///
/// All weights are finite. A task whose loss or gradient is not gets 0, which says: leave it out of the sum.
public protocol Balancing: Sendable {
    /// Whether `weights` looks at the gradients' inner products at the next step, which cost one backward pass for each
    /// task; a method that keeps its weights for some steps does not look at every one.
    var readsGradients: Bool { get }

    /// Whether the weights multiply the losses, and so reach the heads too; else only the gradient of what is shared is
    /// weighted, and each head follows its own loss.
    var weighsLosses: Bool { get }

    /// The weights of the tasks that are in the batch, in their order.
    mutating func weights(for step: BalancingStep) -> [Float]

    /// What it remembers from step to step, for checkpoints; setting it goes on from there.
    var state: [String: Tensor] { get set }
}

/// What a balancing method sees of a training step.
public struct BalancingStep: Sendable {
    /// The numbers of the tasks that have examples in the batch, ascending.
    public let tasks: [Int]
    /// Of these tasks, in order.
    public let losses: [Float]
    /// Inner products of the tasks' gradients in what is shared, row by row, `tasks.count` squared; empty if the method
    /// does not read gradients.
    public let gramian: [Double]
    /// From 0.
    public let epoch: Int

    /// - Precondition: sizes agree.
    public init(tasks: [Int], losses: [Float], gramian: [Double] = [], epoch: Int) {
        require(
            losses.count == tasks.count && (gramian.isEmpty || gramian.count == tasks.count * tasks.count),
            "BalancingStep: \(tasks.count) tasks, \(losses.count) losses and \(gramian.count) inner products")
        (self.tasks, self.losses, self.gramian, self.epoch) = (tasks, losses, gramian, epoch)
    }
}
