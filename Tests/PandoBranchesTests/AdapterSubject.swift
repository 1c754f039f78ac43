import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// A small backbone with weights drawn at random, and examples for it.
struct AdapterSubject: Sendable, CustomTestStringConvertible {
    let name: String
    let backbone: any Backbone
    /// Three examples; of texts, all but the first are padded.
    let input: BackboneInput

    var testDescription: String { name }

    static let all = [bert, vit, mobileNet, resNet]

    static let bert = {
        var configuration = BERTConfiguration(
            vocabularySize: 50, hiddenSize: 32, layerCount: 4, headCount: 4, intermediateSize: 48, maximumPositions: 12)
        configuration.hasPooler = false
        let ids = (0..<21).map { Int64(($0 * $0 + 3 * $0) % 50) }
        let mask = [7, 4, 2].flatMap { length in (0..<7).map { Int64($0 < length ? 1 : 0) } }
        return AdapterSubject(
            "BERT", BERT(configuration),
            .texts(TokenTensors(ids: Tensor(ids, shape: [3, 7]), attentionMask: Tensor(mask, shape: [3, 7]))))
    }()

    static let vit = {
        var configuration = VisionTransformerConfiguration(hiddenSize: 32, headCount: 4)
        (configuration.pictureSize, configuration.patchSize, configuration.layerCount) = (32, 8, 4)
        configuration.classCount = 0
        return AdapterSubject("ViT", configuration.makeNetwork(), .pictures(irregular([3, 32, 32, 3])))
    }()

    static let mobileNet = {
        var configuration = MobileNetV2Configuration()
        configuration.widths = [8, 8, 16, 16, 24, 24, 32]
        configuration.repeats = [1, 1, 2, 1, 1, 1, 1]
        (configuration.stemChannels, configuration.headChannels, configuration.expansion) = (8, 48, 2)
        configuration.classCount = 0
        return AdapterSubject("MobileNetV2", configuration.makeNetwork(), .pictures(irregular([3, 64, 64, 3])))
    }()

    static let resNet = {
        var configuration = ResNetConfiguration(widths: [8, 16, 24, 32], blocks: [1, 1, 1, 2], isBottleneck: false)
        configuration.classCount = 0
        return AdapterSubject("ResNet", configuration.makeNetwork(), .pictures(irregular([3, 64, 64, 3])))
    }()

    private init(_ name: String, _ backbone: any Backbone, _ input: BackboneInput) {
        var drawn = backbone
        let rule = Initialization.Rule.truncatedNormal(0.2)
        drawn.initialize(Initialization(convolutions: rule, matrices: rule), seed: 6)
        if case .pictures(let pictures) = input, let network = drawn as? any ImageBackbone {
            drawn = Self.settled(network, on: pictures)
        }
        (self.name, self.backbone, self.input) = (name, drawn, input)
    }

    /// With batch norms that know what the pictures' maps are like, so that no map vanishes or grows.
    private static func settled<Network: ImageBackbone>(_ network: Network, on pictures: Tensor) -> Network {
        var settled = network
        for _ in 0..<30 {
            let pass = TrainingPass(using: SeededGenerator(seed: 0))
            _ = settled.features(of: pictures, reading: [], during: pass)
            settled.updateBuffers(by: pass.updates)
        }
        return settled
    }

    /// What the frozen pass gives, of other examples if there are any.
    func features(_ request: FeatureRequest, of examples: BackboneInput? = nil) -> Features {
        let examples = examples ?? input
        var features: Features
        switch (examples, backbone) {
        case (.pictures(let pictures), let backbone as any ImageBackbone):
            features = backbone.features(of: pictures, reading: Set(request.taps))
        case (.texts(let texts), let backbone as any TextBackbone):
            features = backbone.features(of: texts, reading: Set(request.taps))
            features.mask = texts.attentionMask
        default: stop("\(name) does not read such examples")
        }
        if !request.vector { features.pooled = .zeros([examples.count, 0]) }
        features.input = request.input ? examples : nil
        return features
    }
}

extension BackboneInput {
    /// The same examples, with other content where they are padded.
    var withOtherPadding: BackboneInput {
        guard case .texts(let texts) = self else { return self }
        let (ids, mask) = (texts.ids.scalars(as: Int64.self), texts.attentionMask.scalars(as: Int64.self))
        let changed = ids.indices.map { mask[$0] == 1 ? ids[$0] : (ids[$0] + 17) % 50 }
        return .texts(
            TokenTensors(ids: Tensor(changed, shape: texts.ids.shape), attentionMask: texts.attentionMask))
    }

    /// One example, without its padding.
    func alone(_ index: Int) -> BackboneInput {
        let one = slice(index..<index + 1)
        guard case .texts(let texts) = one else { return one }
        let length = Int(texts.attentionMask.scalars(as: Int64.self).reduce(0, +))
        return .texts(
            TokenTensors(
                ids: texts.ids.slice(0..<length, along: 1), attentionMask: texts.attentionMask.slice(0..<length, along: 1)))
    }
}
