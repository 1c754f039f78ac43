import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Every method's weights against the equations of its paper, in `float64`.
@Suite struct BalancingParityTests {
    private static let calls: [String: @Sendable (BalancingStep, GoldenCase.Attributes) -> [Float]] = [
        "gls": { step, _ in
            var method = GeometricLoss()
            return method.weights(for: step)
        },
        "uncertainty": { step, a in
            var method = UncertaintyWeighting(taskCount: step.tasks.count, rate: a.float("rate"))
            for _ in 0..<a.integer("steps") { _ = method.weights(for: step) }
            return method.weights(for: step)
        },
        "gradnorm": { step, a in
            var method = GradNorm(taskCount: step.tasks.count, rate: Double(a.float("rate")))
            let first = step.tasks.map { Float($0 + 1) }
            _ = method.weights(for: BalancingStep(tasks: step.tasks, losses: first, gramian: step.gramian, epoch: 0))
            _ = method.weights(for: step)
            return method.weights(for: step)
        },
        "mgda": { step, _ in
            var method = MGDA()
            return method.weights(for: step)
        },
        "mgdaNormalized": { step, a in
            var method = MGDA(normalization: MGDA.Normalization(rawValue: a.string("normalization"))!)
            return method.weights(for: step)
        },
        "pcgrad": { step, a in
            PCGrad.weights(Gramian(step.gramian, count: step.tasks.count), orders(a)).map { Float($0) }
        },
        "gradvac": { step, a in
            var method = GradVac(taskCount: step.tasks.count, using: SeededGenerator(seed: 0))
            let gramian = Gramian(step.gramian, count: step.tasks.count)
            _ = method.weights(gramian, step.tasks, orders(a))
            return method.weights(gramian, step.tasks, orders(a)).map { Float($0) }
        },
        "cagrad": { step, a in
            var method = CAGrad(strength: Double(a.float("c")))
            return method.weights(for: step)
        },
        "nash": { step, _ in
            var method = NashMTL(taskCount: step.tasks.count)
            return method.weights(for: step)
        },
        "imtl": { step, _ in
            var method = IMTL(taskCount: step.tasks.count, form: .gradients)
            return method.weights(for: step)
        },
        "aligned": { step, _ in
            var method = AlignedMTL()
            return method.weights(for: step)
        },
    ]

    private static let cases = GoldenCase.cases(in: "balancing")

    @Test func `every stored method is held`() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
    }

    @Test(arguments: cases)
    func `weights equal the reference`(golden: GoldenCase) throws {
        let call = try #require(Self.calls[golden.operation], "\(golden.operation) has no call of ours")
        let step = BalancingStep(gradients: golden.inputs[0], losses: golden.inputs[1].scalars(), epoch: 1)
        expectClose(Tensor(call(step, golden.attributes)), golden.output, relative: 2e-5, golden.name)
    }

    /// For each task, the others in the stored order.
    private static func orders(_ attributes: GoldenCase.Attributes) -> [[Int]] {
        let flat = attributes.integers("orders")
        let others = Int(Double(flat.count).squareRoot())  // K (K - 1) numbers
        return stride(from: 0, to: flat.count, by: others).map { Array(flat[$0..<$0 + others]) }
    }
}

extension BalancingStep {
    /// A step of all tasks.
    /// - Parameter gradients: `[K, D]`.
    init(gradients: Tensor, losses: [Float], epoch: Int = 0) {
        let (count, length) = (gradients.shape[0], gradients.shape[1])
        let rows = gradients.scalars().map(Double.init)
        let gramian = (0..<count * count).map { place in
            (0..<length).reduce(0) { $0 + rows[place / count * length + $1] * rows[place % count * length + $1] }
        }
        self.init(tasks: Array(0..<count), losses: losses, gramian: gramian, epoch: epoch)
    }
}
