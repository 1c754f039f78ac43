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

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    /// Auxiliaries: mean and inverse deviation of each group, repeated for each of its channels, `[N, C]`.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let input = inputs[0].contiguous()
        let (count, channels) = (input.shape[0], input.shape[2])
        let output = Tensor(uninitialized: input.shape, input.elementType)
        if input.elementCount == 0 { return (output, [.zeros([count, channels]), .zeros([count, channels])]) }
        let (weight, bias) = (inputs[1].cast(to: .float32), inputs[2].cast(to: .float32))
        let kept = (0..<count).map { sample in
            let map = input.slice(sample..<sample + 1)
            let (mean, inverse) = statistics(of: map)
            let scale = weight * inverse
            map.writeChannelAffine(scale, bias - mean * scale, into: output.slice(sample..<sample + 1))
            return (mean: mean, inverse: inverse)
        }
        return (output, [.stacked(kept.map(\.mean)), .stacked(kept.map(\.inverse))])
    }

    /// With `x̂` the normalised input, `g` the gradient times the weight and means over the group:
    /// `inverse · (g - mean(g) - x̂ · mean(g · x̂))`.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (input, gradient) = (saved.input(0).contiguous(), gradient.contiguous())
        let weight = saved.input(1).cast(to: .float32)
        let result = Tensor(uninitialized: input.shape, gradient.elementType)
        var (towardsWeight, towardsBias) = (Tensor.zeros(weight.shape), Tensor.zeros(weight.shape))
        for sample in 0..<(input.elementCount == 0 ? 0 : input.shape[0]) {
            let (map, slope) = (input.slice(sample..<sample + 1), gradient.slice(sample..<sample + 1))
            let mean = saved.auxiliaries[0].slice(sample..<sample + 1).reshaped(weight.shape)
            let inverse = saved.auxiliaries[1].slice(sample..<sample + 1).reshaped(weight.shape)
            let (sum, products) = slope.channelProducts(with: map, around: mean)
            let moved = products * inverse
            towardsBias = towardsBias + sum
            towardsWeight = towardsWeight + moved
            let mapScale = -(groupMeans(weight * moved) / Float(map.shape[1])) * inverse.squared()
            let shift = -(groupMeans(weight * sum) / Float(map.shape[1])) * inverse - mapScale * mean
            slope.writeChannelAffine(
                weight * inverse, with: map, mapScale, shift, into: result.slice(sample..<sample + 1))
        }
        return zip([result, towardsWeight, towardsBias], saved.wanted).map { $1 ? $0 : nil }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([0, 1]) }

    /// Mean and inverse deviation of each group of one sample, `[1, P, C]` → two of `[C]`.
    private func statistics(of map: Tensor) -> (mean: Tensor, inverse: Tensor) {
        let moments = map.channelMoments()
        let mean = groupMeans(moments.mean)
        let variance = groupMeans(moments.squaredDeviations / Float(map.shape[1]) + (moments.mean - mean).squared())
        return (mean, (variance + epsilon).power(-0.5))
    }

    /// The mean of each group of channels, for each of its channels: `[C]` → `[C]`.
    private func groupMeans(_ values: Tensor) -> Tensor {
        let rows = values.reshaped(groups, -1)
        return rows.mean(along: [1], keepingAxes: true).broadcast(to: rows.shape).reshaped(values.shape)
    }
}
