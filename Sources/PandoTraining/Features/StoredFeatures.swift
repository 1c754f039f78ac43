import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// Features that stay in the store and are read a batch at a time.
public struct StoredFeatures: FeatureSource {
    /// By feature.
    private let stored: [String: FeatureRows]
    private let vector: FeatureRows?
    private let request: FeatureRequest
    private let vectorName: String
    public let rowCount: Int
    public let featureCount: Int

    /// - Parameter stored: by feature; the rows of all are those of the same examples.
    init(_ stored: [String: FeatureRows], request: FeatureRequest, vectorName: String, count: Int) {
        (self.stored, self.request, self.vectorName) = (stored, request, vectorName)
        vector = request.vector ? stored[vectorName] : nil
        featureCount = vector?.identity.features[vectorName]?.first ?? 0
        rowCount = count
    }

    /// Vectors of one collection.
    /// - Precondition: `name` is a feature of the rows' identity, a vector.
    public init(_ rows: FeatureRows, of name: String) {
        require(
            rows.identity.features[name]?.count == 1, "StoredFeatures: no vector '\(name)' among \(rows.identity.features)")
        self.init([name: rows], request: .vector, vectorName: name, count: rows.count)
    }

    /// Only what a request asks for.
    func reading(_ request: FeatureRequest) -> StoredFeatures {
        StoredFeatures(stored, request: request, vectorName: vectorName, count: rowCount)
    }

    public func rows(_ indices: [Int]) -> Tensor {
        vector?.tensor(of: vectorName, at: indices) ?? .zeros([indices.count, 0])
    }

    public func features(_ indices: [Int], workers: Int) -> Features {
        var features = Features(pooled: rows(indices))
        for tap in request.taps {
            guard let rows = stored[tap] else { stop("StoredFeatures: tap \(tap) is not stored") }
            if rows.identity.varying.contains(tap) {
                let (values, mask) = rows.padded(tap, at: indices)
                (features.taps[tap], features.mask) = (values, mask.cast(to: .float32))
            } else {
                features.taps[tap] = rows.tensor(of: tap, at: indices)
            }
        }
        return features
    }
}
