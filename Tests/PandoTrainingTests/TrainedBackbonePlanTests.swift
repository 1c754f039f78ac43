import Foundation
import PandoBackbones
import PandoData
import Testing

@testable import PandoTraining

/// What a plan says about a backbone that is trained, and about its budget.
@Suite struct TrainedBackbonePlanTests {
    private let smallest = """
        name: small
        data: {kind: clipart}
        tasks:
          category: {kind: classification}
        """

    private func read(_ yaml: String) throws(PlanError) -> Plan {
        try Plan(yaml: yaml, file: "test.yaml", folder: FileManager.default.temporaryDirectory)
    }

    private func problems(of yaml: String) -> [PlanError.Problem] {
        do {
            _ = try read(yaml)
            Issue.record("the plan was taken")
            return []
        } catch { return error.problems }
    }

    @Test func `a backbone can start at random, be trained, and see smaller pictures`() throws {
        let plan = try read(
            smallest + "\nbackbone: {name: vit_tiny_patch16_224, weights: random, image_size: 96}\nbudget: {memory: 1.5GiB}")
        #expect(plan.backbone.weights == .random)
        #expect(plan.backbone.isTrained)
        #expect(plan.train.backboneRate == 1)
        #expect(plan.preprocessing.outputSize == PixelSize(96))
        #expect(plan.budget.memory == ByteCount(3 << 29))
        let tuned = try read(smallest + "\nbackbone: {name: mobilenet_v2, train: true}\ntrain: {backbone_rate: 0.5, augment: false}")
        #expect(tuned.backbone.isTrained && tuned.backbone.weights == .pretrained)
        #expect(tuned.train.backboneRate == 0.5 && !tuned.train.augments)
    }

    @Test(arguments: [
        ("backbone: {name: resnet18, weights: random, train: false}", "knows nothing unless it is trained"),
        ("backbone: {name: vit_tiny_patch16_224, weights: random, image_size: 100}", "no multiple of 16"),
        ("train: {augment: false}", "the backbone is frozen"),
        ("backbone: {name: resnet18, train: maybe}", "expected true or false"),
        ("budget: {memory: lots}", "expected an amount"),
    ])
    func `what a trained backbone cannot be is refused`(line: String, reason: String) {
        let found = problems(of: smallest + "\n" + line)
        #expect(found.contains { $0.message.contains(reason) }, "\(found)")
    }
}
