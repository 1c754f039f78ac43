import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// Computes examples' features with a frozen backbone, or finds them in the store.
///
/// Each feature, the examples' vector or a tap, has a collection of its own, so that another adapter that reads some of
/// the same taps finds them there.
public struct ExampleFeatures: Sendable {
    public let backbone: any Backbone
    public let reading: InputReading
    public let precision: ElementType
    /// The taps whose means join the pooled vector.
    public let summaryTaps: [Tap.Name]
    /// Of taps.
    public let codec: FeatureCodec
    private let weightsDigest: String

    public init(
        _ backbone: any Backbone, reading: InputReading, precision: ElementType, summarizing summaryTaps: [Tap.Name],
        codec: FeatureCodec = PlanDefaults.codec
    ) {
        (self.backbone, self.reading, self.precision) = (backbone, reading, precision)
        (self.summaryTaps, self.codec) = (summaryTaps, codec)
        weightsDigest = backbone.weightsDigest
    }

    /// Length of an example's vector.
    public var vectorLength: Int { backbone.vectorLength(reading: summaryTaps) }

    /// The name under which vectors are stored: what they are made of.
    var vectorName: String { (["pooled"] + summaryTaps).joined(separator: "+") }

    /// The backbone, compiled for what is wanted of it.
    public func frozen(for request: FeatureRequest) -> FrozenBackbone {
        FrozenBackbone(backbone, precision: precision, for: request, summarizing: summaryTaps)
    }

    /// What the stored features of a request depend on besides the example, by the feature's name.
    ///
    /// Shapes of taps are learned from a pass over nothing.
    /// - Throws: `UnusableCodec` naming every tap that the codec cannot keep.
    func identities(for request: FeatureRequest) throws(UnusableCodec) -> [String: FeatureIdentity] {
        var identities: [String: FeatureIdentity] = [:]
        if request.vector { identities[vectorName] = identity(of: vectorName, [vectorLength], as: .float32) }
        if request.taps.isEmpty { return identities }
        let features = frozen(for: FeatureRequest(taps: request.taps)).features(of: reading.blank(1).batch([0]))
        var problems: [String] = []
        for tap in request.taps {
            let shape = Array(features[tap].shape.dropFirst())
            if let problem = codec.problem(with: shape, isVarying: isVarying(shape)) {
                problems.append("tap \(tap): \(problem)")
            } else {
                identities[tap] = identity(of: tap, shape, as: codec)
            }
        }
        if !problems.isEmpty { throw UnusableCodec(codec: codec, problems: problems) }
        return identities
    }

    /// Whether examples have as many rows of such a feature as they have tokens.
    private func isVarying(_ shape: [Int]) -> Bool {
        if case .texts = reading { shape.count > 1 } else { false }
    }

    private func identity(of name: String, _ shape: [Int], as codec: FeatureCodec) -> FeatureIdentity {
        let varying: Set<String> = isVarying(shape) ? [name] : []
        return FeatureIdentity(
            backbone: weightsDigest, preprocessing: reading.digest, precision: precision.rawValue,
            features: [name: shape], varying: varying, codecs: codec == .float32 ? [:] : [name: codec])
    }

    /// What an extraction came to.
    public struct Result: Sendable {
        /// The examples that could be read, in their order; row `i` of `features` is `examples[i]`.
        public let examples: [Example]
        public let features: StoredFeatures
        public let unreadable: [UnreadableImage]
        /// Examples that went through the backbone now; the others' features were in the store.
        public let computedCount: Int
    }

    /// The features of every example, computed where the store has none.
    ///
    /// - Parameters:
    ///   - request: vectors, taps, or both.
    ///   - isStrict: whether a picture that cannot be read stops everything.
    ///   - progress: called with how many examples are done, of how many to compute.
    /// - Throws: `ImageError` when `isStrict`, `FeatureStoreError`, `FileError`, or `CancellationError`.
    public func extract(
        _ examples: [Example], _ request: FeatureRequest, store: FeatureStore, decoder: ImageDecoder = ImageDecoder(),
        workers: Int = MachineResources.allowedCores, isStrict: Bool = false, cancellation: CancellationFlag? = nil,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> Result {
        let collections = try identities(for: request).mapValues { try store.collection(for: $0) }
        let digests = try digests(of: examples, in: store, isStrict: isStrict)
        var unreadable = digests.unreadable
        var missing: Set<String> = []
        for collection in collections.values { missing.formUnion(try collection.missing(digests.keys.compactMap { $0 })) }
        // One example for each content.
        var seen: Set<String> = []
        let pending = examples.indices.filter { index in
            digests.keys[index].map { missing.contains($0) && seen.insert($0).inserted } ?? false
        }
        let keyed = pending.map { index in
            var example = examples[index]
            example.id = digests.keys[index]!
            return example
        }
        var computation = Computation(
            frozen: frozen(for: request), vectorName: vectorName, request: request, workers: workers,
            cancellation: cancellation)
        if !keyed.isEmpty {
            for (name, collection) in collections { computation.appenders[name] = try collection.appender() }
            do {
                switch reading {
                case .pictures(let preprocessing):
                    try computation.compute(keyed, preprocessing, decoder, isStrict: isStrict, progress)
                case .texts(let texts): try computation.compute(keyed, texts, progress)
                }
            } catch {
                // What was computed so far is kept for the next attempt.
                try computation.finish()
                throw error
            }
            try computation.finish()
        }
        var kept: [Int] = []
        for index in examples.indices {
            guard let key = digests.keys[index] else { continue }
            if let error = computation.failed[key] {
                unreadable.append(UnreadableImage(position: index, id: examples[index].id, error: error))
            } else {
                kept.append(index)
            }
        }
        let keys = kept.map { digests.keys[$0]! }
        let features = StoredFeatures(
            try collections.mapValues { try $0.resolve(keys) }, request: request, vectorName: vectorName, count: keys.count)
        return Result(
            examples: kept.map { examples[$0] }, features: features,
            unreadable: unreadable.sorted { $0.position < $1.position }, computedCount: computation.done)
    }

    /// The store's key of each example's content; none where a picture's file cannot be read.
    private func digests(of examples: [Example], in store: FeatureStore, isStrict: Bool) throws
        -> (keys: [String?], unreadable: [UnreadableImage])
    {
        if case .texts = reading { return (examples.map { FileDigest.of(Data(($0.text ?? "").utf8)) }, []) }
        var keys = [String?](repeating: nil, count: examples.count)
        var unreadable: [UnreadableImage] = []
        func leaveOut(_ index: Int, _ error: ImageError) throws {
            if isStrict { throw error }
            unreadable.append(UnreadableImage(position: index, id: examples[index].id, error: error))
        }
        var pictures: [(index: Int, source: ImageSource)] = []
        for (index, example) in examples.enumerated() {
            if let source = example.image {
                pictures.append((index, source))
            } else {
                try leaveOut(index, ImageError(source: example.id, reason: .missing))
            }
        }
        for (picture, digest) in zip(pictures, try store.contentDigests(of: pictures.map(\.source))) {
            switch digest {
            case .success(let key): keys[picture.index] = key
            case .failure(let error): try leaveOut(picture.index, error)
            }
        }
        return (keys, unreadable)
    }
}

/// A codec that cannot keep what is to be stored.
public struct UnusableCodec: Error, Sendable, CustomStringConvertible {
    let codec: FeatureCodec
    /// One sentence for each tap.
    let problems: [String]

    public var description: String {
        "features.codec: \(codec) cannot keep what the adapters read; int8 and bfloat16 keep everything:\n"
            + problems.map { "  \($0)" }.joined(separator: "\n")
    }
}

/// The passes of one extraction, and where their results go.
private struct Computation {
    let frozen: FrozenBackbone
    let vectorName: String
    let request: FeatureRequest
    let workers: Int
    let cancellation: CancellationFlag?
    /// By feature.
    var appenders: [String: FeatureAppender] = [:]
    /// Examples whose pictures could not be read, by their keys.
    var failed: [String: ImageError] = [:]
    var done = 0

    /// Texts that run between two steps of the progress bar, and whose features are in memory at once: fewer where these
    /// are whole activations.
    private var textBlock: Int { request.taps.isEmpty ? 512 : FrozenBackbone.sliceSize * workers }

    /// Each worker decodes, preprocesses and runs the backbone for its own small batches.
    mutating func compute(
        _ examples: [Example], _ preprocessing: Preprocessing, _ decoder: ImageDecoder, isStrict: Bool,
        _ progress: (Int, Int) -> Void
    ) throws {
        let examples = ImagePipeline.heaviestFirst(examples)
        let pipeline = ImagePipeline(
            preprocessing: preprocessing, batchSize: FrozenBackbone.sliceSize, workers: workers, decoder: decoder,
            isStrict: isStrict)
        progress(0, examples.count)
        let frozen = frozen
        let leftOut = try pipeline.run(examples, cancellation: cancellation) { batch, _ in
            frozen.features(of: .pictures(batch.pixels))
        } deliver: { positions, features in
            try append(positions.map { examples[$0].id }, features)
            progress(done, examples.count)
        }
        for image in leftOut { failed[image.id] = image.error }
    }

    /// Texts of about the same length run together.
    mutating func compute(_ examples: [Example], _ reading: TextReading, _ progress: (Int, Int) -> Void) throws {
        let texts = TokenizedTexts(
            examples.map { $0.text ?? "" }, by: reading.tokenizer, maximumTokens: reading.maximumTokens, workers: workers)
        let order = examples.indices.sorted { (texts.length(of: $0), $0) < (texts.length(of: $1), $1) }
        progress(0, examples.count)
        for block in order.indices.blocks(of: textBlock) {
            if cancellation?.isCancelled == true { throw CancellationError() }
            let rows = Array(order[block])
            try append(rows.map { examples[$0].id }, frozen.features(of: .texts(texts.batch(rows)), workers: workers))
            progress(done, examples.count)
        }
    }

    private mutating func append(_ keys: [String], _ features: Features) throws {
        if request.vector { try appenders[vectorName]?.append(keys, [vectorName: features.pooled]) }
        for tap in request.taps {
            try appenders[tap]?.append(keys, [tap: features[tap]], lengths: features.lengths.map { [tap: $0] } ?? [:])
        }
        done += keys.count
    }

    func finish() throws {
        for appender in appenders.values { try appender.finish() }
    }
}

extension Features {
    /// Tokens of each text; `nil` where nothing is padding.
    fileprivate var lengths: [Int]? {
        mask.map { mask in mask.sum(along: [1]).scalars().map { Int($0) } }
    }
}
