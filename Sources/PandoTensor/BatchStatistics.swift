import COneDNN

/// Batch norm with the batch's own statistics: of the whole batch, also where lanes compute a slice each.
/// Inputs: map, weight, bias.
///
/// - Source: Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 1 and section 3; slices' moments are joined as in
///   Chan, Golub and LeVeque 1983, equation 1.1.
struct BatchStatistics: Operation {
    let epsilon: Float

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    /// Auxiliaries: mean and variance of each channel, `[C]`, and the number of places that they were taken over.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let input = inputs[0].contiguous()
        let moments = input.channelMoments()
        let count = Float(input.elementCount / input.shape[input.rank - 1])
        let slices = Lane.current?.exchange([moments.mean, moments.squaredDeviations, Tensor(count)]) ?? []
        let (mean, variance, total) = Self.joined(
            slices.isEmpty ? [[moments.mean, moments.squaredDeviations, Tensor(count)]] : slices)
        let output = BatchNormalization(epsilon: epsilon).forward([input, mean, variance, inputs[1], inputs[2]])
        return (output, [mean, variance, total])
    }

    /// Mean and variance of all slices together, and their places' number.
    private static func joined(_ slices: [[Tensor]]) -> (mean: Tensor, variance: Tensor, total: Tensor) {
        var (mean, deviations, total) = (slices[0][0], slices[0][1], slices[0][2])
        for slice in slices.dropFirst() {
            let sum = total + slice[2]
            let distance = slice[0] - mean
            deviations = deviations + slice[1] + distance.squared() * (total * slice[2] / sum)
            mean = mean + distance * (slice[2] / sum)
            total = sum
        }
        return (mean, deviations / total, total)
    }

    /// The number of places behind the auxiliaries `statistics`.
    static func placeCount(_ statistics: [Tensor]) -> Int { Int(statistics[2].scalar()) }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (input, gradient) = (saved.input(0).contiguous(), gradient.contiguous())
        let weight = saved.input(1).cast(to: .float32).contiguous()
        let (mean, total) = (saved.auxiliaries[0], saved.auxiliaries[2])
        let inverse = (saved.auxiliaries[1] + epsilon).power(-0.5)
        let (sum, products) = gradient.channelProducts(with: input, around: mean)
        let weightGradient = products * inverse
        var gradients: [Tensor?] = [nil, saved.wanted[1] ? weightGradient : nil, saved.wanted[2] ? sum : nil]
        if saved.wanted[0] {
            // Of every place of the batch, whichever lane has it.
            let slices = Lane.current?.exchange([sum, weightGradient]) ?? [[sum, weightGradient]]
            let sums = slices.dropFirst().reduce(slices[0]) { [$0[0] + $1[0], $0[1] + $1[1]] }
            let scale = weight * inverse
            let slope = -(scale * inverse * sums[1] / total)
            let shift = -(scale * sums[0] / total) - slope * mean
            gradients[0] = gradient.channelAffine(scale, with: input, slope, shift)
        }
        return gradients
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([0, 1]) }
}
