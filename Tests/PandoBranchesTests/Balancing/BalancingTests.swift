import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// What each method promises, and how all behave where losses or gradients are none.
@Suite struct BalancingTests {
    private static let kinds = BalancingCatalog.kinds.map { $0.kind }

    private static func method(_ kind: String, tasks: Int) -> any Balancing {
        var generator = SeededGenerator(seed: 5)
        return BalancingCatalog.kind(named: kind)!.init().makeBalancing(taskCount: tasks, using: &generator)
    }

    private static func step(_ gradients: Tensor, epoch: Int = 1) -> BalancingStep {
        BalancingStep(gradients: gradients, losses: (0..<gradients.shape[0]).map { Float($0) + 0.5 }, epoch: epoch)
    }

    /// Inner products of the followed direction with every gradient.
    private static func products(_ weights: [Float], _ step: BalancingStep) -> [Double] {
        Gramian(step.gramian, count: step.tasks.count).products(with: weights.map(Double.init))
    }

    @Test func `every method has its own name and survives coding`() throws {
        #expect(Set(Self.kinds).count == Self.kinds.count)
        for kind in BalancingCatalog.kinds {
            let choice = BalancingChoice(kind.init())
            let read = try JSONDecoder().decode(BalancingChoice.self, from: JSONEncoder().encode(choice))
            #expect(read == choice && read.kind == kind.kind)
        }
    }

    @Test(arguments: kinds)
    func `the state continues where it was kept`(kind: String) {
        var method = Self.method(kind, tasks: 3)
        func step(_ number: Int) -> BalancingStep {
            let drawn = irregular([3], phase: Float(number)).scalars()
            return BalancingStep(
                gradients: irregular([3, 4], phase: Float(number)), losses: drawn.map { abs($0) + 0.1 }, epoch: number / 3)
        }
        for number in 0..<7 { _ = method.weights(for: step(number)) }
        var resumed = Self.method(kind, tasks: 3)
        resumed.state = method.state
        for number in 7..<12 {
            #expect(resumed.readsGradients == method.readsGradients)
            #expect(resumed.weights(for: step(number)) == method.weights(for: step(number)))
        }
    }

    @Test(arguments: kinds)
    func `a task that is not finite is left out`(kind: String) {
        var method = Self.method(kind, tasks: 3)
        let whole = Self.step(irregular([3, 6]))
        for epoch in 0..<2 {
            let step = BalancingStep(tasks: whole.tasks, losses: [1, .nan, 2], gramian: whole.gramian, epoch: epoch)
            let weights = method.weights(for: step)
            #expect(weights[1] == 0 && weights.allSatisfy(\.isFinite) && weights[0] != 0)
        }
        guard method.readsGradients else { return }
        var gramian = whole.gramian
        for place in [1, 3, 4, 5, 7] { gramian[place] = .nan }
        let step = BalancingStep(tasks: whole.tasks, losses: whole.losses, gramian: gramian, epoch: 1)
        let weights = method.weights(for: step)
        #expect(weights[1] == 0 && weights.allSatisfy(\.isFinite) && weights[0] != 0)
    }

    @Test(arguments: kinds)
    func `a task without a gradient changes nothing for the others`(kind: String) {
        guard Self.method(kind, tasks: 3).readsGradients else { return }
        let gradients = irregular([3, 6])
        let zeroed = Tensor.concatenated([gradients.slice(0..<2), .zeros([1, 6])])
        var (with, without) = (Self.method(kind, tasks: 3), Self.method(kind, tasks: 3))
        let (three, two) = (Self.step(zeroed), Self.step(gradients.slice(0..<2)))
        let weights = with.weights(for: three)
        #expect(weights[2] == 1)
        if kind == "pcgrad" || kind == "gradvac" || kind == "gradnorm" { return }  // they draw, or learn, for others
        #expect(Array(weights[..<2]) == without.weights(for: two))
    }

    @Test(arguments: kinds)
    func `all gradients zero gives equal weights`(kind: String) {
        var method = Self.method(kind, tasks: 2)
        guard method.readsGradients else { return }
        #expect(method.weights(for: Self.step(.zeros([2, 4]))) == [1, 1])
    }

    @Test(arguments: kinds)
    func `a single task keeps a weight`(kind: String) {
        var method = Self.method(kind, tasks: 3)
        let step = BalancingStep(tasks: [1], losses: [0.7], gramian: [2], epoch: 1)
        let weights = method.weights(for: step)
        #expect(weights.count == 1 && weights[0] > 0 && weights[0].isFinite)
    }

    @Test(arguments: ["pcgrad", "gradvac"])
    func `gradients that agree are summed`(kind: String) {
        var method = Self.method(kind, tasks: 3)
        let agreeing = irregular([3, 6]) * 0.1 + 1
        #expect(method.weights(for: Self.step(agreeing)) == [1, 1, 1])
    }

    @Test(arguments: ["mgda", "cagrad", "nash", "aligned", "imtl"])
    func `equally long gradients at right angles weigh alike`(kind: String) {
        var method = Self.method(kind, tasks: 3)
        let step = BalancingStep(gradients: Tensor.eye(3) * 2, losses: [1, 1, 1])
        let weights = method.weights(for: step)
        for weight in weights { #expect(abs(weight / weights[0] - 1) < 1e-5) }
    }

    @Test(arguments: [Float](stride(from: 0, to: 10, by: 1)))
    func `no task of two is worked against`(phase: Float) {
        let step = Self.step(irregular([2, 3], phase: phase))
        for kind in ["pcgrad", "mgda", "nash", "imtl", "aligned"] {
            var method = Self.method(kind, tasks: 2)
            #expect(Self.products(method.weights(for: step), step).allSatisfy { $0 > -1e-6 }, "\(kind)")
        }
    }

    @Test func `the shortest mean works against none of many`() {
        var method = MGDA()
        let step = Self.step(irregular([6, 10], phase: 2))
        #expect(Self.products(method.weights(for: step), step).allSatisfy { $0 > 0 })
    }

    @Test func `impartial steps are as long along every gradient`() {
        var method = IMTL(taskCount: 4, form: .gradients)
        let step = Self.step(irregular([4, 9]))
        let norms = Gramian(step.gramian, count: 4).norms
        let lengths = zip(Self.products(method.weights(for: step), step), norms).map { $0 / $1 }
        for length in lengths { #expect(length > 0 && abs(length / lengths[0] - 1) < 1e-5) }
    }

    @Test(arguments: ["nash", "imtl"])
    func `a loss in another unit changes no direction`(kind: String) {
        let gradients = irregular([3, 8])
        let factors = Tensor([10, 1, 0.2] as [Float])
        var (method, other) = (Self.method(kind, tasks: 3), Self.method(kind, tasks: 3))
        let plain = matmul(Tensor(method.weights(for: Self.step(gradients))).expanded(at: 0), gradients)
        let scaled = gradients * factors.expanded(at: 1)
        let moved = matmul(Tensor(other.weights(for: Self.step(scaled))).expanded(at: 0), scaled)
        func unit(_ x: Tensor) -> Tensor { x * (1 / (x * x).sum().scalar().squareRoot()) }
        expectClose(unit(moved), unit(plain), relative: 1e-4)
    }

    @Test func `aligned gradients have components of one length`() {
        let gradients = irregular([3, 8])
        var method = AlignedMTL()
        let step = Self.step(gradients)
        let shortest = try! gradients.svd().values.scalars()[2]
        // The sum of the rows of U Vᵀ is as long as the square root of their number.
        let length = Gramian(step.gramian, count: 3).squaredNorm(of: method.weights(for: step).map(Double.init)).squareRoot()
        #expect(abs(length / Double(shortest) / 3.0.squareRoot() - 1) < 1e-4)
    }

    @Test func `a step that may go nowhere is the mean gradient`() {
        var method = CAGrad(strength: 0)
        for weight in method.weights(for: Self.step(irregular([4, 9]))) { #expect(abs(weight - 0.25) < 1e-6) }
    }

    @Test func `slow tasks weigh more by their last two epochs`() {
        var method = DynamicWeightAverage(taskCount: 2, temperature: 1)
        func weights(_ losses: [Float], _ epoch: Int) -> [Float] {
            method.weights(for: BalancingStep(tasks: [0, 1], losses: losses, epoch: epoch))
        }
        for (epoch, losses) in ([[4, 4], [2, 4]] as [[Float]]).enumerated() {
            #expect(weights(losses.map { $0 - 1 }, epoch) == [1, 1] && weights(losses.map { $0 + 1 }, epoch) == [1, 1])
        }
        // Ratios ½ and 1: 2 softmax(½, 1).
        let found = weights([1, 1], 2)
        expectClose(Tensor(found), Tensor([0.75508, 1.24492] as [Float]), relative: 1e-4)
    }

    @Test func `learned variances come to their losses`() {
        var method = UncertaintyWeighting(taskCount: 2, rate: 0.05)
        for _ in 0..<2_000 { _ = method.weights(for: BalancingStep(tasks: [0, 1], losses: [0.25, 3], epoch: 0)) }
        expectClose(Tensor(method.logVariances).exp(), Tensor([0.25, 3] as [Float]), relative: 1e-3)
    }

    @Test func `learned weights make gradients alike in length`() {
        var method = GradNorm(taskCount: 2, alpha: 0, rate: 0.01)
        let gradients = Tensor.eye(2) * Tensor([1, 3] as [Float]).expanded(at: 1)
        for number in 0..<3_000 {
            _ = method.weights(for: BalancingStep(gradients: gradients, losses: [1, 1], epoch: number == 0 ? 0 : 1))
        }
        let weights = method.weights(for: BalancingStep(gradients: gradients, losses: [1, 1], epoch: 1))
        #expect(abs(weights[0] / weights[1] - 3) < 0.15 && abs(weights[0] + weights[1] - 2) < 1e-4)
    }

    @Test func `scaled losses come to one`() {
        var method = IMTL(taskCount: 2, form: .losses, rate: 0.05)
        var weights: [Float] = []
        for _ in 0..<2_000 { weights = method.weights(for: BalancingStep(tasks: [0, 1], losses: [0.2, 5], epoch: 0)) }
        expectClose(Tensor(weights), Tensor([5, 0.2] as [Float]), relative: 1e-3)
    }

    @Test func `random weights have sum one and change`() {
        var method = Self.method("rlw", tasks: 3)
        let step = BalancingStep(tasks: [0, 2], losses: [1, 1], epoch: 0)
        let (first, second) = (method.weights(for: step), method.weights(for: step))
        #expect(first != second && abs(first.reduce(0, +) - 1) < 1e-6)
    }

    @Test func `weights stay between bargains`() {
        var method = NashMTL(taskCount: 2, interval: 3)
        let first = method.weights(for: Self.step(irregular([2, 5])))
        let silent = BalancingStep(tasks: [0, 1], losses: [1, 1], epoch: 0)
        #expect(!method.readsGradients && method.weights(for: silent) == first)
        #expect(!method.readsGradients && method.weights(for: silent) == first)
        #expect(method.readsGradients && method.weights(for: Self.step(irregular([2, 5], phase: 1))) != first)
    }
}
