import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Learning rates against PyTorch's schedulers.
@Suite struct ScheduleParityTests {
    private static let cases = GoldenCase.all.filter { GoldenCase.schedules.contains($0.operation) }

    @Test func everyStoredScheduleIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == GoldenCase.schedules)
    }

    @Test(arguments: cases)
    func ratesEqualPyTorch(golden: GoldenCase) {
        let a = golden.attributes
        let schedule = Schedule.cosine(
            peak: a.float("base"), warmUpSteps: a.integer("warmUpSteps"), totalSteps: a.integer("totalSteps"),
            floor: a.float("lowest") / a.float("base"))
        expectClose(Tensor((0..<golden.output.elementCount).map { schedule($0) }), golden.output, golden.name)
    }

    private static let curves: [String: @Sendable (Float, GoldenCase.Attributes) -> Schedule] = [
        "schedule polynomial": { .polynomial(peak: $0, totalSteps: $1.integer("steps"), power: $1.float("power")) },
        "schedule linear": { .polynomial(peak: $0, totalSteps: $1.integer("steps")) },
        "schedule step": {
            Schedule(peak: $0, curve: .step(interval: $1.integer("interval"), factor: $1.float("factor")))
        },
        "schedule multiStep": {
            Schedule(peak: $0, curve: .multiStep(milestones: $1.integers("milestones"), factor: $1.float("factor")))
        },
        "schedule exponential": { Schedule(peak: $0, curve: .exponential(factor: $1.float("factor"))) },
        "schedule oneCycle": { peak, a in
            guard a.has("rise") else { return .oneCycle(peak: peak, totalSteps: a.integer("steps")) }
            return .oneCycle(
                peak: peak, totalSteps: a.integer("steps"), rise: a.float("rise"), start: a.float("start"),
                end: a.float("end"))
        },
        "schedule restarts": {
            Schedule(
                peak: $0,
                curve: .restarts(period: $1.integer("period"), growth: $1.integer("growth"), floor: $1.float("floor")))
        },
        "schedule constant": { .constant(peak: $0, warmUpSteps: $1.integer("warmUpSteps")) },
    ]

    private static let curveCases = GoldenCase.cases(in: "training").filter { $0.operation.hasPrefix("schedule ") }

    @Test func everyStoredCurveIsHeld() {
        #expect(Set(Self.curveCases.map(\.operation)) == Set(Self.curves.keys))
    }

    @Test(arguments: curveCases)
    func curvesEqualPyTorch(golden: GoldenCase) throws {
        let make = try #require(Self.curves[golden.operation])
        let schedule = make(golden.attributes.float("peak"), golden.attributes)
        for step in 0..<golden.output.elementCount {
            let expected = golden.output.slice(step..<step + 1).scalar()
            #expect(abs(schedule(step) - expected) <= 1e-6 * expected + 1e-8, "\(golden.name), step \(step)")
        }
    }

    @Test func aWarmUpComesBeforeAnyCurve() {
        let schedule = Schedule(peak: 1, warmUpSteps: 2, curve: .step(interval: 1, factor: 0.5))
        #expect((0..<5).map { schedule($0) } == [0.5, 1, 1, 0.5, 0.25])
    }

    @Test func theRateStaysAtTheFloorAfterTheLastStep() {
        let schedule = Schedule.cosine(peak: 2, totalSteps: 4, floor: 0.25)
        #expect(schedule(4) == 0.5)
        #expect(schedule(100) == 0.5)
    }

    @Test func aScheduleOfWarmUpAloneEndsAtThePeak() {
        let schedule = Schedule.cosine(peak: 1, warmUpSteps: 4, totalSteps: 4)
        #expect((0..<4).map { schedule($0) } == [0.25, 0.5, 0.75, 1])
    }
}
