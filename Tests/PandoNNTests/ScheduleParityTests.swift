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
