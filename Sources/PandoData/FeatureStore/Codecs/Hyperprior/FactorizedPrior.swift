import Glibc
import PandoNN
import PandoTensor

/// A distribution of real numbers for each channel, of whatever shape training gives it.
///
/// Its cumulative distribution function is a small network that cannot but rise: `sigmoid(f₄(f₃(f₂(f₁(x)))))` with
/// `fₖ(x) = g(softplus(Hₖ) x + bₖ)` and `g(x) = x + tanh(aₖ) tanh(x)`, the last without g.
/// - Source: Ballé et al. 2018 (arXiv:1802.01436), appendix 6.1, with three units in each hidden layer.
struct FactorizedPrior: Module {
    /// `[C, out, in]` for each layer; then `[C, out, 1]`.
    private var matrices, biases, factors: [Tensor]
    let channels: Int

    private static let sizes = [1, 3, 3, 3, 1]
    /// About how far the distribution reaches before it is trained.
    private static let reach: Float = 10
    private static let smallestChance: Float = 1e-9

    init(_ channels: Int, using generator: inout some RandomNumberGenerator) {
        let layers = zip(Self.sizes, Self.sizes.dropFirst())
        let gain = powf(Self.reach, 1 / Float(Self.sizes.count - 1))
        matrices = layers.map { inputs, outputs in
            // What softplus makes 1 / (gain · outputs).
            .zeros([channels, outputs, inputs]) + logf(expm1f(1 / (gain * Float(outputs))))
        }
        biases = Self.sizes.dropFirst().map { .uniform(-0.5..<0.5, [channels, $0, 1], using: &generator) }
        factors = Self.sizes.dropFirst().dropLast().map { .zeros([channels, $0, 1]) }
        self.channels = channels
    }

    /// How many bits numbers tell that rounding gave: `-log₂` of the chance of the interval of length 1 around each.
    /// - Shapes: `[…, C]` → `[C, 1, …]`, the other axes as one.
    func information(of x: Tensor) -> Tensor {
        let count = x.elementCount / channels
        let rows = x.reshaped(count, channels).permuted(1, 0).reshaped(channels, 1, count)
        let (lower, upper) = (logits(rows - 0.5), logits(rows + 0.5))
        // On the side where both are small, their difference keeps its digits.
        let side = ((lower + upper).detached .> 0).cast(to: .float32) * -2 + 1
        let chance = ((side * upper).sigmoid() - (side * lower).sigmoid()).absolute()
        return chance.clamped(Self.smallestChance...).log() * Float(-1 / M_LN2)
    }

    /// What the sigmoid makes the cumulative distribution function of.
    /// - Shapes: `[C, 1, n]` → the same.
    private func logits(_ x: Tensor) -> Tensor {
        var x = x
        for layer in matrices.indices {
            x = matmul(matrices[layer].softplus(), x) + biases[layer]
            if layer < factors.count { x = x + factors[layer].tanh() * x.tanh() }
        }
        return x
    }

    /// The shares of whole numbers in each channel.
    func tables() -> [SymbolTable] {
        let reach = 128
        let places = Tensor((-reach...reach).flatMap { [Float](repeating: Float($0), count: channels) })
            .reshaped(2 * reach + 1, channels)
        let bits = information(of: places).reshaped(channels, 2 * reach + 1)
        return (0..<channels).map { channel in
            let chances = bits.element(channel).scalars().map { exp2(-Double($0)) }
            let usual = chances.indices.filter { chances[$0] > 0x1p-17 }
            let range = (usual.first ?? reach)...(usual.last ?? reach)
            let inside = Array(chances[range])
            return SymbolTable(inside, from: range.lowerBound - reach, others: 1 - inside.reduce(0, +))
        }
    }

    mutating func visit(_ visitor: inout some Visitor) {
        for layer in matrices.indices {
            visitor.parameter("_matrix\(layer)", &matrices[layer])
            visitor.parameter("_bias\(layer)", &biases[layer])
            if layer < factors.count { visitor.parameter("_factor\(layer)", &factors[layer]) }
        }
    }
}
