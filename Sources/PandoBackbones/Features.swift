import PandoNN
import PandoTensor

/// What one pass through a backbone returns.
public struct Features: Sendable {
    /// The activations asked for, by tap.
    public var taps: [Tap.Name: Tensor]
    /// One vector per example, `[N, C]`; `[N, 0]` where nobody asked for it.
    public var pooled: Tensor
    /// Which tokens are tokens and not padding: `[N, T]` of 1 and 0. `nil` where nothing is padding.
    public var mask: Tensor?
    /// What went in, where that was asked for.
    public var input: BackboneInput?

    public init(taps: [Tap.Name: Tensor] = [:], pooled: Tensor, mask: Tensor? = nil, input: BackboneInput? = nil) {
        (self.taps, self.pooled, self.mask, self.input) = (taps, pooled, mask, input)
    }

    /// Examples.
    public var count: Int { pooled.shape[0] }

    /// The activation at a tap.
    /// - Precondition: it was asked for.
    public subscript(tap: Tap.Name) -> Tensor {
        guard let tensor = taps[tap] else { stop("Features: tap \(tap) was not read; there are \(taps.keys.sorted())") }
        return tensor
    }

    /// One vector per example: the pooled one, then the mean of each of `taps`, over the map, or over the tokens that are
    /// no padding.
    ///
    /// Earlier stages know of texture and line what the last one has dropped for the classes of its pretraining.
    /// - Shapes: `[N, vectorLength]`.
    /// - Precondition: the taps were read.
    public func vector(summarizing taps: [Tap.Name]) -> Tensor {
        if taps.isEmpty { return pooled }
        let means = taps.map { name -> Tensor in
            let value = self[name]
            if value.rank == 3, let mask { return value.pooled(by: .mean, mask) }
            return value.mean(along: Array(1..<value.rank - 1))
        }
        return .concatenated([pooled] + means, along: 1)
    }

    /// The same examples several times, one round after another.
    public func repeated(_ count: Int) -> Features {
        func repeated(_ tensor: Tensor) -> Tensor { .concatenated(Array(repeating: tensor, count: count)) }
        return Features(
            taps: taps.mapValues(repeated), pooled: repeated(pooled), mask: mask.map(repeated),
            input: input.map { input in
                switch input {
                case .pictures(let pictures): .pictures(repeated(pictures))
                case .texts(let texts):
                    .texts(
                        TokenTensors(
                            ids: repeated(texts.ids), attentionMask: repeated(texts.attentionMask),
                            typeIDs: texts.typeIDs.map(repeated)))
                }
            })
    }

    /// Some consecutive examples.
    public func slice(_ range: Range<Int>) -> Features {
        Features(
            taps: taps.mapValues { $0.slice(range) }, pooled: pooled.slice(range), mask: mask?.slice(range),
            input: input?.slice(range))
    }
}

/// What a backbone is given: examples of its own kind.
public enum BackboneInput: Sendable {
    /// Preprocessed pictures `[N, H, W, 3]`.
    case pictures(Tensor)
    case texts(TokenTensors)

    /// The pictures, for a network that sees them.
    func pictures(for network: some Backbone) -> Tensor {
        guard case .pictures(let pictures) = self else { stop("\(type(of: network)) sees pictures, but was given texts") }
        return pictures
    }

    /// The texts, for a network that reads them.
    func texts(for network: some Backbone) -> TokenTensors {
        guard case .texts(let texts) = self else { stop("\(type(of: network)) reads texts, but was given pictures") }
        return texts
    }

    /// Which of texts' tokens are no padding, `[N, T]`; `nil` for pictures.
    var attentionMask: Tensor? {
        guard case .texts(let texts) = self else { return nil }
        return texts.attentionMask
    }

    /// Examples.
    public var count: Int {
        switch self {
        case .pictures(let pictures): pictures.shape[0]
        case .texts(let texts): texts.ids.shape[0]
        }
    }

    /// Consecutive examples that one thread runs at once: enough to keep the kernels busy, few enough to stay in cache, and
    /// of few sizes, so that few programs are compiled.
    public func slices(workers: Int) -> [Range<Int>] {
        switch self {
        case .pictures:
            let size = max(1, min(FrozenBackbone.sliceSize, (count + workers - 1) / workers))
            return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
        case .texts(let texts):
            return TokenTensors.slices(of: Array(repeating: texts.ids.shape[1], count: count), workers: workers)
        }
    }

    /// Some consecutive examples.
    public func slice(_ range: Range<Int>) -> BackboneInput {
        switch self {
        case .pictures(let pictures): .pictures(pictures.slice(range))
        case .texts(let texts):
            .texts(
                TokenTensors(
                    ids: texts.ids.slice(range), attentionMask: texts.attentionMask.slice(range),
                    typeIDs: texts.typeIDs?.slice(range)))
        }
    }
}

/// What is wanted of a backbone's pass.
public struct FeatureRequest: Sendable, Hashable, Codable {
    /// Taps whose whole activation is wanted, in order of depth.
    public var taps: [Tap.Name]
    /// Whether each example's vector is wanted: the pooled one, and the means of the taps that the plan adds.
    public var vector: Bool
    /// Whether what goes into the backbone is wanted itself.
    public var input: Bool

    public init(taps: [Tap.Name] = [], vector: Bool = false, input: Bool = false) {
        (self.taps, self.vector, self.input) = (taps, vector, input)
    }

    /// All that any of some requests wants; taps in the order in which they first stand.
    public static func union(of requests: [FeatureRequest]) -> FeatureRequest {
        var union = FeatureRequest()
        for request in requests {
            union.taps += request.taps.filter { !union.taps.contains($0) }
            union.vector = union.vector || request.vector
            union.input = union.input || request.input
        }
        return union
    }

    /// The example's vector and nothing else.
    public static let vector = FeatureRequest(vector: true)
    /// What goes in and nothing else: the whole network is run by whoever asks.
    public static let input = FeatureRequest(input: true)
}
