import PandoNN
import PandoTensor

/// A task's choice among the channels of several levels.
///
/// A convolution for each level makes its share of the channels; all of them side by side are `x`. They are weighed,
/// `x · sigmoid(P(mean x) + P(max x))`, where `P` is a perceptron over channels; what is left is rectified, and of each
/// channel the largest value over places is kept and normalised.
/// - Shapes: maps `[N, H, W, C_l]` of one size, mask `[N, H]` of 1 and 0 → `[N, width]`.
/// - Source: Qin et al. 2023, SwinFace (arXiv:2308.11509), section III-B; weights of channels: Woo et al. 2018, CBAM
///   (arXiv:1807.06521), equation 2.
public struct ChannelAttention: Module {
    public var convolutions: [Convolution2D]
    /// The perceptron's layers; `nil` where channels are not weighed.
    public var squeeze, excitation: Linear?
    public var norm: LayerNorm

    /// - Parameter channels: of each level; each is given its share of the width.
    public init(
        channels: [Int], width: Int, kernel: Int, gates: Bool, using generator: inout SeededGenerator
    ) {
        convolutions = []
        for (inChannels, outChannels) in zip(channels, Self.widths(channels, width: width)) {
            let bound = 1 / Float(kernel * kernel * inChannels).squareRoot()
            convolutions.append(
                Convolution2D(
                    weight: .uniform(-bound..<bound, [outChannels, inChannels, kernel, kernel], using: &generator),
                    frame: .fixed(kernel / 2)))
        }
        if gates {
            squeeze = Linear(width, max(width / 16, 4), using: &generator)
            excitation = Linear(max(width / 16, 4), width, using: &generator)
        }
        norm = LayerNorm(width)
    }

    public func callAsFunction(_ levels: [Tensor], mask: Tensor?) -> Tensor {
        let seen = Tensor.concatenated(zip(convolutions, levels).map { $0($1) }, along: 3).places  // [N, P, width]
        let weighed = gate(seen, mask: mask).map { seen * $0.expanded(at: 1) } ?? seen
        return norm(weighed.relu().maskedMax(mask))
    }

    /// The weight of each channel, `[N, width]`; `nil` if they are not weighed.
    func gate(_ seen: Tensor, mask: Tensor?) -> Tensor? {
        guard let squeeze, let excitation else { return nil }
        func perceptron(_ x: Tensor) -> Tensor { excitation(squeeze(x).relu()) }
        return (perceptron(seen.maskedMean(mask)) + perceptron(seen.maskedMax(mask))).sigmoid()
    }

    /// How many of `width` channels each level is given: as many as its share of all, one at least.
    static func widths(_ channels: [Int], width: Int) -> [Int] {
        let total = channels.reduce(0, +)
        var widths = channels.map { max(1, $0 * width / total) }
        widths[widths.count - 1] += width - widths.reduce(0, +)
        while let last = widths.last, last < 1, let widest = widths.indices.max(by: { widths[$0] < widths[$1] }) {
            widths[widest] -= 1
            widths[widths.count - 1] += 1
        }
        return widths
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("convolutions", &convolutions)
        visitor.module("squeeze", &squeeze)
        visitor.module("excitation", &excitation)
        visitor.module("norm", &norm)
    }
}

extension Tensor {
    /// The largest value over the last axis but one, of what `mask` shows.
    ///
    /// - Shapes: `[N, T, C]`, mask `[N, T]` of 1 and 0 → `[N, C]`.
    func maskedMax(_ mask: Tensor?) -> Tensor {
        guard let mask else { return max(along: 1) }
        return filled(with: -.greatestFiniteMagnitude, where: (mask .== 0).expanded(at: 2)).max(along: 1)
    }
}
