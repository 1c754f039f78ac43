import PandoData
import PandoTensor

/// Feature vectors that stay in the store and are read a batch at a time.
public struct StoredFeatures: FeatureSource {
    private let stored: FeatureRows
    private let name: String
    public let featureCount: Int

    /// - Precondition: `name` is a feature of the rows' identity, a vector.
    public init(_ rows: FeatureRows, of name: String) {
        guard let shape = rows.identity.features[name], shape.count == 1 else {
            stop("StoredFeatures: no vector '\(name)' among \(rows.identity.features)")
        }
        stored = rows
        self.name = name
        featureCount = shape[0]
    }

    public var rowCount: Int { stored.count }

    public func rows(_ indices: [Int]) -> Tensor { stored.tensor(of: name, at: indices) }
}
