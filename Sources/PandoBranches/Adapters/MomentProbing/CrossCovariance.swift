import PandoNN
import PandoTensor

/// How the heads' features covary over the tokens, each head with the next, condensed by two small convolutions: "MHC3".
///
/// Heads `X_h` of normalised features give `C_h = X_hᵀ X_{h+1} / T`, columns of length 1; then convolution, GELU,
/// convolution.
/// - Shapes: `[N, T, C]`, mask `[N, T]` → `[N, (H - 1) s²]`, `s = outputSide(d)` for heads of `d` features.
/// - Cost: `C W + W` parameters of the projection, `2 d` of the norm, `18 (H - 1)²` of the convolutions.
/// - Source: Gao et al. 2023, Moment Probing (ICCV), as its code has it.
public struct CrossCovariance: Module {
    /// What is taken off each head's normalised features before they are multiplied.
    public enum Centering: String, Sendable, Hashable, Codable, CaseIterable {
        /// One mean over tokens and features together: what the paper's code does. It is 0 but for the norm's bias, so
        /// that second moments are hardly centred.
        case scalar
        /// Each feature's mean over the tokens, as a covariance has it.
        case channel
    }

    public var projection: Linear
    /// Of every head.
    public var norm: LayerNorm
    public var first: Convolution2D
    public var second: Convolution2D
    public let heads: Int
    /// Whether a head has every `H`-th feature, and not neighbours.
    public let interleaves: Bool
    public let centering: Centering

    /// - Precondition: `heads` is at least 2 and divides `width` into 7 features or more.
    public init(
        channels: Int, width: Int, heads: Int, interleaves: Bool, centering: Centering = .scalar,
        using generator: inout SeededGenerator
    ) {
        require(
            heads > 1 && width % heads == 0 && width / heads >= 7,
            "cross-covariance: \(heads) heads of \(width) features, expected 2 or more of at least 7 features each")
        projection = Linear(channels, width, using: &generator)
        norm = LayerNorm(width / heads)
        let pairs = heads - 1
        let bound = 1 / Float(9 * pairs).squareRoot()
        func convolution(_ generator: inout SeededGenerator) -> Convolution2D {
            Convolution2D(
                weight: .uniform(-bound..<bound, [pairs, pairs, 3, 3], using: &generator), stride: 2, frame: .fixed(0))
        }
        first = convolution(&generator)
        second = convolution(&generator)
        (self.heads, self.interleaves, self.centering) = (heads, interleaves, centering)
    }

    /// The side of what two convolutions leave of `size` features' covariances.
    public static func outputSide(_ size: Int) -> Int { ((size - 3) / 2 - 2) / 2 + 1 }

    public var featureCount: Int {
        let side = Self.outputSide(norm.weight.shape[0])
        return (heads - 1) * side * side
    }

    public func callAsFunction(_ tokens: Tensor, mask: Tensor?) -> Tensor {
        let condensed = second(first(covariances(tokens, mask: mask).permuted(0, 2, 3, 1)).gelu())
        return condensed.permuted(0, 3, 1, 2).reshaped(tokens.shape[0], featureCount)
    }

    /// What goes into the convolutions, `[N, H - 1, d, d]`: rows are a head's features, columns the next head's.
    public func covariances(_ tokens: Tensor, mask: Tensor?) -> Tensor {
        let (count, length) = (tokens.shape[0], tokens.shape[1])
        let size = norm.weight.shape[0]
        let projected = projection(tokens)
        let split = interleaves
            ? projected.reshaped(count, length, size, heads).permuted(0, 3, 1, 2)
            : projected.reshaped(count, length, heads, size).permuted(0, 2, 1, 3)
        var x = norm(split)  // [N, H, T, d]
        let means = x.maskedMean(mask)
        x = x - (centering == .scalar ? means.mean(along: [2], keepingAxes: true) : means).expanded(at: 2)
        let present = mask.map { $0.cast(to: x.elementType).reshaped(count, 1, length, 1) }
        if let present { x = x * present }
        let products = matmul(x.slice(0..<heads - 1, along: 1).transposed, x.slice(1..<heads, along: 1))
        // The columns' lengths of 1 take off the division by the number of tokens, but for columns near zero.
        let lengths = present?.sum(along: [2], keepingAxes: true).clamped(1...)
        let covariances = lengths.map { products / $0 } ?? products / Float(length)
        return covariances
            / covariances.squared().sum(along: [2], keepingAxes: true).clamped(1e-24...).squareRoot()
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("projection", &projection)
        visitor.module("norm", &norm)
        visitor.module("first", &first)
        visitor.module("second", &second)
    }
}
