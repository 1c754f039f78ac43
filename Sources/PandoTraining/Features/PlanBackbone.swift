import Foundation
import PandoBackbones
import PandoData
import PandoTensor

/// A plan's backbone with its weights, and how examples are brought into its form.
public struct PlanBackbone: Sendable {
    public let network: any Backbone
    public let reading: InputReading
    /// The folder that a network over texts came from.
    let folder: URL?

    init(network: any Backbone, reading: InputReading, folder: URL?) {
        (self.network, self.reading, self.folder) = (network, reading, folder)
    }

    /// A network over texts from a folder.
    init(texts folder: URL, maximumTokens: Int) throws {
        let opened = try TextBackboneSource(folder).open()
        let length = min(maximumTokens, opened.maximumLength)
        self.init(
            network: opened.network,
            reading: .texts(TextReading(opened.tokenizer, maximumTokens: length, digest: opened.digest)), folder: folder)
    }

    /// - Throws: `BackboneError` if it is a network over texts.
    func pictures() throws(BackboneError) -> any ImageBackbone {
        guard let network = network as? any ImageBackbone else { throw BackboneError("the backbone", "sees no pictures") }
        return network
    }
}

extension Plan {
    /// The backbone as training begins.
    /// - Throws: `WeightsNotFound`, `BackboneError`, `CheckpointError` or `WeightMismatch`, or a tokenizer's error.
    package func openBackbone() throws -> PlanBackbone {
        let architecture = backbone.architecture
        if case .texts(let maximumTokens) = backbone.input {
            guard case .file(let folder) = backbone.weights else { stop("Plan: a network over texts comes from a folder") }
            return try PlanBackbone(texts: folder, maximumTokens: maximumTokens)
        }
        let side = preprocessing.outputSize.width
        let network: any ImageBackbone = switch backbone.weights {
        case .pretrained: try architecture.loadPretrained(forPicturesOf: side)
        case .file(let url): try BackboneSource(url, as: architecture).open(forPicturesOf: side).imageBackbone()
        case .random: try architecture.makeImageBackbone(forPicturesOf: side, seed: train.seed)
        }
        return PlanBackbone(network: network, reading: .pictures(preprocessing), folder: nil)
    }

    /// How features of this plan's examples are computed and kept.
    func features(of backbone: PlanBackbone) -> ExampleFeatures {
        ExampleFeatures(
            backbone.network, reading: backbone.reading, precision: train.precision.elementType,
            summarizing: self.backbone.readTaps, codec: features.codec)
    }
}
