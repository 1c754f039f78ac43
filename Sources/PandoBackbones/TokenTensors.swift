import PandoTensor

/// Token ids of several texts, padded to one length.
///
/// - Shapes: all `[N, T]`; `attentionMask` is 1 for a token and 0 for padding.
public struct TokenTensors: Sendable {
    public var ids: Tensor
    public var attentionMask: Tensor
    /// Which of two texts a token belongs to, for networks that ask.
    public var typeIDs: Tensor?

    /// - Precondition: the shapes are the same and have two axes.
    public init(ids: Tensor, attentionMask: Tensor, typeIDs: Tensor? = nil) {
        require(
            ids.rank == 2 && attentionMask.shape == ids.shape && (typeIDs.map { $0.shape == ids.shape } ?? true),
            """
            TokenTensors: ids \(ids.shape), attention mask \(attentionMask.shape) and types \
            \(typeIDs?.shape ?? ids.shape) differ
            """)
        (self.ids, self.attentionMask, self.typeIDs) = (ids, attentionMask, typeIDs)
    }

    /// Texts filled up to `length` tokens, and cut where they are longer.
    public init(_ texts: [[Int32]], paddedTo length: Int) {
        var ids: [Int64] = []
        var mask: [Float] = []
        for text in texts {
            let kept = text.prefix(length)
            ids += kept.map(Int64.init) + Array(repeating: 0, count: length - kept.count)
            mask += Array(repeating: 1, count: kept.count) + Array(repeating: 0, count: length - kept.count)
        }
        let shape = [texts.count, length]
        self.init(ids: Tensor(ids, shape: shape), attentionMask: Tensor(mask, shape: shape))
    }
}

extension TokenTensors {
    /// Tokens, padding included, that one thread runs at once: about as much as stays in cache.
    static let sliceTokens = 1024

    /// One of few lengths, so that few programs are compiled: an eighth longer at most, from 64 tokens on.
    public static func paddedLength(_ count: Int, atMost limit: Int) -> Int {
        var step = 8
        while count > 8 * step { step *= 2 }
        return min(max(count + step - 1, step) / step * step, limit)
    }

    /// Ranges of texts of one length each, of sizes that are powers of two, at least one for each worker if there are
    /// texts enough.
    ///
    /// - Parameter lengths: of the texts, in ascending order.
    static func slices(of lengths: [Int], workers: Int) -> [Range<Int>] {
        var slices: [Range<Int>] = []
        var start = 0
        while start < lengths.count {
            let end = lengths[start...].firstIndex { $0 != lengths[start] } ?? lengths.count
            let share = (end - start + workers - 1) / workers
            var size = 1
            while size * 2 <= min(share, sliceTokens / lengths[start]) { size *= 2 }
            while start < end {
                while size > end - start { size /= 2 }
                slices.append(start..<start + size)
                start += size
            }
        }
        return slices
    }

    /// What is added to scores so that padding is not seen: `[N, T]` → `[N, 1, 1, T]`.
    static func addedToScores(_ attentionMask: Tensor) -> Tensor {
        ((1 - attentionMask.cast(to: .float32)) * -1e9)
            .reshaped(attentionMask.shape[0], 1, 1, attentionMask.shape[1])
    }
}
