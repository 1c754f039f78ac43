import Foundation
import PandoTensor
import Testing

@testable import PandoTraining

@Suite struct TaskAffinityTests {
    @Test func `gains are shares of the loss on average`() {
        var affinity = TaskAffinity(["a", "b"])
        // a: 2 → 1.5 alone, 1.2 with b; b: 1 → 0.9 alone, 0.95 with a.
        affinity.add(before: [2, 1], alone: [1.5, 0.9], together: [[2, 0.95], [1.2, 1]])
        #expect(abs(affinity.ownGains[0] - 0.25) < 1e-12 && abs(affinity.ownGains[1] - 0.1) < 1e-12)
        #expect(abs(affinity.gains[1][0] - 0.15) < 1e-12 && abs(affinity.gains[0][1] + 0.05) < 1e-12)
        affinity.add(before: [2, 1], alone: [1.5, 0.9], together: [[2, 0.85], [1.6, 1]])
        #expect(abs(affinity.gains[1][0] - 0.05) < 1e-12 && abs(affinity.gains[0][1]) < 1e-12)
        #expect(affinity.measurementCount == 2)
    }

    @Test func `what a task is worth is within nothing and its own`() {
        var affinity = TaskAffinity(["a", "b", "c"])
        affinity.add(
            before: [1, 1, 1], alone: [0.8, 0.9, 1.1], together: [[1, 0.7, 1], [0.75, 1, 1], [0.9, 0.9, 1]])
        #expect(affinity.transfer[0] == [1, 1, 0])  // twice what b gains by itself; c learns nothing
        #expect(abs(affinity.transfer[1][0] - 0.25) < 1e-9 && affinity.transfer[2][0] == 0)
        #expect(affinity.transfer[2][2] == 1)
    }

    @Test func `cosines come from inner products`() {
        var affinity = TaskAffinity(["a", "b"])
        affinity.add(gramian: [4, 3, 3, 9])
        affinity.add(gramian: [1, -1, -1, 1])
        affinity.add(gramian: [0, 0, 0, 1])
        #expect(abs(affinity.cosines[0][1] + 0.5 / 3) < 1e-12 && affinity.cosines[0] == affinity.cosines[1].reversed())
        #expect(affinity.stepCount == 3)
    }

    @Test func `the picture shows every pair and says it in words`() {
        var affinity = TaskAffinity(["shape & size", "colour"])
        affinity.add(before: [2, 1], alone: [1.5, 0.9], together: [[2, 0.95], [1.2, 1]])
        affinity.add(gramian: [4, 3, 3, 9])
        let svg = AffinityPlot(affinity).svg
        for part in ["+15.0", "-5.0", "+0.50", "shape &amp; size", "colour helps shape &amp; size: its loss falls by 15.00% more"] {
            #expect(svg.contains(part), "\(part)")
        }
        #expect(svg.components(separatedBy: "<rect").count == 1 + 1 + 8)
        #expect(affinity.table.contains("+15.00%") && affinity.cosineTable.contains("+0.50"))
    }
}
