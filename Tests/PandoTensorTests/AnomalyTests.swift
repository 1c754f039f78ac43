import Foundation
import PandoTensor
import PandoTestSupport
import Testing

/// Finding the first operation that makes a value which is not finite.
@Suite struct AnomalyTests {
    private let values = Tensor([1, 0, 4] as [Float])

    @Test func theFirstForwardOperationIsNamed() throws {
        let anomaly = try #require(throws: Anomaly.self) {
            try detectAnomaly { ((values * 2).log() - values).sum() }
        }
        #expect(anomaly.operation.contains("log") && !anomaly.operation.contains("PandoTensor"))
        #expect(anomaly.direction == .forward)
        #expect(anomaly.inputShapes == [[3]])
        #expect(anomaly.inputsWereFinite)
        #expect("\(anomaly)".contains("of [3] made values that are not finite (forward pass)"))
    }

    @Test func theFirstBackwardOperationIsNamed() throws {
        let anomaly = try #require(throws: Anomaly.self) {
            try detectAnomaly {
                let x = values.differentiable
                return (x.squareRoot() * 2).sum().gradients(for: [x])
            }
        }
        #expect(anomaly.operation.contains("squareRoot"))
        #expect(anomaly.direction == .backward)
        #expect(anomaly.inputsWereFinite)
    }

    @Test func valuesThatWereNotFiniteBeforeAreToldApart() throws {
        let anomaly = try #require(throws: Anomaly.self) {
            try detectAnomaly { Tensor([1, .infinity] as [Float]) + 1 }
        }
        #expect(!anomaly.inputsWereFinite)
    }

    @Test func finiteWorkGivesItsResult() throws {
        #expect(try detectAnomaly { (values * 2).scalars() } == [2, 0, 8])
        _ = values.log()  // outside, nothing is looked at
    }

    @Test func anErrorOfTheBodyPassesUnlessAnAnomalyExplainsIt() {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try detectAnomaly { throw Failure() } }
        #expect(throws: Anomaly.self) {
            try detectAnomaly {
                _ = values.log()
                throw Failure()
            }
        }
    }

    @Test func workersAreWatchedToo() {
        #expect(throws: Anomaly.self) {
            try detectAnomaly { Parallel.run(2) { index in if index == 1 { _ = values.log() } } }
        }
    }

    @Test func threadsOfOthersAreNot() throws {
        try detectAnomaly {
            let ended = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                _ = Tensor([0] as [Float]).log()
                ended.signal()
            }
            ended.wait()
        }
    }
}
