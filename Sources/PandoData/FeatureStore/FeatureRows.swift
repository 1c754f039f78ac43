import PandoTensor

/// Rows of a feature store in a chosen order, mapped into memory.
///
/// Reading copies only the rows asked for; the system reads their pages when needed and drops them when memory is
/// short, so that more rows than fit in memory can be streamed in batches.
public struct FeatureRows: Sendable {
    struct Place: Sendable {
        let shard: Int
        let position: Int
    }

    public let keys: [String]
    public let identity: FeatureIdentity
    private let shards: [FeatureShard]
    private let places: [Place]

    init(keys: [String], identity: FeatureIdentity, shards: [FeatureShard], places: [Place]) {
        self.keys = keys
        self.identity = identity
        self.shards = shards
        self.places = places
    }

    public var count: Int { keys.count }

    /// One feature of all rows, `[count, …]` in float32.
    public func tensor(of feature: String) -> Tensor { tensor(of: feature, at: places.indices) }

    /// One feature of the rows at `indices`, `[indices, …]` in float32, in the order of `indices`.
    /// - Precondition: the feature belongs to the identity; the indices are inside `0..<count`.
    public func tensor(of feature: String, at indices: some Collection<Int>) -> Tensor {
        guard let shape = identity.features[feature] else {
            stop("FeatureRows: no feature \(feature); there are \(identity.features.keys.sorted())")
        }
        let size = shape.elementCount
        let values = [Float](unsafeUninitializedCapacity: indices.count * size) { buffer, initialized in
            for index in indices {
                require(places.indices.contains(index), "FeatureRows: row \(index) is outside 0..<\(count)")
                let place = places[index]
                guard let tensor = shards[place.shard].tensors[feature] else {
                    stop("FeatureRows: a shard was opened without its feature \(feature)")
                }
                let target = UnsafeMutableBufferPointer(rebasing: buffer[initialized..<initialized + size])
                Self.copy(row: place.position, of: tensor, to: target)
                initialized += size
            }
        }
        return Tensor(values, shape: [indices.count] + shape)
    }

    /// One feature of all rows, `size` rows at a time; the last batch may be smaller.
    public func batches(of feature: String, size: Int) -> some Sequence<Tensor> {
        require(size > 0, "FeatureRows: a batch needs rows, got a size of \(size)")
        return stride(from: 0, to: count, by: size).lazy.map { start in
            tensor(of: feature, at: start..<min(start + size, count))
        }
    }

    private static func copy(row: Int, of tensor: Tensor, to target: UnsafeMutableBufferPointer<Float>) {
        let start = row * target.count
        if tensor.elementType == .bfloat16 {
            tensor.withScalars(as: BFloat16.self) { values in
                for index in 0..<target.count { target.initializeElement(at: index, to: Float(values[start + index])) }
            }
        } else {
            tensor.withScalars { values in
                _ = target.initialize(fromContentsOf: values[start..<start + target.count])
            }
        }
    }
}
