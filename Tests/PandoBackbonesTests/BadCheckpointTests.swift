import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Checkpoints and configurations that cannot be followed: what is wrong is said by the names of whoever wrote them.
@Suite struct BadCheckpointTests {
    /// Opens a small Swin as transformers stores it, changed by `change`, and returns what is said about it.
    private static func complaint(
        _ name: String = "transformers_swin_tiled", _ change: (inout [String: Tensor], inout String) -> Void
    ) throws -> String {
        let reference = try ReferenceNetwork(name)
        var (weights, configuration) = (reference.weights, reference.configuration)
        change(&weights, &configuration)
        let folder = try TemporaryDirectory()
        _ = try folder.file("config.json", holding: Array(configuration.utf8))
        try SafetensorsFile.write(weights, to: folder.file("model.safetensors"))
        do {
            _ = try BackboneSource(folder.url).open()
            return "nothing"
        } catch let error as BackboneError { return error.description } catch let error as WeightMismatch {
            return error.description
        }
    }

    @Test func `A missing tensor is named with its expected shape`() throws {
        let complaint = try Self.complaint { weights, _ in
            weights["swin.layernorm.weight"] = nil
            weights["classifier.bias"] = nil
        }
        #expect(complaint.contains("swin.layernorm.weight is missing, expected shape [48]"))
        #expect(complaint.contains("classifier.bias is missing, expected shape [10]"))
        #expect(!complaint.contains("swin.classifier"))
    }

    @Test func `A missing part of a fused tensor is named with its expected shape`() throws {
        let name = "swin.encoder.layers.0.blocks.1.attention.k_proj.weight"
        let complaint = try Self.complaint { weights, _ in weights[name] = nil }
        #expect(complaint.contains("\(name) is missing, expected shape [12, 12]"))
    }

    @Test func `An extra tensor is named with its shape`() throws {
        let name = "swin.encoder.layers.0.blocks.9.layernorm_before.weight"
        let complaint = try Self.complaint { weights, _ in weights[name] = .ones([12]) }
        #expect(complaint.contains("\(name) [12] is left over"))
    }

    @Test func `A tensor of another shape is named with both shapes`() throws {
        let complaint = try Self.complaint { weights, _ in weights["swin.layernorm.weight"] = .ones([7]) }
        #expect(complaint.contains("swin.layernorm.weight has shape [7], expected [48]"))
    }

    @Test(arguments: [
        ("\"gelu\"", "\"gelu_fast\"", "hidden_act: unknown activation 'gelu_fast'"),
        ("[1, 2, 4]", "[1, 2, 5]", "5 heads do not divide the 48 channels of stage 2"),
        ("[1, 2, 4]", "[1, 2]", "2 head counts for 3 stages"),
        ("\"embed_dim\": 12", "\"embed_dim\": -12", "embed_dim: expected a whole number of 1...8192, found -12"),
        ("\"depths\": [2, 2, 1]", "\"depths\": [2, 2, 100000]", "depths: expected a list of whole numbers of 1...1024"),
        ("\"use_absolute_embeddings\": false", "\"use_absolute_embeddings\": true", "use_absolute_embeddings: is true"),
        ("\"model_type\": \"swin\"", "\"model_type\": \"swine\"", "did you mean 'swin'?"),
        ("\"num_channels\": 3", "\"num_channels\": 4", "num_channels: is 4"),
    ])
    func `A configuration that no network has is refused by its field`(old: String, new: String, said: String) throws {
        let complaint = try Self.complaint { _, configuration in
            #expect(configuration.contains(old))
            configuration = configuration.replacingOccurrences(of: old, with: new)
        }
        #expect(complaint.contains(said), "\(complaint)")
    }

    /// Sizes of our own files are checked before anything is built of them.
    @Test(arguments: [
        ("\"width\": 12", "\"width\": 1000000000", "width: 1000000000 is outside 1...8192"),
        ("\"windowSize\": 4", "\"windowSize\": 0", "window size: 0 is outside 1...256"),
        ("\"headCounts\": [1, 2, 4]", "\"headCounts\": [1, 2, 0]", "heads: 0 is outside 1...8192"),
        ("\"activation\": \"gelu\"", "\"activation\": \"shout\"", "activation"),
    ])
    func `Our own configuration is checked, too`(old: String, new: String, said: String) throws {
        let complaint = try Self.complaint("timm_swin") { _, configuration in
            #expect(configuration.contains(old))
            configuration = configuration.replacingOccurrences(of: old, with: new)
        }
        #expect(complaint.contains(said), "\(complaint)")
    }

    @Test(arguments: ["resnet50d", "resnext50_32x4d", "convnext_tiny_hnf", "efficientnetv2_s", "swinv2_tiny_window8_256"])
    func `A network that is much like one of ours is refused by name`(name: String) throws {
        let complaint = try Self.complaint("timm_resnet26") { _, configuration in
            configuration = configuration.replacingOccurrences(of: "resnet26", with: name)
        }
        #expect(complaint.contains("\(name): no network has this name"))
    }

    @Test func `An argument of timm's that would change the network is refused`() throws {
        let complaint = try Self.complaint("timm_resnet26") { _, configuration in
            let arguments = "\"model_args\": {"
            #expect(configuration.contains(arguments))
            configuration = configuration.replacingOccurrences(of: arguments, with: arguments + "\"stem_type\": \"deep\", ")
        }
        #expect(complaint.contains("model_args.stem_type"))
    }

    /// Every published network has as many weights as its library's (`Tests/golden/parity_sizes.py`).
    @Test func `Published networks have the parameters of their libraries'`() throws {
        let counts = try JSONDecoder().decode(
            [String: Int].self, from: Data(contentsOf: goldenFile("parameter_counts.json")))
        #expect(counts.count > 100)
        for (name, count) in counts.sorted(by: { $0.key < $1.key }) {
            let architecture = try #require(Catalog.published.first { $0.name == name }, "\(name) is not published here")
            #expect(architecture.image?.makeNetwork().parameterCount == count, "\(name)")
        }
    }
}
