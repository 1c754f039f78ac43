import Testing

@testable import PandoReproductions

@Suite struct RateCurveTests {
    private let curve = RateCurve([(rate: 4, score: 0.8), (rate: 1, score: 0.2), (rate: 2, score: 0.6)])

    @Test func `a curve is straight between its points, in whatever order they come`() throws {
        #expect(abs(try #require(curve.score(at: 1.5)) - 0.4) < 1e-12)
        #expect(abs(try #require(curve.score(at: 3)) - 0.7) < 1e-12)
        #expect(curve.score(at: 2) == 0.6)
        #expect(curve.score(at: 4) == 0.8)
    }

    @Test(arguments: [0.999, 4.001]) func `beyond its ends it says nothing`(rate: Double) {
        #expect(curve.score(at: rate) == nil)
    }
}
