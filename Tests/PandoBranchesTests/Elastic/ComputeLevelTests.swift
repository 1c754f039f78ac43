import PandoBranches
import Testing

@Suite struct ComputeLevelTests {
    @Test(arguments: [0, -0.5, 1.0000001, 2, .nan, .infinity, -.infinity] as [Double])
    func `a level outside of what can be spent is refused, with the reason`(share: Double) throws {
        let error = try #require(throws: ComputeError.self) { try ComputeLevel(share) }
        let reason = share.isNaN ? "not a number" : share > 1 ? "the full cost is 1" : "something has to be computed"
        #expect(error.description.contains(reason))
        #expect(error.description.contains("above 0 and at most 1"))
    }

    @Test func `levels are read as shares or percent`() throws {
        #expect(try ComputeLevel(parsing: "0.4").share == 0.4)
        #expect(try ComputeLevel(parsing: "40%").share == 0.4)
        #expect(try ComputeLevel(parsing: "1") == .whole)
        for text in ["", "half", "0", "120%", "nan"] {
            #expect(throws: ComputeError.self) { try ComputeLevel(parsing: text) }
        }
    }

    @Test func `preferences add up to 1, and say if they were made to`() throws {
        let scaled = try TaskPreferences([2, 1, 1])
        #expect(scaled.weights == [0.5, 0.25, 0.25] && scaled.wasNormalized)
        let given = try TaskPreferences([0.75, 0.25])
        #expect(given.weights == [0.75, 0.25] && !given.wasNormalized)
        #expect(!TaskPreferences.equal(taskCount: 3).wasNormalized)
    }

    @Test func `preferences that are none are refused, each by its place`() throws {
        let error = try #require(throws: ComputeError.self) { try TaskPreferences([1, -1, .nan]) }
        #expect(error.description.contains("task 1 has -1.0") && error.description.contains("task 2 has nan"))
        #expect(throws: ComputeError.self) { try TaskPreferences([0, 0]) }
        #expect(throws: ComputeError.self) { try TaskPreferences([1, .infinity]) }
        let unknown = try #require(throws: ComputeError.self) {
            try TaskPreferences(["rolle": 1], among: ["role", "section"])
        }
        #expect(unknown.description.contains("rolle") && unknown.description.contains("role, section"))
        #expect(try TaskPreferences(["role": 3, "use": 1], among: ["section", "role", "use"]).weights == [0, 0.75, 0.25])
    }
}

@Suite struct CostTableTests {
    private func table(_ rows: [(Double, [Double])], full: Double? = nil) throws -> CostTable {
        try CostTable(
            rows.map { CostTable.Entry(point: OperatingPoint(shared: min(1, max(0.01, $0.0 / 10))), milliseconds: $0.0, metrics: $0.1) },
            fullMilliseconds: full)
    }

    @Test func `the front has no entry that a cheaper one is as good as`() throws {
        let table = try table([(10, [0.8]), (2, [0.5]), (4, [0.7]), (5, [0.7]), (6, [0.6]), (4, [0.65])])
        #expect(table.front().map(\.milliseconds) == [2, 4, 10])
        #expect(table.front().map { $0.metrics[0] } == [0.5, 0.7, 0.8])
    }

    @Test func `a level buys the best point that it can pay for`() throws {
        let table = try table([(10, [0.8]), (2, [0.5]), (4, [0.7])])
        func cost(_ share: Double) throws -> Double { table.choice(at: try ComputeLevel(share)).entry.milliseconds }
        #expect(try cost(1) == 10)
        #expect(try cost(0.99) == 4)
        #expect(try cost(0.4) == 4)
        #expect(try cost(0.39) == 2)
        #expect(table.choice(at: try ComputeLevel(0.4)).notice == nil)
    }

    @Test func `below the cheapest point that one is used, and it is said`() throws {
        let choice = try table([(10, [0.8]), (3, [0.5])]).choice(at: try ComputeLevel(0.1))
        #expect(choice.entry.milliseconds == 3 && choice.limit == .belowCheapest)
        #expect(try #require(choice.notice).contains("30 %"))
    }

    @Test func `where nothing dearer is better that is said`() throws {
        let choice = try table([(10, [0.7]), (5, [0.8])]).choice(at: .whole)
        #expect(choice.entry.milliseconds == 5 && choice.limit == .aboveBest)
        #expect(try #require(choice.notice).contains("50 %"))
    }

    @Test func `preferences choose among points of one cost`() throws {
        let table = try table([(4, [0.9, 0.2]), (4, [0.2, 0.9]), (10, [0.9, 0.9])])
        let level = try ComputeLevel(0.5)
        let first = table.choice(at: level, preferring: try TaskPreferences([1, 0])).entry
        let second = table.choice(at: level, preferring: try TaskPreferences([0, 1])).entry
        #expect(first.metrics == [0.9, 0.2] && second.metrics == [0.2, 0.9])
    }

    @Test func `other points are put together from those where all tasks are alike`() throws {
        func entry(_ shared: Double, _ width: Double, _ time: Double, _ metrics: [Double]) -> CostTable.Entry {
            .init(point: OperatingPoint(shared: shared, tasks: [width, width]), milliseconds: time, metrics: metrics)
        }
        let table = try CostTable([entry(0.5, 0.5, 4, [0.1, 0.2]), entry(0.5, 1, 6, [0.3, 0.4]), entry(1, 1, 10, [0.5, 0.6])])
        let mixed = OperatingPoint(shared: 0.5, tasks: [1, 0.5])
        let composed = try table.composed(at: [mixed, OperatingPoint(shared: 1, tasks: [1, 1])])
        #expect(composed.entries.map(\.milliseconds) == [5, 10] && composed.fullMilliseconds == 10)
        #expect(composed.entries[0].metrics == [0.3, 0.2])
        #expect(throws: ComputeError.self) { try table.composed(at: [OperatingPoint(shared: 1, tasks: [0.5, 1])]) }
        #expect(try table.timed([1, 2, 3]).entries.map(\.milliseconds) == [1, 2, 3])
        #expect(throws: ComputeError.self) { try table.timed([1, 2]) }
    }

    @Test func `a table without times above 0, or with numbers that are none, is refused`() {
        #expect(throws: ComputeError.self) { try table([]) }
        #expect(throws: ComputeError.self) { try table([(0, [1])]) }
        #expect(throws: ComputeError.self) { try table([(1, [.nan])]) }
        #expect(throws: ComputeError.self) { try table([(1, [1]), (2, [1, 2])]) }
    }
}
