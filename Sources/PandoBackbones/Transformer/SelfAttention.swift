import PandoNN
import PandoTensor

/// Keys and values that stand in front of those of a text's or picture's own tokens; every query sees them.
///
/// - Source: Li and Liang 2021, "Prefix-Tuning" (arXiv:2101.00190), section 4.1; here of one attention alone.
public struct AttentionPrefix: Sendable {
    /// `[P, C]`, heads side by side as the network's own projections write them.
    public var key, value: Tensor

    /// - Precondition: `key` and `value` have one shape `[P, C]`.
    public init(key: Tensor, value: Tensor) {
        require(
            key.rank == 2 && key.shape == value.shape,
            "AttentionPrefix: keys \(key.shape) and values \(value.shape), expected one shape [P, C]")
        (self.key, self.value) = (key, value)
    }
}

/// The self-attention of a transformer's layer, which may be led by a prefix.
public protocol SelfAttention: Module {
    /// Length of a token's key, all heads together.
    var features: Int { get }
    var headCount: Int { get }
    /// Owned by whoever trains it, and so not visited.
    var prefix: AttentionPrefix? { get set }
}

extension SelfAttention {
    /// What each token takes from those it sees, the prefix among them.
    ///
    /// - Shapes: `query`, `key`, `value` `[N, heads, T, D]` → `[N, T, heads · D]`.
    /// - Parameter mask: `[N, 1, 1, T]`, added to scores.
    func attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor?, isCausal: Bool = false) -> Tensor {
        let mixed: Tensor
        if let prefix {
            mixed = attention(
                query: query, key: led(by: prefix.key, key), value: led(by: prefix.value, value),
                mask: prefix.seen(before: key.shape[2], mask, isCausal: isCausal))
        } else {
            mixed = attention(query: query, key: key, value: value, mask: mask, isCausal: isCausal)
        }
        return mixed.permuted(0, 2, 1, 3).reshaped(query.shape[0], query.shape[2], features)
    }

    /// - Shapes: `[P, C]` and `[N, heads, T, D]` → `[N, heads, P + T, D]`.
    private func led(by prefix: Tensor, _ own: Tensor) -> Tensor {
        require(
            prefix.shape[1] == features,
            "AttentionPrefix: keys and values of \(prefix.shape[1]) features, this attention has \(features)")
        let (count, places, width) = (own.shape[0], prefix.shape[0], own.shape[3])
        let heads = prefix.cast(to: own.elementType).reshaped(1, places, headCount, width).permuted(0, 2, 1, 3)
        return .concatenated([heads.broadcast(to: [count, headCount, places, width]), own], along: 2)
    }
}

extension AttentionPrefix {
    /// What is added to the scores of the prefix and of the `count` own tokens behind it; `nil` if all see all.
    fileprivate func seen(before count: Int, _ mask: Tensor?, isCausal: Bool) -> Tensor? {
        var own = mask
        if isCausal {
            let later = (0..<count).flatMap { row in (0..<count).map { $0 > row ? Float(-1e9) : 0 } }
            let hidden = Tensor(later, shape: [1, 1, count, count])
            own = mask.map { $0 + hidden } ?? hidden
        }
        return own?.padded(before: [0, 0, 0, key.shape[0]], after: [0, 0, 0, 0])
    }
}

extension Module {
    /// Every self-attention that may be led by a prefix, by path, in the order of `visit`.
    public var selfAttentions: [(path: String, attention: any SelfAttention)] {
        var found: [(path: String, attention: any SelfAttention)] = []
        var copy = self
        copy.prefixSelfAttentions { path, attention in
            found.append((path, attention))
            return nil
        }
        return found
    }

    /// Puts in front of every self-attention the prefix that `prefix` names for it; none for `nil`.
    public mutating func prefixSelfAttentions(
        _ prefix: @escaping (_ path: String, _ attention: any SelfAttention) -> AttentionPrefix?
    ) {
        var visitor = AttentionPrefixer(prefix: prefix)
        visit(&visitor)
    }
}

private struct AttentionPrefixer: Visitor {
    let prefix: (String, any SelfAttention) -> AttentionPrefix?
    private var path: [String] = []

    init(prefix: @escaping (String, any SelfAttention) -> AttentionPrefix?) { self.prefix = prefix }

    mutating func module<Child: Module>(_ name: String, _ child: inout Child) {
        path.append(name)
        defer { path.removeLast() }
        guard var attention = child as? any SelfAttention else { return child.visit(&self) }
        attention.prefix = prefix(path.joined(separator: "."), attention)
        if let changed = attention as? Child { child = changed }
    }

    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
    mutating func parameter(_ name: String, _ tensor: inout Tensor) {}
    mutating func buffer(_ name: String, _ tensor: inout Tensor) {}
}
