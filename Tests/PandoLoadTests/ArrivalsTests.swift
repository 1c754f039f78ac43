import Testing

@testable import PandoLoad

@Suite struct ArrivalsTests {
    @Test func `constant arrivals stand at even distances`() {
        var generator = SystemRandomNumberGenerator()
        #expect(Arrivals.constant.due(after: 0, last: 0, rate: 4, using: &generator) == 0)
        #expect(Arrivals.constant.due(after: 6, last: 1.25, rate: 4, using: &generator) == 1.5)
    }

    @Test func `poisson arrivals have the rate and the spread of an exponential`() {
        var generator = SystemRandomNumberGenerator()
        let gaps = (0..<20_000).map { Arrivals.poisson.due(after: $0, last: 7, rate: 50, using: &generator) - 7 }
        let mean = gaps.reduce(0, +) / 20_000
        // The standard error is 0.7 %; an exponential exceeds its mean with probability 1/e.
        #expect(abs(mean - 0.02) < 0.001)
        #expect(abs(Double(gaps.count { $0 > 0.02 }) / 20_000 - 0.368) < 0.03)
        #expect(gaps.allSatisfy { $0 >= 0 })
    }

    @Test func `a timetable gives every request once, in order`() {
        let timetable = Timetable(rate: 10, arrivals: .constant, seconds: 0.5, patience: 1)
        let given = (0..<5).compactMap { _ in timetable.next(at: 0) }
        #expect(given.map(\.number) == [0, 1, 2, 3, 4])
        #expect(given.map(\.due) == [0, 0.1, 0.2, 0.3, 0.4])
        #expect(timetable.next(at: 0.4) == nil)
        #expect(timetable.counts == (5, 0))
    }

    @Test func `a timetable counts what nobody could send in time`() {
        let timetable = Timetable(rate: 10, arrivals: .constant, seconds: 10, patience: 1)
        #expect(timetable.next(at: 0)?.number == 0)
        // Due at 0.1 to 3.9 and later than a second.
        #expect(timetable.next(at: 4.95)?.number == 40)
        #expect(timetable.counts == (41, 39))
        // Over: the other 59 are late.
        #expect(timetable.next(at: 10) == nil)
        #expect(timetable.counts == (100, 98))
    }
}
