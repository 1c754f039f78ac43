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

extension Plan {
    /// The backbone in the form in which this plan's features are computed.
    func frozen(_ network: any ImageBackbone) -> FrozenBackbone {
        FrozenBackbone(
            network, precision: train.precision.elementType, reading: Set(backbone.readTaps), poolingTaps: true)
    }
}
