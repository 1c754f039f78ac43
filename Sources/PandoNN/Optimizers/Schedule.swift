import Foundation
import PandoTensor

/// How the learning rate changes over the steps of a training run: a linear warm-up, then a curve.
///
/// The first step of a warm-up already moves: its rate is `peak / warmUpSteps`. Curves begin where the warm-up ends.
public struct Schedule: Sendable, Hashable {
    /// The rate at the end of the warm-up; of a one-cycle schedule, the highest.
    public var peak: Float
    public var warmUpSteps: Int
    public var curve: Curve

    /// What the peak is multiplied by, step after step.
    public enum Curve: Sendable, Hashable {
        case constant
        /// Half a cosine from 1 to `floor` over `steps`, then `floor`.
        case cosine(steps: Int, floor: Float)
        /// `floor + (1 - floor) (1 - t / steps)^power`, then `floor`.
        case polynomial(steps: Int, power: Float, floor: Float)
        /// Times `factor` after every `interval` steps.
        case step(interval: Int, factor: Float)
        /// Times `factor` at each of the milestones.
        case multiStep(milestones: [Int], factor: Float)
        /// Times `factor` after each step.
        case exponential(factor: Float)
        /// Half a cosine up from `start` over the first `rise` (a share of `steps`), half a cosine down to `end`.
        case oneCycle(steps: Int, rise: Float, start: Float, end: Float)
        /// Half cosines from 1 to `floor`, the first over `period` steps, each `growth` times as long as the one before.
        case restarts(period: Int, growth: Int, floor: Float)
    }

    public init(peak: Float, warmUpSteps: Int = 0, curve: Curve) {
        require(warmUpSteps >= 0, "schedule: \(warmUpSteps) warm-up steps")
        self.peak = peak
        self.warmUpSteps = warmUpSteps
        self.curve = curve
    }

    /// The learning rate of step `step`, counted from 0.
    public func callAsFunction(_ step: Int) -> Float {
        step < warmUpSteps ? peak * Float(step + 1) / Float(warmUpSteps) : peak * curve.factor(step - warmUpSteps)
    }
}

extension Schedule {
    /// The same rate after a linear warm-up.
    public static func constant(peak: Float, warmUpSteps: Int = 0) -> Schedule {
        Schedule(peak: peak, warmUpSteps: warmUpSteps, curve: .constant)
    }

    /// Linear warm-up, then half a cosine down to `floor` (a share of `peak`) at `totalSteps`.
    /// - Source: Loshchilov and Hutter 2017, SGDR (arXiv:1608.03983), equation 5, without restarts.
    public static func cosine(peak: Float, warmUpSteps: Int = 0, totalSteps: Int, floor: Float = 0) -> Schedule {
        let steps = stepsAfterWarmUp(warmUpSteps, of: totalSteps)
        return Schedule(peak: peak, warmUpSteps: warmUpSteps, curve: .cosine(steps: steps, floor: floor))
    }

    /// Linear warm-up, then down to `floor` (a share of `peak`) at `totalSteps` along a power; 1 is a straight line.
    public static func polynomial(
        peak: Float, warmUpSteps: Int = 0, totalSteps: Int, power: Float = 1, floor: Float = 0
    ) -> Schedule {
        let steps = stepsAfterWarmUp(warmUpSteps, of: totalSteps)
        return Schedule(
            peak: peak, warmUpSteps: warmUpSteps, curve: .polynomial(steps: steps, power: power, floor: floor))
    }

    /// Up to `peak` over the first `rise` of the steps and down again to almost nothing.
    /// - Parameters:
    ///   - start: what the first rate is divided by, as a share of the peak: `peak / start`.
    ///   - end: what the first rate is divided by at the end.
    /// - Source: Smith and Topin 2018, Super-Convergence (arXiv:1708.07120); PyTorch's `OneCycleLR`.
    public static func oneCycle(
        peak: Float, totalSteps: Int, rise: Float = 0.3, start: Float = 25, end: Float = 1e4
    ) -> Schedule {
        require(totalSteps > 0 && (0...1).contains(rise), "schedule: one cycle of \(totalSteps) steps, rise \(rise)")
        return Schedule(
            peak: peak, curve: .oneCycle(steps: totalSteps, rise: rise, start: 1 / start, end: 1 / (start * end)))
    }

    private static func stepsAfterWarmUp(_ warmUpSteps: Int, of totalSteps: Int) -> Int {
        require(
            totalSteps > 0 && (0...totalSteps).contains(warmUpSteps),
            "schedule: \(warmUpSteps) warm-up steps do not fit \(totalSteps) steps")
        return totalSteps - warmUpSteps
    }
}

extension Schedule.Curve {
    /// The factor at step `step`, counted from 0.
    func factor(_ step: Int) -> Float {
        switch self {
        case .constant: 1
        case .cosine(let steps, let floor): floor + (1 - floor) * halfCosine(step, of: steps)
        case .polynomial(let steps, let power, let floor):
            floor + (1 - floor) * powf(1 - Float(min(step, steps)) / Float(max(steps, 1)), power)
        case .step(let interval, let factor): powf(factor, Float(step / max(interval, 1)))
        case .multiStep(let milestones, let factor): powf(factor, Float(milestones.count { $0 <= step }))
        case .exponential(let factor): powf(factor, Float(step))
        case .oneCycle(let steps, let rise, let start, let end):
            oneCycleFactor(step, steps: steps, rise: rise, start: start, end: end)
        case .restarts(let period, let growth, let floor):
            floor + (1 - floor) * halfCosineSinceRestart(step, period: period, growth: growth)
        }
    }

    /// From 1 at step 0 down to 0 at step `steps` and after it.
    private func halfCosine(_ step: Int, of steps: Int) -> Float {
        (1 + cosf(.pi * Float(min(step, steps)) / Float(max(steps, 1)))) / 2
    }

    private func halfCosineSinceRestart(_ step: Int, period: Int, growth: Int) -> Float {
        var (rest, length) = (step, max(period, 1))
        while rest >= length {
            rest -= length
            length *= max(growth, 1)
        }
        return halfCosine(rest, of: length)
    }

    private func oneCycleFactor(_ step: Int, steps: Int, rise: Float, start: Float, end: Float) -> Float {
        let (top, last) = (rise * Float(steps) - 1, Float(steps - 1))
        let place = min(Float(step), last)
        func eased(_ from: Float, _ to: Float, _ share: Float) -> Float {
            to + (from - to) * (1 + cosf(.pi * share)) / 2
        }
        return place <= top ? eased(start, 1, place / top) : eased(1, end, (place - top) / max(last - top, 1e-6))
    }
}
