import Foundation
import PandoNN
import PandoTensor

extension HyperpriorCoder {
    /// How a coder is trained, and how large it is.
    public struct Training: Sendable {
        /// λ: how many bits a number may cost for one unit less of `255²` times the mean squared error of numbers in 0...1.
        public var weight: Float
        public var filters = 12
        public var latents = 16
        public var steps = 1200
        /// Patches of a step.
        public var batch = 16
        /// At the start of a cosine that ends at a hundredth of it.
        public var learningRate: Float = 3e-3
        public var percentile = 99.9
        public var seed: UInt64 = 0

        public init(weight: Float) { self.weight = weight }

        /// By how much numbers in 0...1 are scaled up, so that steps of 1 have the error that λ asks for where there are
        /// many bits: `1 / 12`, where a bit more takes three quarters of it.
        ///
        /// `d(bits) / d(error) = -1 / (2 log 2 · error)`, so the weight of the scaled error is the same for each λ.
        var gain: Float { (weight * 255 * 255 / Self.errorWeight).squareRoot() }
        static let errorWeight = Float(6 / M_LN2)
    }

    /// Trains a coder on vectors: bits a number and λ times the error, patches drawn at random.
    ///
    /// - Shapes: `rows` `[R, C]`, `float32`.
    /// - Source: the loss of Ballé et al. 2018, equation 9, with gradients cut to a norm of 1 as in FCM-LM. The ranges of
    ///   ẑ that are written follow from the trained prior, and take no loss of their own.
    /// - Throws: `CancellationError`.
    public init(fitting rows: Tensor, _ training: Training, cancellation: CancellationFlag? = nil) throws {
        let ranges = ChannelRanges(fitting: rows, percentile: training.percentile, gain: training.gain)
        let patches = ranges.patches(of: rows)
        var generator = SeededGenerator(seed: training.seed)
        var model = HyperpriorModel(filters: training.filters, latents: training.latents, using: &generator)
        var optimizer = AdamW(learningRate: training.learningRate, weightDecay: 0)
        let schedule = Schedule.cosine(peak: training.learningRate, totalSteps: training.steps, floor: 0.01)
        for step in 0..<training.steps {
            if cancellation?.isCancelled == true { throw CancellationError() }
            let drawn = (0..<training.batch).map { _ in Int64.random(in: 0..<Int64(patches.shape[0]), using: &generator) }
            let batch = patches.gathered(at: Tensor(drawn))
            let (_, gradients) = valueAndGradients(of: model) { model in
                let trial = model.trial(of: batch, using: &generator)
                return trial.bits / Float(batch.elementCount)
                    + Training.errorWeight * (trial.patches - batch).squared().mean()
            }
            optimizer.learningRate = schedule(step)
            optimizer.update(&model, along: gradients.clipped(toNorm: 1))
        }
        self.init(model, ranges)
    }
}
