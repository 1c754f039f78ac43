// Norms over groups of a sample's channels, and over the last axis without its mean.

extension Tensor {
    /// `(x - mean) / √(variance + ε) · weight + bias`, with mean and variance over each sample's pixels and over the
    /// channels of one of `groups` groups of neighbouring channels.
    ///
    /// - Shapes: `[N, …, C]`, weight and bias `[C]` → `[N, …, C]`.
    /// - Source: Wu and He 2018 (arXiv:1803.08494), equations 1, 2 and 7.
    public func groupNormalized(groups: Int, weight: Tensor, bias: Tensor, epsilon: Float) -> Tensor {
        requireNormalizable("group norm", weight, bias)
        require(
            groups >= 1 && shape[rank - 1] % groups == 0,
            "group norm: \(groups) groups do not divide the channels of \(shape)")
        let pixels = shape[1..<rank - 1].reduce(1, *)
        return Tensor.applying(
            GroupNormalization(groups: groups, epsilon: epsilon),
            to: reshaped(shape[0], pixels, shape[rank - 1]), weight, bias
        ).reshaped(shape)
    }

    /// `(x - mean) / √(variance + ε) · weight + bias`, with mean and variance over each sample's pixels, channel by
    /// channel.
    ///
    /// - Shapes: `[N, …, C]`, weight and bias `[C]` → `[N, …, C]`.
    /// - Source: Ulyanov et al. 2016 (arXiv:1607.08022), equation 1.
    public func instanceNormalized(weight: Tensor, bias: Tensor, epsilon: Float) -> Tensor {
        requireNormalizable("instance norm", weight, bias)
        return groupNormalized(groups: Swift.max(shape[rank - 1], 1), weight: weight, bias: bias, epsilon: epsilon)
    }

    private func requireNormalizable(_ operation: String, _ weight: Tensor, _ bias: Tensor) {
        require(
            rank >= 2 && weight.shape == [shape[rank - 1]] && bias.shape == weight.shape,
            "\(operation): weight \(weight.shape) and bias \(bias.shape) do not fit input \(shape)")
        requireFloatingPoint(operation)
    }
}

/// Inputs: `[N, P, C]`, weight and bias `[C]`.
struct GroupNormalization: Operation {
    let groups: Int
    let epsilon: Float

    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    /// Auxiliaries: mean and inverse deviation of each group, `[N, groups]`.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let shape = inputs[0].shape
        let (pixels, channels) = (shape[1], shape[2])
        let (weight, bias) = (inputs[1].cast(to: .float32).scalars(), inputs[2].cast(to: .float32).scalars())
        let width = channels / groups
        var means = [Float](repeating: 0, count: shape[0] * groups)
        var inverses = means
        let output = inputs[0].cast(to: .float32).withScalars { x in
            Tensor(unsafeUninitialized: shape, of: Float.self) { y in
                guard !y.isEmpty else { return }
                var (scale, shift) = (weight, bias)
                for sample in 0..<shape[0] {
                    let map = UnsafeBufferPointer(rebasing: x[sample * pixels * channels..<(sample + 1) * pixels * channels])
                    let statistics = statistics(of: map, pixels, channels)
                    for group in 0..<groups {
                        means[sample * groups + group] = statistics[group].mean
                        inverses[sample * groups + group] = statistics[group].inverse
                    }
                    for channel in 0..<channels {
                        let (mean, inverse) = statistics[channel / width]
                        scale[channel] = weight[channel] * inverse
                        shift[channel] = bias[channel] - mean * scale[channel]
                    }
                    let start = sample * pixels * channels
                    for pixel in 0..<pixels {
                        let row = pixel * channels
                        for channel in 0..<channels {
                            y[start + row + channel] = map[row + channel] * scale[channel] + shift[channel]
                        }
                    }
                }
            }
        }
        let kept = [means, inverses].map { Tensor($0, shape: [shape[0], groups]) }
        return (output.cast(to: inputs[0].elementType), kept)
    }

    /// With `x̂` the normalised input, `g` the gradient times the weight and means over the group:
    /// `inverse · (g - mean(g) - x̂ · mean(g · x̂))`.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let (pixels, channels, width) = (shape[1], shape[2], shape[2] / groups)
        let weight = saved.input(1).cast(to: .float32).scalars()
        let (means, inverses) = (saved.auxiliaries[0].scalars(), saved.auxiliaries[1].scalars())
        var (towardsWeight, towardsBias) = (
            [Float](repeating: 0, count: channels), [Float](repeating: 0, count: channels)
        )
        let result = saved.input(0).cast(to: .float32).withScalars { x in
            gradient.cast(to: .float32).withScalars { g in
                Tensor(unsafeUninitialized: shape, of: Float.self) { result in
                    guard !result.isEmpty else { return }
                    let size = pixels * channels
                    for sample in 0..<shape[0] {
                        let part = sample * size..<(sample + 1) * size
                        let map = UnsafeBufferPointer(rebasing: x[part])
                        let mapGradient = UnsafeBufferPointer(rebasing: g[part])
                        let mean = (0..<channels).map { means[sample * groups + $0 / width] }
                        let inverse = (0..<channels).map { inverses[sample * groups + $0 / width] }
                        let plain = channelSums(pixels, channels) { index, _ in mapGradient[index] }
                        let moved = channelSums(pixels, channels) { index, channel in
                            mapGradient[index] * ((map[index] - mean[channel]) * inverse[channel])
                        }
                        var (groupPlain, groupMoved) = (
                            [Float](repeating: 0, count: groups), [Float](repeating: 0, count: groups)
                        )
                        for channel in 0..<channels {
                            towardsBias[channel] += plain[channel]
                            towardsWeight[channel] += moved[channel]
                            groupPlain[channel / width] += plain[channel] * weight[channel] / Float(pixels * width)
                            groupMoved[channel / width] += moved[channel] * weight[channel] / Float(pixels * width)
                        }
                        let scale = (0..<channels).map { weight[$0] * inverse[$0] }
                        let slope = (0..<channels).map { groupMoved[$0 / width] * inverse[$0] * inverse[$0] }
                        let shift = (0..<channels).map { groupPlain[$0 / width] * inverse[$0] }
                        for pixel in 0..<pixels {
                            let row = pixel * channels
                            for channel in 0..<channels {
                                let index = row + channel
                                result[part.lowerBound + index] =
                                    mapGradient[index] * scale[channel] - shift[channel]
                                    - (map[index] - mean[channel]) * slope[channel]
                            }
                        }
                    }
                }
            }
        }
        return [
            saved.wanted[0] ? result.cast(to: gradient.elementType) : nil,
            saved.wanted[1] ? Tensor(towardsWeight) : nil, saved.wanted[2] ? Tensor(towardsBias) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([0, 1]) }

    /// Mean and inverse deviation of each group of one sample.
    private func statistics(of map: UnsafeBufferPointer<Float>, _ pixels: Int, _ channels: Int) -> [(
        mean: Float, inverse: Float
    )] {
        let width = channels / groups
        let count = Float(pixels * width)
        func groupMeans(_ sums: [Float]) -> [Float] {
            (0..<groups).map { group in sums[group * width..<(group + 1) * width].reduce(0, +) / count }
        }
        let means = groupMeans(channelSums(pixels, channels) { index, _ in map[index] })
        let mean = (0..<channels).map { means[$0 / width] }
        let variances = groupMeans(
            channelSums(pixels, channels) { index, channel in
                let distance = map[index] - mean[channel]
                return distance * distance
            })
        return zip(means, variances).map { ($0, 1 / ($1 + epsilon).squareRoot()) }
    }

    /// The sum of `value` over all pixels, channel by channel; in runs of pixels, so that few digits are lost.
    @inline(__always)
    private func channelSums(
        _ pixels: Int, _ channels: Int, _ value: (_ index: Int, _ channel: Int) -> Float
    ) -> [Float] {
        let run = 64
        var total = [Float](repeating: 0, count: channels)
        var partial = total
        for first in stride(from: 0, to: pixels, by: run) {
            for channel in 0..<channels { partial[channel] = 0 }
            for pixel in first..<min(first + run, pixels) {
                for channel in 0..<channels { partial[channel] += value(pixel * channels + channel, channel) }
            }
            for channel in 0..<channels { total[channel] += partial[channel] }
        }
        return total
    }
}
