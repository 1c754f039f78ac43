import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Adapters that PEFT wrote, on networks with weights that both sides compute (`Tests/golden/peft.py`).
@Suite struct LoRAParityTests {
    static let names = [
        "vit", "vit_older_names", "vit_dora", "vit_timm", "clip", "bert", "bert_all_linear", "resnet", "resnet_dora",
    ]

    /// A network, an adapter of PEFT's for it, and what the adapted network computes there.
    struct Case {
        let golden: NamedTensors
        let opened: OpenedBackbone
        let set: LoRASet
        let folder: URL

        init(_ name: String) throws {
            folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("Golden/peft/\(name)")
            let file = try SafetensorsFile(folder.appendingPathComponent("golden.safetensors"))
            golden = file.tensors
            let checkpoint = try TemporaryDirectory()
            try ReferenceCheckpoint(metadata: file.metadata).write(into: checkpoint)
            opened = try BackboneSource(checkpoint.url).open()
            set = try Self.read(folder, opened)
        }

        static func read(_ folder: URL, _ opened: OpenedBackbone) throws -> LoRASet {
            func read(_ network: some Module) throws -> LoRASet { try LoRASet(folder, for: network, opened.architecture) }
            return try read(opened.network)
        }

        /// What the golden file holds of a network's features.
        func expectEqual(_ network: any Module, _ what: String) throws {
            if let image = network as? any ImageBackbone {
                let features = image.features(of: .waves(32, 32), reading: Set(image.taps.map(\.name)))
                if let pooled = golden["pooled"] { expectClose(features.pooled, pooled, relative: 1e-4, "\(what): pooled") }
                if let logits = golden["logits"] {
                    expectClose(try #require(image.logits(features.pooled)), logits, relative: 1e-4, "\(what): logits")
                }
                try expectTap { features.taps[$0] }
            } else {
                let text = try #require(network as? BERT)
                let ids: [Int64] = (0..<24).map { (index: Int64) -> Int64 in (7 * index * index + 13 * index + 3) % 100 }
                let present: [Int64] = [Int64](repeating: 1, count: 20) + [0, 0, 0, 0]
                let states = text.states(
                    ids: Tensor(ids, shape: [2, 12]), attentionMask: Tensor(present, shape: [2, 12]))
                try expectTap { name in states[Int(name.split(separator: ".")[1])!].slice(0..<8, along: 1) }
            }
        }

        private func expectTap(_ tap: (String) -> Tensor?) throws {
            for (name, expected) in golden where name.hasSuffix("/mean") {
                let value = try #require(tap(String(name.dropLast(5)))).slice(1..<2)
                expectClose(value.mean(along: Array(0..<value.rank - 1)), expected, relative: 1e-4, name)
            }
        }
    }

    @Test(arguments: names)
    func `an adapter of PEFT's gives PEFT's outputs, beside the weights and merged into them`(name: String) throws {
        let adapted = try Case(name)
        func check(_ network: some Module) throws {
            try adapted.expectEqual(network.adapted(by: adapted.set), "adapted")
            try adapted.expectEqual(network.merged(with: adapted.set), "merged")
        }
        try check(adapted.opened.network)
    }

    @Test(arguments: names)
    func `what is written is what was read`(name: String) throws {
        let adapted = try Case(name)
        let folder = try TemporaryDirectory()
        try adapted.set.write(to: folder.url)
        let written = try SafetensorsFile(folder.file("adapter_model.safetensors")).tensors
        let original = try SafetensorsFile(adapted.folder.appendingPathComponent("adapter_model.safetensors")).tensors
        #expect(written.names.sorted() == original.names.sorted())
        for (tensor, expected) in original {
            #expect(written[tensor]?.shape == expected.shape && written[tensor]?.scalars() == expected.scalars(), "\(tensor)")
        }
        let again = try Case.read(folder.url, adapted.opened)
        #expect(again.sites == adapted.set.sites)
        #expect(again.configuration == adapted.set.configuration)
    }

    @Test(arguments: ["vit", "bert_all_linear", "resnet"])
    func `merging can be undone`(name: String) throws {
        let adapted = try Case(name)
        func check(_ network: some Module) throws {
            let restored = try network.merged(with: adapted.set).unmerged(from: adapted.set)
            let replaced = Set(adapted.set.replacements.keys)
            for (old, new) in zip(network.namedTensors, restored.namedTensors) where !replaced.contains(old.name) {
                expectClose(new.tensor, old.tensor, relative: 1e-5, old.name)
            }
        }
        try check(adapted.opened.network)
    }

    @Test func `a merged DoRA cannot be taken out again`() throws {
        let adapted = try Case("resnet_dora")
        func check(_ network: some Module) {
            let error = #expect(throws: AdapterError.self) { try network.merged(with: adapted.set).unmerged(from: adapted.set) }
            #expect(error?.description.contains("keep the base weights") == true)
        }
        check(adapted.opened.network)
    }

    @Test func `a frozen program of an adapted network computes what the network does`() throws {
        let adapted = try Case("vit_timm")
        let network = try adapted.opened.imageBackbone()
        func check(_ network: some ImageBackbone) throws {
            let frozen = FrozenBackbone(network.adapted(by: adapted.set)).features(of: .waves(32, 32))
            expectClose(try #require(network.adapted(by: adapted.set).logits(frozen.pooled)), adapted.golden["logits"]!, relative: 1e-4)
        }
        try check(network)
    }

    @Test func `an adapter goes over into the names of another library, and back`() throws {
        let adapted = try Case("vit")
        let older = adapted.opened.architecture.dialects.first { $0.name == "transformers" }!
        let renamed = try adapted.set.renamed(in: older, prefix: "vit.")
        #expect(renamed.sites.map(\.name).contains("vit.encoder.layer.0.attention.attention.query"))
        let folder = try TemporaryDirectory()
        try renamed.write(to: folder.url)
        let again = try Case.read(folder.url, adapted.opened)
        func check(_ network: some Module) throws { try adapted.expectEqual(network.adapted(by: again), "renamed") }
        try check(adapted.opened.network)
        // The library that fuses the three cannot take an adapter of two of them.
        #expect(throws: AdapterError.self) { try adapted.set.renamed(in: .own, prefix: "") }
    }
}
