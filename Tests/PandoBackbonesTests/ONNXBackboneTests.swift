import Foundation
import PandoBackbones
import PandoNN
import PandoONNX
import PandoTensor
import PandoTestSupport
import Testing

/// Exported networks as frozen backbones; what they compute is tested with PandoONNX.
@Suite struct ONNXBackboneTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "PandoONNXTests/Golden")

    private static func pictures(_ count: Int, _ side: Int) -> Tensor {
        var generator = SeededGenerator(seed: 4)
        return .uniform(-2..<2, [count, side, side, 3], using: &generator)
    }

    @Test func anExportedNetworkIsABackboneWithTaps() throws {
        let file = Self.folder.appending(path: "resnet-dynamo-18.onnx")
        let model = try ONNXModel(contentsOf: file)
        let relus = model.values.filter { $0.operator == "Relu" }.map(\.name)
        let (early, late) = (relus[3], relus[relus.count - 1])
        let backbone = try ONNXBackbone(file, pooling: .classifierInput, taps: [early, late])
        #expect(backbone.pictureSize == 64 && !backbone.runsOneByOne)
        #expect(backbone.taps.map(\.name) == [early, late])
        #expect(backbone.taps[1].kind == .map(stride: 32) && backbone.taps[1].channels == backbone.pooledFeatures)
        let pictures = Self.pictures(3, 64)
        let features = backbone.features(of: pictures, reading: [late])
        #expect(features.pooled.shape == [3, backbone.pooledFeatures])
        // What is pooled is the mean of the last map.
        expectClose(features.taps[late]!.mean(along: [1, 2]), features.pooled, relative: 1e-4)
        let request = FeatureRequest(taps: [late], vector: true)
        let frozen = FrozenBackbone(backbone, for: request).features(of: pictures, workers: 2)
        expectClose(frozen.pooled, features.pooled, relative: 1e-4)
        expectClose(frozen.taps[late]!, features.taps[late]!, relative: 1e-4)
        // The same from the model itself, which has channels in front.
        let own = try model.function(reading: [late])([pictures.permuted(0, 3, 1, 2)])[0]
        expectClose(features.taps[late]!, own.permuted(0, 2, 3, 1).contiguous(), relative: 1e-5)
    }

    @Test func tokensAreTapsToo() throws {
        let file = Self.folder.appending(path: "vit-dynamo-18.onnx")
        let tokens = try #require(try ONNXModel(contentsOf: file).values.last { $0.operator == "LayerNormalization" }).name
        let backbone = try ONNXBackbone(file, pooling: .value(tokens), taps: [tokens])
        #expect(backbone.taps[0].kind == .tokens)
        let features = backbone.features(of: Self.pictures(2, 32), reading: [tokens])
        expectClose(features.taps[tokens]!.mean(along: [1]), features.pooled, relative: 1e-5)
    }

    @Test func aModelForOnePictureRunsThemOneByOne() throws {
        let single = try ONNXBackbone(Self.folder.appending(path: "mobilenetv3-fixed-17.onnx"))
        let several = try ONNXBackbone(Self.folder.appending(path: "mobilenetv3-dynamo-18.onnx"))
        #expect(single.runsOneByOne && !several.runsOneByOne)
        let pictures = Self.pictures(3, 32)
        expectClose(single.features(of: pictures).pooled, several.features(of: pictures).pooled, relative: 1e-4)
        expectClose(
            FrozenBackbone(single).features(of: pictures).pooled, several.features(of: pictures).pooled, relative: 1e-4)
    }

    @Test func weightsTellModelsApart() throws {
        let first = try ONNXBackbone(Self.folder.appending(path: "vit-dynamo-18.onnx"))
        let second = try ONNXBackbone(Self.folder.appending(path: "swin-dynamo-19.onnx"))
        #expect(first.weightsDigest != second.weightsDigest)
        #expect(first.parameters.isEmpty && !first.namedTensors.isEmpty)
    }

    @Test func aNetworkOverTextsIsRefusedByName() throws {
        let error = #expect(throws: BackboneError.self) {
            try ONNXBackbone(Self.folder.appending(path: "bert-dynamo-20.onnx"))
        }
        #expect(error?.description.contains("input_ids") == true)
    }

    @Test func anUnknownTapIsRefusedByName() throws {
        let error = #expect(throws: ONNXError.self) {
            try ONNXBackbone(Self.folder.appending(path: "vit-dynamo-18.onnx"), taps: ["nowhere"])
        }
        #expect(error?.description.contains("nowhere") == true)
    }
}
