import PandoTensor
import Testing

@testable import PandoTraining

/// Buying labels in a world where it is known what they are worth.
@Suite struct BudgetSimulationTests {
    private static func settings(_ change: (inout BudgetSimulation.Settings) -> Void = { _ in })
        -> BudgetSimulation.Settings
    {
        var settings = BudgetSimulation.Settings(money: 240)
        (settings.rounds, settings.seedLabels, settings.steps) = (2, 30, 40)
        settings.costs = ["twin": 0.25]
        change(&settings)
        return settings
    }

    /// What is bought of each task in all rounds.
    private static func bought(_ settings: BudgetSimulation.Settings, _ strategy: BudgetStrategy = .adaptive) throws -> [Int] {
        let simulation = try BudgetSimulation(PlantedTasks().joint(), PlantedTasks.plan, settings, workers: 1)
        let rounds = try #require(try simulation.run([strategy], seed: 2)[strategy])
        #expect(rounds.count == settings.rounds + 1)
        return zip(rounds[settings.rounds].labels, rounds[0].labels).map(-)
    }

    /// With the whole method, once for all tests.
    private static let adaptive = Result { try bought(settings()) }

    @Test func `little is spent on noise, and money goes to the cheap twin`() throws {
        let bought = try Self.adaptive.get()
        let (question, twin, noise) = (Double(bought[0]), Double(bought[1]) * 0.25, Double(bought[2]))
        #expect(noise < 0.15 * 240, "\(bought)")
        #expect(Double(bought[1]) > question, "\(bought)")
        #expect(question + twin + noise <= 240.0)
    }

    @Test func `the same seed buys the same`() throws {
        #expect(try Self.bought(Self.settings()) == Self.adaptive.get())
    }

    @Test func `without transfer the twin teaches nothing`() throws {
        let (with, without) = (try Self.adaptive.get(), try Self.bought(Self.settings { $0.usesTransfer = false }))
        #expect(with != without && with[0] < without[0], "\(with) and \(without)")
    }

    @Test func `without curves noise is bought too, as much as equal spending buys`() throws {
        let settings = Self.settings { ($0.usesCurves, $0.usesTransfer, $0.costs) = (false, false, [:]) }
        let (blind, equal) = (try Self.bought(settings), try Self.bought(settings, .uniform))
        #expect(equal == [80, 80, 80] && zip(blind, equal).allSatisfy { abs($0 - $1) <= 2 }, "\(blind)")
    }

    @Test func `what cannot be simulated is refused`() {
        #expect(throws: LabelBudgetError.self) {
            try BudgetSimulation(PlantedTasks().joint(), PlantedTasks.plan, Self.settings { $0.seedLabels = 600 })
        }
    }
}
