import Foundation
import FoundationXML
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Choices of blocks: drawn in training, decided in use, pressed to be few and alike, kept in files.
@Suite struct AdaShareTests {
    private let features = Features(pooled: irregular([5, 6]))

    private func searching(blocks: Int = 3, losses: AdaShareLosses = AdaShareLosses()) -> AdaShare<ResidualTrunk> {
        var generator = SeededGenerator(seed: 1)
        let trunk = ResidualTrunk(vectorLength: 6, width: 7, hidden: 4, blocks: blocks, using: &generator)
        var sharing = AdaShare(searching: trunk, taskCount: 3, losses: losses, temperature: 1)
        for task in 0..<3 { sharing.tasks[task].logits = irregular([blocks, 2], phase: Float(20 + task)) }
        return sharing
    }

    private func policy(_ runs: [String]) -> BlockPolicy {
        BlockPolicy(runs.enumerated().map { BlockPolicy.Task("t\($0)", runs: $1.map { $0 == "1" }) })
    }

    /// A trunk that notes which blocks are run on how many rows.
    private struct Noting: SkippableTrunk {
        final class Notes: @unchecked Sendable { var runs: [[Int]] = [] }  // one thread writes

        let notes = Notes()
        var request: FeatureRequest { .vector }
        var gradientEntry: Int? { nil }
        var blockCount: Int { 3 }
        var featureCount: Int { 6 }
        func begin(_ features: Features) -> Tensor { features.pooled }
        func block(_ index: Int, _ state: Tensor, mask: Tensor?) -> Tensor {
            notes.runs.append([index, state.shape[0]])
            return state * 2 + Float(index)
        }
        func vector(_ state: Tensor, mask: Tensor?) -> Tensor { state }
        func keepingFrozenWeights(as type: ElementType) -> Noting { self }
        mutating func visit(_ visitor: inout some Visitor) {}
    }

    @Test func `skipped blocks are not computed, and what tasks run alike is run once`() {
        let trunk = Noting()
        let sharing = AdaShare(trunk, following: policy(["110", "111", "001"]))
        let vectors = sharing(features, for: [0, 1, 2])
        // Blocks 0 and 1 for tasks 0 and 1 together, block 2 for each of tasks 1 and 2.
        #expect(trunk.notes.runs.sorted { $0[0] < $1[0] } == [[0, 5], [1, 5], [2, 5], [2, 5]])
        let x = features.pooled
        let both = (x * 2) * 2 + 1
        expectClose(vectors[0], both)
        expectClose(vectors[1], both * 2 + 2)
        expectClose(vectors[2], x * 2 + 2)
        trunk.notes.runs = []
        let rows = [TaskRows(2, rows: [4, 1]), TaskRows(0, rows: [0])]
        let some = sharing(features, for: rows, during: nil)
        #expect(trunk.notes.runs == [[0, 1], [1, 1], [2, 2]])
        expectClose(some[0], rows[0].of(vectors[2]))
        expectClose(some[1], rows[1].of(vectors[0]))
    }

    @Test func `in use the likelier choice is taken, in training a relaxed draw with one noise for all rows`() {
        let sharing = searching()
        let likely = sharing.tasks.map { task in
            task.logits.scalars().chunked(2).map { $0[0] >= $0[1] }
        }
        #expect(sharing.policy.tasks.map(\.runs) == likely)
        let decided = AdaShare(sharing.trunk, following: sharing.policy)
        for (found, expected) in zip(sharing(features, for: [0, 1, 2]), decided(features, for: [0, 1, 2])) {
            #expect(found.scalars() == expected.scalars())
        }
        let generator = SeededGenerator(seed: 4)
        var same = generator
        let shares = sharing.tasks[1].logits.gumbelSoftmax(temperature: 1, using: &same)
        var state = sharing.trunk.begin(features)
        for block in 0..<3 {
            let (runs, skips) = (shares.scalars()[2 * block], shares.scalars()[2 * block + 1])
            state = sharing.trunk.block(block, state, mask: nil) * runs + state * skips
        }
        let drawn = sharing(features, for: [TaskRows(1)], during: TrainingPass(using: generator))
        expectClose(drawn[0], state)
    }

    @Test func `closed blocks are run by all, and no task moves their choices`() {
        var sharing = searching(blocks: 4)
        for task in 0..<3 { sharing.tasks[task].logits = Tensor([-9, 9] as [Float]).broadcast(to: [4, 2]).contiguous() }
        #expect(sharing.policy.runCount == 0)
        sharing.openBlocks = 1
        #expect(sharing.policy.tasks.allSatisfy { $0.runs == [true, true, true, false] })
        let (_, gradients) = valueAndGradients(of: searching(blocks: 4).opening(2)) { sharing in
            sharing(features, for: [TaskRows(0)], during: TrainingPass(using: SeededGenerator(seed: 2)))[0].sum()
        }
        let names = sharing.namedTensors.filter(\.isParameter).map(\.name)
        let logits = gradients.tensors[names.firstIndex(of: "tasks.0.logits")!]
        #expect(logits.slice(0..<2).absolute().max().scalar() == 0)
        #expect(logits.slice(2..<4).absolute().min().scalar() > 0)
    }

    @Test func `with the noise fixed, slopes of choices are what central differences say`() {
        let sharing = searching()
        expectGradients(of: [sharing.tasks[0].logits], step: 1e-2, relative: 1e-3) { inputs in
            var moved = sharing
            moved.tasks[0].logits = inputs[0]
            return moved(features, for: [TaskRows(0)], during: TrainingPass(using: SeededGenerator(seed: 5)))[0]
        }
    }

    @Test func `pressure to skip and to share is what the equations say`() throws {
        let logits = [
            Tensor([1, 0, 0, 2] as [Float], shape: [2, 2]), Tensor([0, 0, 3, 1] as [Float], shape: [2, 2]),
        ]
        func softplus(_ x: Float) -> Float { log1p(exp(x)) }
        let sparsity = try #require(AdaShareLosses(sparsity: 1)(of: logits, openBlocks: 2)).scalar()
        // -log p(skip) = log(1 + exp(run - skip))
        let expected = (softplus(1) + softplus(-2)) / 2 + (softplus(0) + softplus(2)) / 2
        #expect(abs(sparsity - expected) < 1e-5)
        let late = try #require(AdaShareLosses(sparsity: 1)(of: logits, openBlocks: 1)).scalar()
        #expect(abs(late - softplus(-2) - softplus(2)) < 1e-5)
        let early = try #require(AdaShareLosses(sharing: 1, ramp: .early)(of: logits, openBlocks: 2)).scalar()
        #expect(abs(early - (1 * 1 + 0.5 * 3)) < 1e-5)
        let ramped = try #require(AdaShareLosses(sharing: 1, ramp: .late)(of: logits, openBlocks: 2)).scalar()
        #expect(abs(ramped - (0.5 * 1 + 1 * 3)) < 1e-5)
        #expect(AdaShareLosses()(of: logits, openBlocks: 2) == nil)
        #expect(AdaShare(searching().trunk, following: policy(["101", "111"])).regularization() == nil)
    }

    @Test func `strong pressure to skip empties all tasks, strong pressure to share makes them choose alike`() {
        func settled(_ losses: AdaShareLosses) -> AdaShare<ResidualTrunk> {
            var (sharing, optimizer) = (searching(losses: losses), AdamW(learningRate: 0.05, weightDecay: 0))
            for _ in 0..<200 {
                let (_, gradients) = valueAndGradients(of: sharing) { $0.regularization()! }
                optimizer.update(&sharing, along: gradients)
            }
            return sharing
        }
        #expect(settled(AdaShareLosses(sparsity: 5)).policy.runCount == 0)
        let alike = settled(AdaShareLosses(sharing: 5))
        let running = alike.tasks.map { $0.logits.element(0, along: 1) }
        #expect((running[0] - running[1]).absolute().max().scalar() < 0.1)
        #expect((running[1] - running[2]).absolute().max().scalar() < 0.1)
    }

    @Test func `sampled policies follow the likelihoods`() {
        var sharing = searching()
        sharing.tasks[0].logits = Tensor([9, -9, -9, 9, 0, 0] as [Float], shape: [3, 2])
        var generator = SeededGenerator(seed: 3)
        let draws = (0..<400).map { _ in sharing.sampledPolicy(using: &generator).tasks[0].runs }
        #expect(draws.allSatisfy { $0[0] && !$0[1] })
        let share = Double(draws.filter { $0[2] }.count) / 400
        #expect(abs(share - 0.5) < 0.1)
        let shuffled = sharing.policy.shuffled(using: &generator)
        #expect(zip(shuffled.tasks, sharing.policy.tasks).allSatisfy { $0.runs.sorted() == $1.runs.sorted() })
    }

    @Test func `a policy's file gives it again, and is refused by another network and by what is no policy`() throws {
        let folder = try TemporaryDirectory()
        let chosen = policy(["1101", "0111"])
        try chosen.write(to: folder.file("policy.json"))
        #expect(try BlockPolicy(contentsOf: folder.file("policy.json")) == chosen)
        #expect(chosen.problems(forBlocks: 4, taskCount: 2, names: ["t0", "t1"]).isEmpty)
        #expect(chosen.problems(forBlocks: 4, taskCount: 2, names: ["t1", "t0"])[0].contains("in this order"))

        var configuration = AdaShareConfiguration()
        configuration.given = .init(texts: [folder.file("policy.json").path])
        func refusal(_ configuration: AdaShareConfiguration, tasks: Int) -> String {
            var generator = SeededGenerator(seed: 1)
            do {
                let made = try configuration.makeSharing(
                    on: AdapterSubject.bert.backbone, vectorLength: 32, taskCount: tasks, using: &generator)
                return (made as? AdaShare<ResidualTrunk>)?.given == nil ? "no policy" : ""
            } catch { return error.description }
        }
        #expect(refusal(configuration, tasks: 2) == "")
        #expect(refusal(configuration, tasks: 3).contains("of 2 tasks, [\"t0\", \"t1\"], and there are 3 here"))
        configuration.blocks = 6
        #expect(refusal(configuration, tasks: 2).contains("set `blocks: 4`"))
        configuration.given = .init(texts: ["111111", "000000"])
        #expect(refusal(configuration, tasks: 2) == "")
        configuration.given = .init(texts: [folder.file("none.json").path])
        #expect(refusal(configuration, tasks: 2).contains("cannot be read"))
        _ = try folder.file("other.json", holding: Array(#"{"tasks": []}"#.utf8))
        configuration.given = .init(texts: [folder.file("other.json").path])
        #expect(refusal(configuration, tasks: 2).contains("it is no policy"))
        configuration.given = .init(texts: ["10", "policy.json"])
        #expect(refusal(configuration, tasks: 2).contains("expected one JSON file"))
    }

    @Test func `the picture names tasks, fills what is run and says it in words`() {
        let picture = PolicyPicture(policy(["101", "000"]).naming(["shape & size", "count"])).svg
        #expect(picture.contains("shape &amp; size runs blocks 0, 2; count runs no block."))
        #expect(picture.components(separatedBy: ##"fill="#0b6bb5""##).count - 1 == 2)
        #expect(XMLParser(data: Data(picture.utf8)).parse())
        #expect(PolicyPicture(policy(["1"]), likelihoods: [[0.75]]).svg.contains(">0.75<"))
    }

    @Test func `a backbone's own blocks can be skipped, and skipping none is the network itself`() throws {
        let subject = AdapterSubject.bert
        func sharing(_ runs: [String]) throws -> any Sharing {
            var (configuration, generator) = (AdaShareConfiguration(), SeededGenerator(seed: 1))
            (configuration.blocks, configuration.takesBackboneBlocks) = (2, true)
            configuration.given = .init(texts: runs)
            return try configuration.makeSharing(
                on: subject.backbone, vectorLength: 32, taskCount: runs.count, using: &generator)
        }
        let whole = try sharing(["11", "01"])
        let count = subject.backbone.taps.count
        #expect(whole.gradientEntry == count - 2 && whole.request.taps == [subject.backbone.taps[count - 3].name])
        let vectors = whole(subject.features(whole.request), for: [0, 1])
        expectClose(vectors[0], subject.features(.vector).pooled, relative: 1e-5)
        #expect(worstDifference(vectors[1], vectors[0]).relative > 0.01)
        #expect(whole.parameterCount > 0)

        var (configuration, generator) = (AdaShareConfiguration(), SeededGenerator(seed: 1))
        configuration.takesBackboneBlocks = true
        #expect(throws: AdapterError.self) {
            _ = try configuration.makeSharing(
                on: AdapterSubject.resNet.backbone, vectorLength: 32, taskCount: 2, using: &generator)
        }
    }
}

extension AdaShare {
    fileprivate func opening(_ blocks: Int) -> AdaShare {
        var copy = self
        copy.openBlocks = blocks
        return copy
    }
}

extension [Float] {
    fileprivate func chunked(_ size: Int) -> [[Float]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<$0 + size]) }
    }
}

extension [Bool] {
    fileprivate func sorted() -> [Bool] { sorted { $0 && !$1 } }
}
