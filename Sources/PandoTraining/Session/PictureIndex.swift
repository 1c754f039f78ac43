import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// Pictures by their places in the space that a retrieval task shares with texts.
public struct PictureIndex: Sendable {
    /// Paths of those that could be read.
    public let images: [String]
    /// - Shapes: `[images, P]`, of length 1.
    private let places: Tensor
    private let head: RetrievalHead

    fileprivate init(_ images: [String], places: Tensor, head: RetrievalHead) {
        (self.images, self.places, self.head) = (images, places, head)
    }

    /// The pictures that fit a text best, by their numbers, with the cosine of the angle between the two places.
    ///
    /// - Shapes: the text's features as the bundle's encoder gives them, `[1, T]`.
    public func matches(for text: Tensor, limit: Int) -> [(number: Int, score: Float)] {
        if images.isEmpty { return [] }
        let place = head.embed(texts: text).l2Normalized()
        let scores = matmul(places, place.transposed).reshaped(-1).scalars()
        let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
        return order.prefix(limit).map { ($0, scores[$0]) }
    }
}

extension Bundle {
    /// The places of pictures, to be searched by words.
    ///
    /// Features of pictures that were seen before come from the store.
    /// - Throws: `BundleError` if no task connects texts and pictures, and every error of the extraction.
    public func index(
        of images: [URL], store: FeatureStore, decoder: ImageDecoder = ImageDecoder(),
        workers: Int = MachineResources.allowedCores, isStrict: Bool = false, cancellation: CancellationFlag? = nil,
        _ report: @escaping @Sendable (TrainingSession.Event) -> Void = { _ in }
    ) throws -> PictureIndex {
        guard let task = tasks.first(where: { $0.plan.kind == .retrieval }), case .retrieval(let head) = task.branch.head
        else { throw BundleError(url.path, "no task connects texts and pictures; train one of kind retrieval") }
        let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
        let session = TrainingSession(plan, store: store, workers: workers, isStrict: isStrict)
        let read = try session.read(examples, for: task.branch.adapter.request, of: backbone, decoder, cancellation, report)
        if read.examples.isEmpty { return PictureIndex([], places: .zeros([0, 0]), head: head) }
        let vectors = AdaptedFeatures(
            adapter: inTrainedPrecision(task.branch).adapter, reader: read.features, precision: plan.train.precision.elementType,
            workers: workers)
        let places = head(vectors.rows(Array(0..<vectors.rowCount))).l2Normalized()
        return PictureIndex(read.examples.map(\.id), places: places, head: head)
    }
}
