/// A part of a convolution's output and the part of the input that it reads, so that several threads can share one
/// picture.
///
/// Both parts stand without gaps in the whole maps: whole samples, whole rows (what lies at one place along the first
/// spatial axis), or neighbouring pixels.
struct ConvolutionBand {
    var window: PrimitiveRecipe.Window
    var sourceShape: [Int]
    /// Elements before the part, in the whole input.
    var sourceStart: Int
    var destinationShape: [Int]
    var destinationStart: Int
}

extension Convolution {
    /// The convolution in at most `count` parts of about the same work: samples if there are several, else pixels of
    /// a point-wise convolution, else rows.
    ///
    /// - Shapes: `source` `[N, …, I]`, `destination` `[N, …, O]`.
    func bands(_ count: Int, source: [Int], destination: [Int]) -> [ConvolutionBand] {
        let whole = ConvolutionBand(
            window: window, sourceShape: source, sourceStart: 0, destinationShape: destination, destinationStart: 0)
        if count == 1 { return [whole] }
        if source[0] > 1 {
            return evenParts(of: source[0], count).map { samples in
                var band = whole
                band.sourceShape[0] = samples.count
                band.destinationShape[0] = samples.count
                band.sourceStart = samples.lowerBound * source[1...].reduce(1, *)
                band.destinationStart = samples.lowerBound * destination[1...].reduce(1, *)
                return band
            }
        }
        if isPointwise {
            let (channels, features) = (source[source.count - 1], destination[source.count - 1])
            let line = [Int](repeating: 1, count: source.count - 2)
            return evenParts(of: source[1..<source.count - 1].reduce(1, *), count).map { pixels in
                ConvolutionBand(
                    window: window, sourceShape: line + [pixels.count, channels],
                    sourceStart: pixels.lowerBound * channels,
                    destinationShape: line + [pixels.count, features],
                    destinationStart: pixels.lowerBound * features)
            }
        }
        let (stride, reach) = (window.stride[0], window.dilation[0] * (window.kernel[0] - 1) + 1)
        // Rows of windows that see nothing but padding would leave a band without input.
        if window.paddingBefore[0] >= reach || window.paddingAfter[0] >= reach { return [whole] }
        return evenParts(of: destination[1], count).map { rows in
            let first = rows.lowerBound * stride - window.paddingBefore[0]
            let end = (rows.upperBound - 1) * stride - window.paddingBefore[0] + reach
            let read = max(first, 0)..<min(end, source[1])
            var band = whole
            band.window.paddingBefore[0] = read.lowerBound - first
            band.window.paddingAfter[0] = end - read.upperBound
            band.sourceShape[1] = read.count
            band.sourceStart = read.lowerBound * source[2...].reduce(1, *)
            band.destinationShape[1] = rows.count
            band.destinationStart = rows.lowerBound * destination[2...].reduce(1, *)
            return band
        }
    }

    private var isPointwise: Bool {
        groups == 1 && (window.kernel + window.stride).allSatisfy { $0 == 1 }
            && (window.paddingBefore + window.paddingAfter).allSatisfy { $0 == 0 }
    }
}

/// `0..<total` cut into `count` ranges whose lengths differ by at most one; fewer if there is less to cut.
func evenParts(of total: Int, _ count: Int) -> [Range<Int>] {
    let count = max(min(total, count), 1)
    return (0..<count).map { total * $0 / count..<total * ($0 + 1) / count }
}
