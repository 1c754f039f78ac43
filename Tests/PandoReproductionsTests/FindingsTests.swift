import PandoReproductions
import Testing

@Suite struct FindingsTests {
    @Test func `a check holds up to its bound and not beyond`() {
        #expect(Check("more", 0.03, .atLeast, 0.03, .points).holds)
        #expect(!Check("more", 0.0299, .atLeast, 0.03, .points).holds)
        #expect(Check("less", 0.33, .atMost, 0.33, .ratio).holds)
        #expect(!Check("less", 0.34, .atMost, 0.33, .ratio).holds)
        #expect(Check("less", 0.25, .atMost, 0.5, .ratio).margin == 0.25)
        #expect(Check("more", 0.25, .atLeast, 0.5, .ratio).margin == -0.25)
    }

    @Test func `a number that is none holds nothing`() {
        #expect(!Check("more", .nan, .atLeast, 0, .points).holds)
        #expect(!Check("less", .nan, .atMost, 0, .points).holds)
    }

    @Test func `a claim holds when all its parts do, and not without parts`() {
        let (holding, failing) = (Check("a", 1, .atLeast, 0, .number), Check("b", 1, .atMost, 0, .number))
        #expect(Findings([], [], [holding]).holds)
        #expect(!Findings([], [], [holding, failing]).holds)
        #expect(!Findings([], [], []).holds)
    }

    @Test func `deviations are those of a sample, and none of a single value`() {
        let sample = Sample([1, 2, 4, 5])
        #expect(sample.mean == 3)
        #expect(abs(sample.deviation - 1.8257418583505538) < 1e-12)
        #expect(Sample(7).deviation == 0)
    }

    @Test func `numbers are written by what they count`() {
        #expect(Unit.percent.text(Sample([0.74, 0.76])) == "75.0 ± 1.4 %")
        #expect(Unit.percent.text(Sample(0.745)) == "74.5 %")
        #expect(Unit.points.text(-0.012) == "-1.2 points")
        #expect(Unit.count.text(1_234_567) == "1,234,567")
        #expect(Unit.count.text(Sample([999, 999])) == "999")
        #expect(Unit.bytes.text(12_300_000) == "12.3 MB")
        #expect(Unit.seconds.text(0.25) == "0.2 s")
        #expect(Unit.ratio.text(0.314) == "0.31 times")
        #expect(Unit.ratio.text(.nan) == "no number")
    }
}
