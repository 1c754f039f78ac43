import Foundation
import PandoTensor

/// How the learning rate changes over the steps of a training run.
public struct Schedule: Sendable, Hashable {
    /// The highest rate, reached at the end of the warm-up.
    public var peak: Float
    /// Steps over which the rate rises linearly; the first step already moves.
    public var warmUpSteps: Int
    public var totalSteps: Int
    /// What the rate falls to, as a share of `peak`.
    public var floor: Float

    /// Linear warm-up, then half a cosine down.
    /// - Source: Loshchilov and Hutter 2017, SGDR (arXiv:1608.03983), equation 5, without restarts.
    public static func cosine(peak: Float, warmUpSteps: Int = 0, totalSteps: Int, floor: Float = 0) -> Schedule {
        require(
            totalSteps > 0 && (0...totalSteps).contains(warmUpSteps),
            "schedule: \(warmUpSteps) warm-up steps do not fit \(totalSteps) steps")
        return Schedule(peak: peak, warmUpSteps: warmUpSteps, totalSteps: totalSteps, floor: floor)
    }

    /// The learning rate of step `step`, counted from 0.
    public func callAsFunction(_ step: Int) -> Float {
        if step < warmUpSteps { return peak * Float(step + 1) / Float(warmUpSteps) }
        let progress = Float(min(step, totalSteps) - warmUpSteps) / Float(max(totalSteps - warmUpSteps, 1))
        return peak * (floor + (1 - floor) * (1 + cosf(.pi * progress)) / 2)
    }
}
