import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// A network of a few thousand weights and an input for it: one for each way in which the families differ.
struct SmallNetwork: Sendable, CustomTestStringConvertible {
    let name: String
    let network: any BlockwiseBackbone
    let input: BackboneInput

    var testDescription: String { name }

    static let all = pictures + texts

    /// Texts of 7, 4 and 1 tokens.
    static let texts: [SmallNetwork] = {
        func bert(_ change: (inout BERTConfiguration) -> Void = { _ in }) -> BERT {
            var configuration = BERTConfiguration(
                vocabularySize: 30, hiddenSize: 16, layerCount: 3, headCount: 2, intermediateSize: 24, maximumPositions: 14)
            change(&configuration)
            return BERT(configuration)
        }
        func half(_ change: (inout TextTransformerConfiguration) -> Void = { _ in }) -> TextTransformer {
            var configuration = TextTransformerConfiguration(
                vocabularySize: 30, hiddenSize: 16, layerCount: 3, headCount: 2, maximumLength: 12, endOfText: 29)
            change(&configuration)
            return TextTransformer(configuration)
        }
        let networks: [(String, any BlockwiseBackbone)] = [
            ("BERT", bert()), ("BERT, pooler", bert { $0.pooling = .pooler }), ("BERT, maximum", bert { $0.pooling = .max }),
            ("RoBERTa", bert { ($0.firstPosition, $0.typeVocabularySize) = (2, 1) }),
            ("DistilBERT", bert { ($0.typeVocabularySize, $0.hasPooler, $0.pooling) = (0, false, .first) }),
            ("CLIP's texts", half { $0.outputSize = 8 }), ("CLIP's texts, highest", half { $0.pooling = .highest }),
            ("SigLIP's texts", half { ($0.isCausal, $0.seesPadding, $0.pooling) = (false, true, .last) }),
        ]
        return networks.map { SmallNetwork(name: $0, network: $1.filled(), input: .texts(.ofLengths([7, 4, 1]))) }
    }()

    static let pictures: [SmallNetwork] = {
        func transformer(_ change: (inout VisionTransformerConfiguration) -> Void = { _ in }) -> VisionTransformer {
            var configuration = VisionTransformerConfiguration(
                pictureSize: 24, patchSize: 8, hiddenSize: 16, layerCount: 3, headCount: 2, intermediateSize: 24,
                classCount: 5)
            change(&configuration)
            return VisionTransformer(configuration)
        }
        var mobile = MobileNetV2Configuration()
        (mobile.stemChannels, mobile.widths, mobile.repeats, mobile.headChannels) = (8, [8, 8, 16], [1, 2, 2], 24)
        (mobile.expansion, mobile.classCount) = (2, 5)
        var third = MobileNetV3Configuration(.small, width: 0.35)
        third.classCount = 5
        var efficient = EfficientNetConfiguration(width: 0.1, depth: 0.5, pictureSize: 32, edge: 32)
        efficient.classCount = 5
        var lite = EfficientNetConfiguration(liteWidth: 0.1, depth: 0.5, pictureSize: 32)
        (lite.stemChannels, lite.headChannels, lite.classCount) = (8, 16, 5)
        func residual(isBottleneck: Bool) -> ResNet {
            var configuration = ResNetConfiguration(widths: [8, 16], blocks: [2, 2], isBottleneck: isBottleneck)
            (configuration.stemChannels, configuration.classCount) = (8, 5)
            return ResNet(configuration)
        }
        func convNeXt(normalizesResponses: Bool) -> ConvNeXt {
            var configuration = ConvNeXtConfiguration(
                widths: [4, 8, 12], depths: [2, 1, 2], normalizesResponses: normalizesResponses)
            configuration.classCount = 5
            return ConvNeXt(configuration)
        }
        var regular = RegNetConfiguration(widths: [8, 16], depths: [1, 2], groupWidth: 4, isGated: true)
        (regular.stemChannels, regular.classCount) = (8, 5)
        var windows = SwinConfiguration(width: 8, depths: [2, 2], headCounts: [2, 4])
        (windows.windowSize, windows.classCount) = (3, 5)
        let networks: [(String, any BlockwiseBackbone)] = [
            ("ViT", transformer()),
            ("DeiT", transformer { ($0.hasDistillationToken, $0.pooling) = (true, .classTokens) }),
            (
                "DINOv2",
                transformer {
                    ($0.hasLayerScale, $0.registerCount, $0.isGated) = (true, 2, true)
                    ($0.activation, $0.pooling) = (.silu, .classTokenAndMean)
                }
            ),
            ("CLIP's pictures", transformer { $0.normalizesEmbeddings = true }),
            (
                "SigLIP's pictures",
                transformer { ($0.hasClassToken, $0.placesClassToken, $0.pooling) = (false, false, .attention) }
            ),
            ("MobileNetV2", mobile.makeNetwork()), ("MobileNetV3", third.makeNetwork()),
            ("EfficientNet", efficient.makeNetwork()), ("EfficientNet-Lite", lite.makeNetwork()),
            ("ResNet", residual(isBottleneck: false)), ("ResNet, bottlenecks", residual(isBottleneck: true)),
            ("ConvNeXt", convNeXt(normalizesResponses: false)), ("ConvNeXt V2", convNeXt(normalizesResponses: true)),
            ("RegNet", RegNet(regular)), ("Swin", Swin(windows)),
        ]
        return networks.map { name, network in
            let size = network is VisionTransformer ? [24, 24] : [40, 36]
            return SmallNetwork(
                name: name, network: network.filled(), input: .pictures(irregular([2] + size + [3], phase: 3)))
        }
    }()
}

extension TokenTensors {
    /// Texts of irregular tokens that end with token 29, padded with 0 to the longest.
    static func ofLengths(_ lengths: [Int], paddedTo padded: Int? = nil) -> TokenTensors {
        let longest = padded ?? lengths.max() ?? 0
        var ids: [Int64] = []
        var mask: [Float] = []
        for (row, length) in lengths.enumerated() {
            let inner = (1..<length).map { Int64((7 * $0 * $0 + 13 * $0 + 5 * row) % 28 + 1) }
            ids += inner + [29] + Array(repeating: 0, count: longest - length)
            mask += Array(repeating: 1, count: length) + Array(repeating: 0, count: longest - length)
        }
        let shape = [lengths.count, longest]
        return TokenTensors(ids: Tensor(ids, shape: shape), attentionMask: Tensor(mask, shape: shape))
    }
}

extension Module {
    /// The module with irregular numbers in every tensor, none of them without effect.
    func filled() -> Self {
        var filled = self
        var filler = IrregularFiller()
        filled.visit(&filler)
        return filled
    }

    /// The module with other numbers in the tensor `name`.
    func disturbed(at name: String) -> Self {
        var disturbed = self
        var filler = IrregularFiller(only: name)
        disturbed.visit(&filler)
        return disturbed
    }
}

/// Gives tensors numbers of the size that they have in trained networks, each tensor its own.
private struct IrregularFiller: Visitor {
    /// Of these alone other numbers than all are given.
    var only: String?
    private var path: [String] = []
    private var count = 0

    init(only: String? = nil) { self.only = only }

    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
    mutating func buffer(_ name: String, _ tensor: inout Tensor) { parameter(name, &tensor) }

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {
        count += 1
        let full = (path + [name]).joined(separator: ".")
        if let only, only != full { return }
        let isMatrix = tensor.shape.count { $0 > 1 } > 1
        let fanIn = max(tensor.elementCount / max(tensor.shape.first ?? 1, 1), 1)
        let numbers = irregular(tensor.shape, phase: Float(count) + (only == nil ? 0 : 0.5))
        let isFactor = !isMatrix && ["weight", "running_var", "gamma"].contains { name.hasSuffix($0) }
        tensor = isMatrix ? numbers * (3 / Float(fanIn)).squareRoot() : isFactor ? numbers * 0.3 + 1 : numbers * 0.3
    }
}
