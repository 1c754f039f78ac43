import PandoTensor
import PandoTestSupport
import Testing

/// Sums, means and extremes over every choice of axes, against the plainest loop in double precision.
@Suite struct ReductionTests {
    /// Reduces `values` over `axes`, starting with `start`.
    private static func plain(
        _ values: Tensor, _ axes: Set<Int>, _ start: Double, _ combine: (Double, Double) -> Double
    ) -> Tensor {
        let shape = values.shape.enumerated().map { axes.contains($0.offset) ? 1 : $0.element }
        var results = [Double](repeating: start, count: shape.reduce(1, *))
        var index = [Int](repeating: 0, count: values.rank)
        for value in values.scalars() {
            let place = zip(shape, index).reduce(0) { $0 * $1.0 + ($1.0 == 1 ? 0 : $1.1) }
            results[place] = combine(results[place], Double(value))
            for axis in index.indices.reversed() {
                index[axis] += 1
                if index[axis] < values.shape[axis] { break }
                index[axis] = 0
            }
        }
        return Tensor(results.map { Float($0) }, shape: shape)
    }

    @Test(arguments: [[7], [5, 6], [1, 6], [6, 1], [3, 4, 5], [3, 1, 5], [2, 3, 4, 5], [2, 1, 4, 1, 3]])
    func everyChoiceOfAxes(shape: [Int]) {
        let values = irregular(shape)
        for choice in 1..<(1 << shape.count) {
            let axes = shape.indices.filter { choice >> $0 & 1 == 1 }
            let count = Float(axes.reduce(1) { $0 * shape[$1] })
            let what = "\(shape) over \(axes)"
            let sum = Self.plain(values, Set(axes), 0, +)
            expectClose(values.sum(along: axes, keepingAxes: true), sum, "sum of \(what)")
            expectClose(values.mean(along: axes, keepingAxes: true), sum / count, "mean of \(what)")
            expectClose(
                values.max(along: axes, keepingAxes: true), Self.plain(values, Set(axes), -.infinity, max),
                relative: 0, "largest of \(what)")
            expectClose(
                values.min(along: axes, keepingAxes: true), Self.plain(values, Set(axes), .infinity, min), relative: 0,
                "smallest of \(what)")
            let dropped = shape.indices.filter { !axes.contains($0) }.map { shape[$0] }
            #expect(values.sum(along: axes).shape == dropped)
        }
    }

    @Test func longSumsKeepTheirDigits() {
        var generator = SeededGenerator(seed: 2)
        let values = Tensor.uniform(0..<1, [1 << 20], using: &generator)
        let expected = values.scalars().reduce(0.0) { $0 + Double($1) }
        for sum in [
            values.sum(), values.reshaped(-1, 64).sum(along: [0]).sum(), values.reshaped(64, -1).sum(along: [0]).sum(),
        ] {
            #expect(abs(Double(sum.scalar()) - expected) < 1e-5 * expected)
        }
    }

    @Test func infinitiesAndNoNumbersComeThrough() {
        let values = Tensor([1, .infinity, .nan, 2, 3, 4] as [Float], shape: [2, 3])
        let sums = values.sum(along: [0]).scalars()
        #expect(sums[0] == 3 && sums[1] == .infinity && sums[2].isNaN)
    }
}
