import PandoBackbones
import PandoTensor

extension Plan {
    /// The backbone in the form in which this plan's vectors are computed.
    func frozen(_ network: any Backbone, for request: FeatureRequest = .vector) -> FrozenBackbone {
        FrozenBackbone(network, precision: train.precision.elementType, for: request, summarizing: backbone.readTaps)
    }
}

extension FrozenBackbone {
    /// One vector for each picture: the pooled vector, then the mean over the picture of each tap that is summarised, in
    /// order of depth.
    ///
    /// - Shapes: `[N, H, W, 3]` → `[N, vectorLength]`.
    /// - Precondition: vectors are among what the backbone was asked for.
    func vectors(of pictures: Tensor, workers: Int = 1) -> Tensor {
        require(request.vector, "FrozenBackbone: nobody asked for vectors")
        return features(of: pictures, workers: workers).pooled
    }

    /// The features of pictures, their vectors taken apart: what is pooled, and by tap the means that it holds.
    func separatedFeatures(of pictures: Tensor, workers: Int = 1) -> Features {
        var features = features(of: pictures, workers: workers)
        let vectors = features.pooled
        var end = backbone.pooledFeatures
        features.pooled = vectors.slice(0..<end, along: 1)
        for tap in backbone.taps where summaryTaps.contains(tap.name) {
            features.taps[tap.name] = vectors.slice(end..<end + tap.channels, along: 1)
            end += tap.channels
        }
        return features
    }
}
