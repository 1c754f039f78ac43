import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Computing in `bfloat16` with master weights in `float32`.
@Suite struct MixedPrecisionTests {
    private struct Classifier: Module {
        var hidden, output: Linear

        mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("hidden", &hidden)
            visitor.module("output", &output)
        }

        func callAsFunction(_ x: Tensor) -> Tensor { output(hidden(x).relu()) }
    }

    /// Losses of forty steps on one batch, and the trained network.
    private static func train(computingIn type: ElementType?) -> (losses: [Float], network: Classifier) {
        var generator = SeededGenerator(seed: 5)
        var network = Classifier(
            hidden: Linear(16, 32, using: &generator), output: Linear(32, 4, using: &generator))
        let x = irregular([64, 16])
        let targets = matmul(x, irregular([16, 4], phase: 1)).argmax().scalars(as: Int64.self).map { Int($0) }
        var optimizer = AdamW(learningRate: 0.01)
        let losses = (0..<40).map { _ in
            let (loss, gradients) = valueAndGradients(of: network, computingIn: type) {
                crossEntropy($0(type.map { x.cast(to: $0) } ?? x), targets)
            }
            optimizer.update(&network, along: gradients)
            return loss.scalar()
        }
        return (losses, network)
    }

    @Test func theLossFallsAsInFloat32() {
        let (exact, mixed) = (Self.train(computingIn: nil).losses, Self.train(computingIn: .bfloat16).losses)
        #expect(exact[39] < 0.3 * exact[0])
        // Two decimal digits are what bfloat16 has; errors of single steps do not add up.
        for (step, (a, b)) in zip(exact, mixed).enumerated() {
            #expect(abs(a - b) <= 0.01 * exact[0], "step \(step): \(a) in float32, \(b) mixed")
        }
    }

    @Test func masterWeightsAndGradientsStayFloat32() {
        let network = Self.train(computingIn: .bfloat16).network
        #expect(network.parameters.allSatisfy { $0.elementType == .float32 })
        // Weights that bfloat16 could hold would all be equal to their rounded selves.
        let weights = network.hidden.weight
        #expect(weights.cast(to: .bfloat16).cast(to: .float32).scalars() != weights.scalars())
        let x = irregular([8, 16]).cast(to: .bfloat16)
        let (_, gradients) = valueAndGradients(of: network, computingIn: .bfloat16) { $0(x).squared().mean() }
        #expect(gradients.tensors.allSatisfy { $0.elementType == .float32 })
    }
}
