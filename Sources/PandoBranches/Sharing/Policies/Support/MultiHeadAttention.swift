import PandoNN
import PandoTensor

/// What queries take of keys and their values, over several heads.
///
/// - Shapes: queries `[N, Q, C]`, keys and values `[N, T, C]`, mask `[N, T]` of 1 and 0 → `[N, Q, C]`.
/// - Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.2. Keys have no bias: it would add the same to all
///   scores of a query.
public struct MultiHeadAttention: Module {
    public var query, key, value, output: Linear
    public let heads: Int

    /// - Parameter inner: width of queries, keys and values together.
    /// - Precondition: `heads` divides `inner`.
    public init(_ features: Int, inner: Int, heads: Int, using generator: inout SeededGenerator) {
        require(inner % heads == 0, "MultiHeadAttention: \(heads) heads do not divide a width of \(inner)")
        query = Linear(features, inner, using: &generator)
        key = Linear(features, inner, bias: false, using: &generator)
        value = Linear(features, inner, using: &generator)
        output = Linear(inner, features, using: &generator)
        self.heads = heads
    }

    public func callAsFunction(_ queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor? = nil) -> Tensor {
        func split(_ x: Tensor) -> Tensor {  // [N, T, inner] → [N, heads, T, inner / heads]
            x.reshaped(x.shape[0], x.shape[1], heads, x.shape[2] / heads).permuted(0, 2, 1, 3)
        }
        let hidden = mask.map { ($0 .!= 0).reshaped($0.shape[0], 1, 1, $0.shape[1]) }
        let attended = attention(
            query: split(query(queries)), key: split(key(keys)), value: split(value(values)), mask: hidden)
        return output(
            attended.permuted(0, 2, 1, 3).reshaped(queries.shape[0], queries.shape[1], output.inFeatures))
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("query", &query)
        visitor.module("key", &key)
        visitor.module("value", &value)
        visitor.module("output", &output)
    }
}
