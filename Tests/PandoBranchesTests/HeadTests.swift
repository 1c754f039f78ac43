import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

@Suite struct HeadTests {
    private func predictor(inputs: Int = 3, outputs: Int, hidden: Int? = nil, dropout: Float = 0) -> Predictor {
        var generator = SeededGenerator(seed: 1)
        var predictor = Predictor(
            Standardization(mean: irregular([inputs]), scale: irregular([inputs], phase: 1) + 2), outputs: outputs,
            hiddenCount: hidden, dropout: dropout, using: &generator)
        predictor = predictor.startingFrom(
            linear: Linear(weight: irregular([outputs, inputs], phase: 2), bias: irregular([outputs], phase: 3)))
        if hidden != nil { predictor.output?.weight = irregular([outputs, hidden ?? 0], phase: 4) }
        return predictor
    }

    /// Expects the gradients of a head's loss, with respect to each parameter, to match central differences.
    private func expectLossGradients<H: Head>(of head: H, features: Tensor, targets: H.Targets) {
        let tensors = head.parameters
        var none: SeededGenerator?
        expectGradients(of: tensors, "\(H.self)") { values in
            var copy = head
            var rest = values[...]
            copy.updateParameters { _, _ in rest.removeFirst() }
            return copy.loss(copy(features, using: &none), targets, using: &none)
        }
    }

    @Test func `standardising brings features to mean 0 and deviation 1 and leaves constant ones finite`() {
        let features = Tensor([1, 5, 7, 3, 5, 9] as [Float], shape: [2, 3])
        let result = Standardization(of: features)(features)
        expectClose(result, Tensor([-1, 0, -1, 1, 0, 1] as [Float], shape: [2, 3]))
    }

    @Test func `a linear predictor is the affine map of standardised features`() {
        let predictor = predictor(outputs: 2)
        let x = irregular([4, 3], phase: 9)
        let standardized = (x - predictor.standardization.mean) * predictor.standardization.scale
        let expected = matmul(standardized, predictor.linear.weight.transposed) + (predictor.linear.bias ?? .zeros([2]))
        expectClose(predictor(x), expected)
    }

    @Test func `a fresh hidden path changes nothing, and only it has gradients`() {
        var generator = SeededGenerator(seed: 5)
        let plain = predictor(outputs: 2)
        let fresh = Predictor(plain.standardization, outputs: 2, hiddenCount: 4, using: &generator)
            .startingFrom(linear: plain.linear)
        let x = irregular([4, 3], phase: 9)
        #expect(fresh(x).scalars() == plain(x).scalars())
        #expect(
            fresh.namedTensors.filter(\.isParameter).map(\.name)
                == ["hidden.weight", "hidden.bias", "output.weight", "output.bias"])
        #expect(
            plain.namedTensors.map(\.name)
                == ["standardization.mean", "standardization.scale", "linear.weight", "linear.bias"])
        #expect(plain.namedTensors.filter(\.isParameter).map(\.name) == ["linear.weight", "linear.bias"])
    }

    @Test func `dropout acts only while a generator is given, and the same one gives the same`() {
        let predictor = predictor(outputs: 2, hidden: 8, dropout: 0.5)
        let x = irregular([4, 3], phase: 9)
        var first: SeededGenerator? = SeededGenerator(seed: 3)
        var second = first
        let dropped = predictor(x, using: &first).scalars()
        #expect(dropped == predictor(x, using: &second).scalars())
        #expect(dropped != predictor(x).scalars())
        #expect(first != SeededGenerator(seed: 3))
    }

    @Test(arguments: [nil, 4])
    func `every head's loss has the gradients of central differences`(hidden: Int?) {
        let x = irregular([5, 3], phase: 9)
        expectLossGradients(
            of: ClassificationHead(
                predictor(outputs: 3, hidden: hidden), classWeights: Tensor([0.5, 1, 2] as [Float]), labelSmoothing: 0.1),
            features: x, targets: [0, 2, 1, 1, 2])
        let labels = Tensor((0..<10).map { Float($0 * 7 % 3 == 0 ? 1 : 0) }, shape: [5, 2])
        expectLossGradients(
            of: TaggingHead(predictor(outputs: 2, hidden: hidden), positiveWeights: Tensor([3, 0.5] as [Float])),
            features: x, targets: labels)
        expectLossGradients(
            of: TaggingHead(predictor(outputs: 2, hidden: hidden), focalGamma: 2), features: x, targets: labels)
        expectLossGradients(
            of: RegressionHead(predictor(outputs: 1, hidden: hidden), targetMean: 3, targetScale: 2), features: x,
            targets: irregular([5], phase: 8) * 3 + 3)
        expectLossGradients(
            of: RetrievalHead(image: predictor(outputs: 4, hidden: hidden), text: predictor(inputs: 2, outputs: 4), temperature: 0.5),
            features: x, targets: irregular([5, 2], phase: 7))
    }

    @Test func `classes are decoded by probability, the most probable first`() {
        let head = ClassificationHead(predictor(outputs: 3))
        let found = head.decode(Tensor([0, 2, 1, 5, 5, -5] as [Float], shape: [2, 3]), limit: 2)
        #expect(found.map { $0.map(\.label) } == [[1, 2], [0, 1]])
        #expect(abs(found[0][0].score - 0.66524096) < 1e-5)
        #expect(abs(found[1][0].score - 0.4999887) < 1e-5)
    }

    @Test func `tags are decoded by their own probabilities`() {
        let head = TaggingHead(predictor(outputs: 2))
        let found = head.decode(Tensor([0, 2] as [Float], shape: [1, 2]), limit: 5)
        #expect(found[0].map(\.label) == [1, 0])
        #expect(abs(found[0][0].score - 0.8807971) < 1e-5)
        #expect(found[0][1].score == 0.5)
    }

    @Test func `a regression answers in the units of its targets`() {
        let head = RegressionHead(predictor(outputs: 1), targetMean: 100, targetScale: 10)
        let x = irregular([4, 3], phase: 9)
        expectClose(head(x), (head.predictor(x) * 10 + 100).reshaped(4))
        var none: SeededGenerator?
        #expect(head.loss(head(x), head(x), using: &none).scalar() == 0)
    }

    @Test func `retrieval places have length 1, and matching pairs cost less than mixed ones`() {
        let identity = Linear(weight: Tensor([1, 0, 0, 1] as [Float], shape: [2, 2]), bias: .zeros([2]))
        var generator = SeededGenerator(seed: 1)
        let side = Predictor(Standardization(identity: 2), outputs: 2, using: &generator).startingFrom(linear: identity)
        let head = RetrievalHead(image: side, text: side)
        let x = Tensor([3, 4, -4, 3] as [Float], shape: [2, 2])
        expectClose(head(x), Tensor([0.6, 0.8, -0.8, 0.6] as [Float], shape: [2, 2]))
        var none: SeededGenerator?
        let swapped = Tensor([-4, 3, 3, 4] as [Float], shape: [2, 2])
        let right = head.loss(head(x), x, using: &none).scalar()
        let wrong = head.loss(head(x), swapped, using: &none).scalar()
        #expect(right < 1e-4)
        #expect(abs(wrong - 1 / 0.07) < 1e-2)
    }

    @Test func `a head of wrong feature size stops the program and says so`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var generator = SeededGenerator(seed: 1)
            let head = ClassificationHead(Predictor(Standardization(identity: 3), outputs: 2, using: &generator))
            _ = head(.zeros([2, 4]))
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("head: features [2, 4], expected [N, 3]"))
    }
}
