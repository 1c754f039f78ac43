import Testing

@testable import PandoTraining

@Suite struct LearningCurveTests {
    private func points(_ curve: LearningCurve, _ counts: [Double]) -> [LearningCurve.Point] {
        counts.map { .init(count: $0, error: curve.error(at: $0)) }
    }

    @Test(arguments: [0.1, 0.5, 0.9], [0.0, 0.15])
    func `a power law is found again`(exponent: Double, floor: Double) {
        let curve = LearningCurve(scale: 1.5, exponent: exponent, floor: floor)
        let found = LearningCurve(fitting: points(curve, [10, 20, 40, 80, 160, 320]))
        for count in [15.0, 100, 640] {
            #expect(abs(found.error(at: count) / curve.error(at: count) - 1) < 0.03, "at \(count): \(found)")
        }
        if floor == 0 { #expect(abs(found.exponent - exponent) < 1e-6 && abs(found.scale - 1.5) < 1e-6) }
    }

    @Test func `an error that rises is taken for flat`() {
        let found = LearningCurve(fitting: [.init(count: 10, error: 0.5), .init(count: 40, error: 0.6)])
        #expect(found.exponent == 0 && abs(found.error(at: 10) - found.error(at: 1000)) < 1e-12)
    }

    @Test func `one place tells of no fall`() {
        let found = LearningCurve(fitting: [.init(count: 30, error: 0.4), .init(count: 30, error: 0.5)])
        #expect(found.exponent == 0 && abs(found.error(at: 30) - 0.45) < 0.01)
    }

    @Test func `an error of zero is a little error`() {
        let found = LearningCurve(fitting: [.init(count: 10, error: 0.1), .init(count: 40, error: 0)])
        #expect(found.error(at: 40).isFinite && found.error(at: 40) >= 0)
    }
}
