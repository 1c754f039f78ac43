import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// Features of examples by row, as an adapter asks for them: read from a store, or computed anew.
public protocol FeatureReader: Sendable {
    var rowCount: Int { get }
    /// Length of an example's vector; 0 where vectors are not read.
    var featureCount: Int { get }

    /// The features of the examples at `indices`, in that order.
    /// - Parameter workers: threads that compute what is not stored.
    /// - Precondition: every index is in `0..<rowCount`.
    func features(_ indices: [Int], workers: Int) -> Features
}

/// Examples' vectors are features too.
extension FeatureSource {
    public func features(_ indices: [Int], workers: Int) -> Features { Features(pooled: rows(indices)) }
}

/// Features that a frozen backbone computes from inputs whenever they are asked for.
struct ComputedFeatures: FeatureReader {
    let inputs: ExampleInputs
    let backbone: FrozenBackbone
    let featureCount: Int

    var rowCount: Int { inputs.count }

    func features(_ indices: [Int], workers: Int) -> Features {
        backbone.features(of: inputs.batch(indices), workers: workers)
    }
}

/// The vectors that an adapter, left as it is, makes of features.
struct AdaptedFeatures: FeatureSource {
    let adapter: any Adapter
    let reader: any FeatureReader
    /// What late and inline adapters compute in.
    let precision: ElementType
    let workers: Int

    /// Examples that one thread runs at once.
    private static let sliceSize = 32

    var rowCount: Int { reader.rowCount }
    var featureCount: Int { adapter.featureCount }

    func rows(_ indices: [Int]) -> Tensor {
        if adapter is Probe { return reader.features(indices, workers: workers).pooled }
        let blocks = indices.indices.blocks(of: Self.sliceSize)
        let parts = Parallel.map(blocks.count, workers: workers) { block in
            let features = reader.features(Array(indices[blocks[block]]), workers: 1)
            return adapter(features.prepared(for: adapter, precision: precision))
        }
        return .concatenated(parts)
    }
}

extension Features {
    /// In the element type that an adapter computes in: `float32` beside the backbone, `precision` inside of it.
    func prepared(for adapter: any Adapter, precision: ElementType) -> Features {
        prepared(enteringBackbone: adapter.gradientEntry != nil, precision: precision)
    }

    /// The same for what several tasks share.
    func prepared(for sharing: any Sharing, precision: ElementType) -> Features {
        prepared(enteringBackbone: sharing.gradientEntry != nil, precision: precision)
    }

    private func prepared(enteringBackbone: Bool, precision: ElementType) -> Features {
        guard enteringBackbone, precision != .float32 else { return self }
        var features = self
        features.taps = taps.mapValues { $0.cast(to: precision) }
        if case .pictures(let pictures) = input { features.input = .pictures(pictures.cast(to: precision)) }
        return features
    }
}
