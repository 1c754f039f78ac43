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
    public func vectors(of pictures: Tensor, workers: Int = 1) -> Tensor {
        let features = features(of: pictures, workers: workers)
        let means = readTaps.map { name -> Tensor in
            guard let map = features.taps[name] else { stop("FrozenBackbone: tap \(name) was not returned") }
            return map.mean(along: [1, 2])
        }
        return .concatenated([features.pooled] + means, along: 1)
    }

    /// Length of a picture's vector.
    public var vectorLength: Int { backbone.vectorLength(reading: readTaps) }

    /// A name for what the vector is made of: `pooled`, then the taps.
    var vectorName: String { (["pooled"] + readTaps).joined(separator: "+") }
}

extension ImageBackboneKind {
    /// The taps that a picture's vector takes in unless the plan says otherwise: places in the last stages.
    public var summaryTaps: [Tap.Name] {
        switch self {
        case .mobileNetV2: ["features.13", "features.14", "features.17"]
        case .efficientNetLite0: ["_blocks.10", "_blocks.11", "_blocks.15"]
        }
    }
}

extension BackbonePlan {
    /// The taps that a picture's vector takes in.
    public var readTaps: [Tap.Name] { taps ?? name.summaryTaps }
}
