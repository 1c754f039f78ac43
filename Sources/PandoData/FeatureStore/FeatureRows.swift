import PandoTensor

/// Rows of a feature store in a chosen order, mapped into memory.
///
/// Reading decodes only the rows asked for; the system reads their pages when needed and drops them when memory is
/// short, so that more rows than fit in memory can be streamed in batches.
public struct FeatureRows: Sendable {
    struct Place: Sendable {
        let shard: Int
        let position: Int
    }

    public let keys: [String]
    public let identity: FeatureIdentity
    private let layouts: [String: FeatureLayout]
    /// Of all features, unless there is no row.
    private let codecs: [String: FittedCodec]
    private let shards: [FeatureShard]
    private let places: [Place]

    init(
        keys: [String], identity: FeatureIdentity, layouts: [String: FeatureLayout], codecs: [String: FittedCodec],
        shards: [FeatureShard], places: [Place]
    ) {
        self.keys = keys
        self.identity = identity
        self.layouts = layouts
        self.codecs = codecs
        self.shards = shards
        self.places = places
    }

    public var count: Int { keys.count }

    /// The shape of one row of a feature as it is read: what was appended, after its codec's averaging; of a varying
    /// one, the longest that there may be.
    /// - Precondition: the feature belongs to the identity.
    public func shape(of feature: String) -> [Int] { layout(of: feature).shape }

    /// One feature of all rows, `[count, …]` in float32.
    public func tensor(of feature: String) -> Tensor { tensor(of: feature, at: places.indices) }

    /// One feature of the rows at `indices`, `[indices, …]` in float32, in the order of `indices`.
    ///
    /// Rows of a varying feature are as long as the longest of these; zeros follow the shorter ones' own steps.
    /// - Precondition: the feature belongs to the identity; the indices are inside `0..<count`.
    public func tensor(of feature: String, at indices: some Collection<Int>) -> Tensor {
        let layout = layout(of: feature)
        let rows = rows(of: feature, at: indices)
        let longest = rows.lazy.map(\.length).max() ?? 0
        let shape = layout.shape(length: longest)
        let stepSize = shape.dropFirst().reduce(1, *)
        return Tensor(unsafeUninitialized: [rows.count] + shape, of: Float.self) { buffer in
            let (size, codec) = (shape.elementCount, codecs[feature])
            // Each call below writes the places of its own rows, and no other.
            nonisolated(unsafe) let buffer = buffer
            let workers = layout.codec.coding == .float32 ? 1 : Self.workers(for: buffer.count)
            Parallel.run(workers) { worker in
                for index in worker * rows.count / workers..<(worker + 1) * rows.count / workers {
                    let row = rows[index]
                    let own = layout.isVarying ? row.length * stepSize : size
                    let target = UnsafeMutableBufferPointer(rebasing: buffer[index * size..<(index + 1) * size])
                    row.feature.withBytes(of: row.position) { bytes in
                        codec?.decode(bytes, into: UnsafeMutableBufferPointer(rebasing: target[..<own]))
                    }
                    target[own...].initialize(repeating: 0)
                }
            }
        }
    }

    /// How many steps the rows at `indices` have of a varying feature.
    /// - Precondition: the feature varies; the indices are inside `0..<count`.
    public func lengths(of feature: String, at indices: some Collection<Int>) -> [Int] {
        require(layout(of: feature).isVarying, "FeatureRows: all rows of \(feature) are of one length")
        return rows(of: feature, at: indices).map(\.length)
    }

    /// A varying feature of the rows at `indices`, and which of its steps are their own.
    /// - Shapes: values `[indices, T, …]` in float32, zeros where the mask is false; mask `[indices, T]` in bool; `T` is
    ///   the length of the longest of these rows.
    /// - Precondition: the feature varies; the indices are inside `0..<count`.
    public func padded(_ feature: String, at indices: some Collection<Int>) -> (values: Tensor, mask: Tensor) {
        let lengths = lengths(of: feature, at: indices)
        return (tensor(of: feature, at: indices), sequenceMask(lengths, count: lengths.max() ?? 0))
    }

    /// One feature of all rows, `size` rows at a time; the last batch may be smaller.
    public func batches(of feature: String, size: Int) -> some Sequence<Tensor> {
        require(size > 0, "FeatureRows: a batch needs rows, got a size of \(size)")
        return stride(from: 0, to: count, by: size).lazy.map { start in
            tensor(of: feature, at: start..<min(start + size, count))
        }
    }

    // MARK: Parts

    /// Where one row of a feature stands, and how many steps it has if it varies.
    private struct Row: Sendable {
        let feature: StoredFeature
        let position: Int
        let length: Int
    }

    private func layout(of feature: String) -> FeatureLayout {
        guard let layout = layouts[feature] else {
            stop("FeatureRows: no feature \(feature); there are \(layouts.keys.sorted())")
        }
        return layout
    }

    private func rows(of feature: String, at indices: some Collection<Int>) -> [Row] {
        let isVarying = identity.varying.contains(feature)
        return indices.map { index in
            require(places.indices.contains(index), "FeatureRows: row \(index) is outside 0..<\(count)")
            let place = places[index]
            guard let stored = shards[place.shard].features[feature] else {
                stop("FeatureRows: a shard was opened without its feature \(feature)")
            }
            return Row(
                feature: stored, position: place.position, length: isVarying ? stored.length(of: place.position) : 0)
        }
    }

    /// Threads are worth it from some hundred thousand numbers each.
    private static func workers(for count: Int) -> Int { max(1, min(MachineResources.allowedCores, count >> 18)) }
}
