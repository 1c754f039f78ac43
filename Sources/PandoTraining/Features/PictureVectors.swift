import PandoBackbones
import PandoTensor

extension ImageBackbone {
    /// Length of a picture's vector: the pooled vector and the channels of the taps.
    /// - Precondition: `names` are taps of this backbone.
    func vectorLength(reading names: [Tap.Name]) -> Int {
        names.reduce(pooledFeatures) { sum, name in
            guard let tap = taps.first(where: { $0.name == name }) else { stop("the backbone has no tap \(name)") }
            return sum + tap.channels
        }
    }
}

extension FrozenBackbone {
    /// One vector for each picture: the pooled vector, then the mean over the picture of each tap that is read, in
    /// order of depth.
    ///
    /// Earlier stages know of texture and line what the last one has dropped for the classes of its pretraining.
    /// - Shapes: `[N, H, W, 3]` → `[N, vectorLength]`.
    /// - Precondition: the backbone pools its taps.
    public func vectors(of pictures: Tensor, workers: Int = 1) -> Tensor {
        require(poolsTaps || readTaps.isEmpty, "FrozenBackbone: vectors are made of pooled taps")
        let features = features(of: pictures, workers: workers)
        let means = readTaps.map { name -> Tensor in
            guard let mean = features.taps[name] else { stop("FrozenBackbone: tap \(name) was not returned") }
            return mean
        }
        return .concatenated([features.pooled] + means, along: 1)
    }

    /// Length of a picture's vector.
    public var vectorLength: Int { backbone.vectorLength(reading: readTaps) }

    /// A name for what the vector is made of: `pooled`, then the taps.
    var vectorName: String { (["pooled"] + readTaps).joined(separator: "+") }
}

extension ImageBackboneKind {
    /// The taps that a picture's vector takes in unless the plan says otherwise: the end of every stage but the first.
    public var summaryTaps: [Tap.Name] {
        switch self {
        case .mobileNetV2: ["features.3", "features.6", "features.10", "features.13", "features.16", "features.17"]
        case .efficientNetLite0: ["_blocks.2", "_blocks.4", "_blocks.7", "_blocks.10", "_blocks.14", "_blocks.15"]
        case .resNet18: ["layer1.1", "layer2.1", "layer3.1"]
        case .resNet34, .resNet50: ["layer1.2", "layer2.3", "layer3.5"]
        case .resNet101: ["layer1.2", "layer2.3", "layer3.22"]
        case .resNet152: ["layer1.2", "layer2.7", "layer3.35"]
        case .vitTiny, .vitSmall, .vitBase: ["blocks.2", "blocks.5", "blocks.8"]
        }
    }
}

extension Plan {
    /// The backbone in the form in which this plan's features are computed.
    func frozen(_ network: any ImageBackbone) -> FrozenBackbone {
        FrozenBackbone(
            network, precision: train.precision.elementType, reading: Set(backbone.readTaps), poolingTaps: true)
    }
}

extension BackbonePlan {
    /// The taps that a picture's vector takes in.
    public var readTaps: [Tap.Name] { taps ?? name.summaryTaps }
}
