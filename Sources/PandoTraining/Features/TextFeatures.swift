import Foundation
import PandoBackbones
import PandoData
import PandoTensor

/// Computes sentence vectors with a frozen text encoder, or finds them in the store.
public struct TextFeatures: Sendable {
    public let encoder: SentenceEncoder

    /// The name of the feature that is stored.
    public static let feature = "embedding"
    /// Texts encoded between two steps of the progress bar.
    private static let blockSize = 512

    public init(_ encoder: SentenceEncoder) { self.encoder = encoder }

    /// What the stored vectors depend on besides the text.
    public var identity: FeatureIdentity {
        FeatureIdentity(
            backbone: encoder.digest, preprocessing: "text", precision: ElementType.float32.rawValue,
            features: [Self.feature: [encoder.features]])
    }

    /// The vectors of `texts`, row by row.
    /// - Throws: `FeatureStoreError`, `FileError` or `CancellationError`.
    public func extract(
        _ texts: [String], store: FeatureStore, workers: Int = MachineResources.allowedCores,
        cancellation: CancellationFlag? = nil, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> StoredFeatures {
        let collection = try store.collection(for: identity)
        let keys = texts.map { FileDigest.of(Data($0.utf8)) }
        let missing = Set(try collection.missing(keys))
        var seen: Set<String> = []
        let pending = texts.indices.filter { missing.contains(keys[$0]) && seen.insert(keys[$0]).inserted }
        if !pending.isEmpty {
            let appender = try collection.appender()
            progress(0, pending.count)
            for start in stride(from: 0, to: pending.count, by: Self.blockSize) {
                if cancellation?.isCancelled == true {
                    try appender.finish()
                    throw CancellationError()
                }
                let block = pending[start..<min(pending.count, start + Self.blockSize)]
                let vectors = encoder.embeddings(of: block.map { texts[$0] }, workers: workers)
                try appender.append(block.map { keys[$0] }, [Self.feature: vectors])
                progress(start + block.count, pending.count)
            }
            try appender.finish()
        }
        return StoredFeatures(try collection.resolve(keys), of: Self.feature)
    }
}
