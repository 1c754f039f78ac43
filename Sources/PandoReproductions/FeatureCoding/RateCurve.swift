/// What a score is at a rate, between measured points.
struct RateCurve {
    private let points: [(rate: Double, score: Double)]

    init(_ points: [(rate: Double, score: Double)]) { self.points = points.sorted { $0.rate < $1.rate } }

    /// On the line between the two nearest points; `nil` beyond the ends.
    func score(at rate: Double) -> Double? {
        if let point = points.first(where: { $0.rate == rate }) { return point.score }
        guard let upper = points.firstIndex(where: { $0.rate > rate }), upper > 0 else { return nil }
        let (left, right) = (points[upper - 1], points[upper])
        return left.score + (right.score - left.score) * (rate - left.rate) / (right.rate - left.rate)
    }
}
