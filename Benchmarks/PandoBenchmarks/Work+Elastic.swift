import PandoBackbones
import PandoBranches
import PandoNN
import PandoTensor

extension Work {
    /// Milliseconds of one pass of an elastic policy at some of its levels, one thread, compiled; and what a quarter takes of
    /// the whole. Times do not depend on what weights are, so they are drawn.
    static func elastic(_ configuration: some SharingConfiguration, _ precision: Precision) -> Work {
        let kind = type(of: configuration).kind
        let (batch, tokens) = (8, 32)
        func key(_ what: String, _ unit: String) -> Key {
            Key(work: "elastic \(kind) \(what)", precision: precision.rawValue, batch: batch, unit: unit)
        }
        let levels = [0.25, 0.5, 1]
        let keys = levels.map { key("level \($0)", "ms") } + [key("a quarter of the whole", "share")]
        return Work(keys: keys) { _ in
            var generator = SeededGenerator(seed: 0)
            let network = BERT(
                BERTConfiguration(
                    vocabularySize: 30_522, hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536,
                    maximumPositions: 512))
            var drawn = network
            drawn.initialize(.transformer, seed: 0)
            let sharing = try configuration.makeSharing(
                on: drawn, vectorLength: drawn.pooledFeatures, taskCount: 3, using: &generator)
            guard let policy = sharing as? any Elastic else { return [] }
            let ones = Tensor([Int64](repeating: 1, count: batch * tokens), shape: [batch, tokens])
            let input = BackboneInput.texts(TokenTensors(ids: ones, attentionMask: ones))
            let features = FrozenBackbone(drawn, for: policy.request).features(of: input)
            let points = levels.map { level in
                policy.operatingPoints.first { $0.shared == level && $0.tasks.allSatisfy { $0 == level } }!
            }
            let times = policy.milliseconds(
                at: points, on: features, precision: precision == .f32 ? .float32 : .bfloat16, rounds: 15)
            return zip(keys, times).map { Comparison(key: $0, ours: Figure($1)) } + [
                Comparison(key: keys[3], ours: Figure(times[0] / times[2]), goal: .figureAtMost(0.4))
            ]
        }
    }
}
