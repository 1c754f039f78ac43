import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

@Suite struct MomentProbingPlusTests {
    private static func adapters(on subject: AdapterSubject) throws -> (plus: MomentProbingPlus, plain: any Adapter) {
        var generator = SeededGenerator(seed: 1)
        let made = try MomentProbingPlusConfiguration().makeAdapter(
            on: subject.backbone, vectorLength: 32, using: &generator)
        generator = SeededGenerator(seed: 1)
        let plain = try MomentProbingConfiguration().makeAdapter(
            on: subject.backbone, vectorLength: 32, using: &generator)
        return (try #require(made as? MomentProbingPlus), plain)
    }

    @Test(arguments: [AdapterSubject.bert, .vit])
    func `a fresh one is moment probing, with three narrow matrices more for each block`(subject: AdapterSubject) throws {
        let (plus, plain) = try Self.adapters(on: subject)
        expectClose(plus(subject.features(plus.request)), plain(subject.features(plain.request)), relative: 1e-5)
        #expect(plus.recalibration.parameterCount == 4 * 3 * 16 * 32)
        #expect(plus.parameterCount == plain.parameterCount + plus.recalibration.parameterCount)
        #expect(plus.gradientEntry == (subject.name == "BERT" ? 1 : 0))
    }

    @Test func `a perceptron's output is scaled and shifted by what it is`() {
        var generator = SeededGenerator(seed: 2)
        var recalibration = Recalibration(2, hidden: 1, using: &generator)
        recalibration.down.weight = Tensor([1, 2] as [Float], shape: [1, 2])
        recalibration.scale.weight = Tensor([0.5, -1] as [Float], shape: [2, 1])
        recalibration.shift.weight = Tensor([3, 4] as [Float], shape: [2, 1])
        // t = relu(1·1 + 2·2) = 5: scales 3.5 and -4, shifts 15 and 20; of the other token t = 0.
        let output = recalibration.recalibrated(Tensor([1, 2, -4, 1] as [Float], shape: [2, 2]))
        expectClose(output, Tensor([18.5, 12, -4, 1] as [Float], shape: [2, 2]))
    }

    @Test func `networks without perceptrons are refused with what would do`() {
        var generator = SeededGenerator(seed: 3)
        let error = #expect(throws: AdapterError.self) {
            try MomentProbingPlusConfiguration().makeAdapter(
                on: AdapterSubject.resNet.backbone, vectorLength: 32, using: &generator)
        }
        #expect(error?.description.contains("`moment-probing` needs none") == true)
    }
}
