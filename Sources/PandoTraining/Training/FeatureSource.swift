import PandoBranches
import PandoTensor

/// Feature vectors of examples, by row: in memory, or read from a store that is larger than memory.
public protocol FeatureSource: FeatureReader {
    /// The vectors at `indices`, in that order: `float32` `[indices.count, featureCount]`.
    /// - Precondition: every index is in `0..<rowCount`.
    func rows(_ indices: [Int]) -> Tensor
}

/// Feature vectors held in one tensor `[N, F]`.
public struct TensorFeatures: FeatureSource {
    private let tensor: Tensor

    public init(_ tensor: Tensor) {
        require(tensor.rank == 2, "TensorFeatures: shape \(tensor.shape), expected [N, F]")
        self.tensor = tensor.cast(to: .float32).contiguous()
    }

    public var rowCount: Int { tensor.shape[0] }
    public var featureCount: Int { tensor.shape[1] }

    public func rows(_ indices: [Int]) -> Tensor { tensor.gathered(at: Tensor(indices.map(Int64.init))) }
}

extension Standardization {
    /// The statistics of some rows, gathered in double precision and in blocks.
    init(of source: any FeatureSource, rows: [Int]) {
        require(!rows.isEmpty, "Standardization: no rows")
        let count = source.featureCount
        /// Adds `value(element, column)` of every element to its column's sum.
        func columnSums(_ value: (Double, Int) -> Double) -> [Double] {
            var sums = [Double](repeating: 0, count: count)
            for block in rows.indices.blocks(of: 1_024) {
                source.rows(Array(rows[block])).withScalars { values in
                    for row in 0..<block.count {
                        for column in 0..<count { sums[column] += value(Double(values[row * count + column]), column) }
                    }
                }
            }
            return sums
        }
        let means = columnSums { element, _ in element }.map { $0 / Double(rows.count) }
        let squares = columnSums { element, column in (element - means[column]) * (element - means[column]) }
        let scales = squares.map { square -> Float in
            let deviation = (square / Double(rows.count)).squareRoot()
            return deviation > 1e-6 ? Float(1 / deviation) : 1
        }
        self.init(mean: Tensor(means.map { Float($0) }), scale: Tensor(scales))
    }
}
