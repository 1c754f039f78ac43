import Glibc
import PandoNN
import PandoTensor

/// Of each feature its values over the tokens, largest first, weighed by learned weights of the ranks.
///
/// The weights follow from the number of tokens alone: a recurrent network reads the ranks and scores them. The mean and
/// the maximum are two of the poolings it can become.
/// - Shapes: `[N, T, C]`, mask `[N, T]` → `[N, C]`.
/// - Precondition: every example has a token, and its padding behind its tokens.
/// - Cost: 12,704 parameters; every feature is sorted.
/// - Source: Chen et al. 2021, "Learning the Best Pooling Strategy for Visual Semantic Embedding" (arXiv:2011.04305).
///   Ranks count from 0, as in its code. Weights are computed once for each length that occurs.
public struct GeneralizedPooling: Module {
    public var recurrent: GRU
    public var score: Linear
    static let temperature: Float = 0.1

    public init(positionFeatures: Int = 32, hidden: Int = 32, using generator: inout SeededGenerator) {
        recurrent = GRU(positionFeatures, hidden, isBidirectional: true, using: &generator)
        score = Linear(hidden, 1, bias: false, using: &generator)
    }

    public func callAsFunction(_ x: Tensor, mask: Tensor?) -> Tensor {
        let (count, length) = (x.shape[0], x.shape[1])
        let lengths = mask.map { $0.cast(to: .float32).sum(along: [1]).scalars().map { max(1, Int($0)) } }
        // Padding goes behind every rank that counts.
        let shown = mask.map { x.filled(with: -1e30, where: ($0 .== 0).expanded(at: 2)) } ?? x
        let ranked = shown.sorted(along: 1, descending: true).values
        let present = Array(Set(lengths ?? [length])).sorted()
        let rows = (lengths ?? [Int](repeating: length, count: count)).map { own in
            Int64(present.firstIndex(of: own) ?? 0)
        }
        let weights = weights(ofLengths: present, padded: length).gathered(at: Tensor(rows)).cast(to: x.elementType)
        return matmul(weights.expanded(at: 1), ranked).squeezed(1)
    }

    /// The weight of each rank among so many tokens: `[lengths, T]`, each row summing to 1.
    /// - Precondition: every length is in `1...length`.
    func weights(ofLengths lengths: [Int], padded length: Int) -> Tensor {
        let features = recurrent.layers.weights[0].input.shape[1]
        let type = recurrent.layers.weights[0].input.elementType
        let ranks = Self.encodedRanks(length, features: features).cast(to: type).expanded(at: 0)
        let (states, _) = recurrent(ranks.broadcast(to: [lengths.count, length, features]).contiguous(), lengths: lengths)
        let hidden = recurrent.layers.hiddenFeatures
        let both = states.reshaped(lengths.count, length, 2, hidden).mean(along: [2])
        let scores = score(both).squeezed(2).cast(to: .float32) / Self.temperature
        return scores.filled(with: -1e30, where: .!sequenceMask(lengths, count: length)).softmax()
    }

    /// Sines and cosines of the ranks, `[T, features]`.
    static func encodedRanks(_ length: Int, features: Int) -> Tensor {
        let values = (0..<length).flatMap { rank in
            (0..<features).map { feature in
                let angle = Double(rank) * exp(-log(10000) * Double(feature / 2 * 2) / Double(features))
                return Float(feature % 2 == 0 ? sin(angle) : cos(angle))
            }
        }
        return Tensor(values, shape: [length, features])
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("recurrent", &recurrent)
        visitor.module("score", &score)
    }
}
