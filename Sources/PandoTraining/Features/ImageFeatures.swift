import Foundation
import PandoBackbones
import PandoData
import PandoTensor

/// Computes pictures' feature vectors with a frozen backbone, or finds them in the store.
public struct ImageFeatures: Sendable {
    public let backbone: FrozenBackbone
    public let preprocessing: Preprocessing
    private let weightsDigest: String

    public init(_ backbone: FrozenBackbone, preprocessing: Preprocessing) {
        self.backbone = backbone
        self.preprocessing = preprocessing
        weightsDigest = backbone.backbone.weightsDigest
    }

    /// The name of the feature that is stored.
    var feature: String { backbone.vectorName }

    /// What the stored features depend on besides the picture.
    public var identity: FeatureIdentity {
        FeatureIdentity(
            backbone: weightsDigest, preprocessing: preprocessing.digest, precision: backbone.precision.rawValue,
            features: [feature: [backbone.vectorLength]])
    }

    /// What an extraction came to.
    public struct Result: Sendable {
        /// The examples whose pictures could be read, in their order; row `i` of `features` is `examples[i]`.
        public let examples: [Example]
        public let features: StoredFeatures
        public let unreadable: [UnreadableImage]
        /// Pictures that went through the backbone now; the others' features were in the store.
        public let computedCount: Int
    }

    /// The features of every example, computed where the store has none.
    ///
    /// Each worker decodes, preprocesses and runs the backbone for its own small batches.
    /// - Parameters:
    ///   - isStrict: whether a picture that cannot be read stops everything.
    ///   - progress: called with how many pictures are done, of how many to compute.
    /// - Throws: `ImageError` when `isStrict`, `FeatureStoreError`, `FileError`, or `CancellationError`.
    public func extract(
        _ examples: [Example], store: FeatureStore, decoder: ImageDecoder = ImageDecoder(),
        workers: Int = MachineResources.allowedCores, isStrict: Bool = false, cancellation: CancellationFlag? = nil,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> Result {
        let collection = try store.collection(for: identity)
        let digests = try digests(of: examples, in: store, isStrict: isStrict)
        var unreadable = digests.unreadable
        let missing = Set(try collection.missing(digests.keys.compactMap { $0 }))
        // One example for each content.
        var seen: Set<String> = []
        let pending = examples.indices.filter { index in
            digests.keys[index].map { missing.contains($0) && seen.insert($0).inserted } ?? false
        }
        var failed: [String: ImageError] = [:]
        var done = 0
        if !pending.isEmpty {
            let keyed = ImagePipeline.heaviestFirst(pending.map { index in
                var example = examples[index]
                example.id = digests.keys[index]!
                return example
            })
            let pipeline = ImagePipeline(
                preprocessing: preprocessing, batchSize: FrozenBackbone.sliceSize, workers: workers, decoder: decoder,
                isStrict: isStrict)
            let appender = try collection.appender()
            progress(0, keyed.count)
            do {
                let leftOut = try pipeline.run(keyed, cancellation: cancellation) { batch, _ in
                    backbone.vectors(of: batch.pixels)
                } deliver: { positions, vectors in
                    try appender.append(positions.map { keyed[$0].id }, [feature: vectors])
                    done += positions.count
                    progress(done, keyed.count)
                }
                for image in leftOut { failed[image.id] = image.error }
            } catch {
                // What was computed so far is kept for the next attempt.
                try appender.finish()
                throw error
            }
            try appender.finish()
        }
        var kept: [Int] = []
        for index in examples.indices {
            guard let key = digests.keys[index] else { continue }
            if let error = failed[key] {
                unreadable.append(UnreadableImage(position: index, id: examples[index].id, error: error))
            } else {
                kept.append(index)
            }
        }
        let rows = try collection.resolve(kept.map { digests.keys[$0]! })
        return Result(
            examples: kept.map { examples[$0] }, features: StoredFeatures(rows, of: feature),
            unreadable: unreadable.sorted { $0.position < $1.position }, computedCount: done)
    }

    /// The store's key of each example's picture; none where the file cannot be read.
    private func digests(of examples: [Example], in store: FeatureStore, isStrict: Bool) throws
        -> (keys: [String?], unreadable: [UnreadableImage])
    {
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
