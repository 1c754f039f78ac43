import PandoNN
import PandoTensor

/// Blocks in which tokens read one another and the places, and places the tokens; at the end tokens read the places once
/// more.
///
/// - Shapes: tokens `[N, T, D]`, places `[N, P, D]`, their code `[1, P, D]`, mask of places `[N, P]` → `[N, T, D]`.
/// - Source: Narayan et al. 2024, FaceXFormer (arXiv:2403.12960), section 3.3, after the decoder of Kirillov et al. 2023,
///   Segment Anything (arXiv:2304.02643), appendix A. As there, the tokens that went in are added wherever tokens ask or
///   are asked, and places' code wherever places do.
public struct TwoWayDecoder: Module {
    public var blocks: [TwoWayBlock]
    public var last: MultiHeadAttention
    public var norm: LayerNorm

    /// - Parameters:
    ///   - bothWays: whether places read tokens.
    ///   - joins: whether tokens read one another.
    public init(
        _ width: Int, depth: Int, heads: Int, bothWays: Bool = true, joins: Bool = true,
        using generator: inout SeededGenerator
    ) {
        blocks = []
        for index in 0..<depth {
            blocks.append(
                TwoWayBlock(
                    width, heads: heads, bothWays: bothWays, joins: joins, isFirst: index == 0, using: &generator))
        }
        last = MultiHeadAttention(width, inner: width / 2, heads: heads, using: &generator)
        norm = LayerNorm(width)
    }

    public func callAsFunction(_ begin: Tensor, places: Tensor, positions: Tensor?, mask: Tensor?) -> Tensor {
        var (tokens, places) = (begin, places)
        for block in blocks { block(&tokens, begin, &places, positions, mask) }
        let keys = positions.map { places + $0 } ?? places
        return norm(tokens + last(tokens + begin, keys: keys, values: places, mask: mask))
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("blocks", &blocks)
        visitor.module("last", &last)
        visitor.module("norm", &norm)
    }
}

/// One block of the decoder: tokens among themselves, tokens to places, a perceptron, places to tokens; a layer norm behind
/// each.
public struct TwoWayBlock: Module {
    public var joint: MultiHeadAttention?
    public var jointNorm: LayerNorm?
    public var inward: MultiHeadAttention
    public var inwardNorm: LayerNorm
    public var expansion, contraction: Linear
    public var perceptronNorm: LayerNorm
    public var outward: MultiHeadAttention?
    public var outwardNorm: LayerNorm?
    /// The first block's tokens are replaced by what they read of one another, not added to it.
    let isFirst: Bool

    init(
        _ width: Int, heads: Int, bothWays: Bool, joins: Bool, isFirst: Bool, using generator: inout SeededGenerator
    ) {
        if joins {
            joint = MultiHeadAttention(width, inner: width, heads: heads, using: &generator)
            jointNorm = LayerNorm(width)
        }
        inward = MultiHeadAttention(width, inner: width / 2, heads: heads, using: &generator)
        inwardNorm = LayerNorm(width)
        expansion = Linear(width, 4 * width, using: &generator)
        contraction = Linear(4 * width, width, using: &generator)
        perceptronNorm = LayerNorm(width)
        if bothWays {
            outward = MultiHeadAttention(width, inner: width / 2, heads: heads, using: &generator)
            outwardNorm = LayerNorm(width)
        }
        self.isFirst = isFirst
    }

    func callAsFunction(
        _ tokens: inout Tensor, _ begin: Tensor, _ places: inout Tensor, _ positions: Tensor?, _ mask: Tensor?
    ) {
        if let joint, let jointNorm {
            let asking = isFirst ? tokens : tokens + begin
            let read = joint(asking, keys: asking, values: tokens)
            tokens = jointNorm(isFirst ? read : tokens + read)
        }
        let coded = positions.map { places + $0 } ?? places
        tokens = inwardNorm(tokens + inward(tokens + begin, keys: coded, values: places, mask: mask))
        tokens = perceptronNorm(tokens + contraction(expansion(tokens).relu()))
        if let outward, let outwardNorm {
            places = outwardNorm(places + outward(coded, keys: tokens + begin, values: tokens))
        }
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("joint", &joint)
        visitor.module("joint_norm", &jointNorm)
        visitor.module("inward", &inward)
        visitor.module("inward_norm", &inwardNorm)
        visitor.module("expansion", &expansion)
        visitor.module("contraction", &contraction)
        visitor.module("perceptron_norm", &perceptronNorm)
        visitor.module("outward", &outward)
        visitor.module("outward_norm", &outwardNorm)
    }
}

/// A fixed code of a map's places: sine and cosine of random projections of their coordinates.
///
/// - Shapes: → `[1, H · W, D]`; coordinates lie in -1...1, of a place's middle.
/// - Source: Tancik et al. 2020, Fourier Features (arXiv:2006.10739), section 3.
public struct FourierPositions: Module {
    /// `[2, D / 2]`; drawn once, never trained.
    public var frequencies: Tensor

    public init(_ width: Int, using generator: inout SeededGenerator) {
        frequencies = .normal(mean: 0, deviation: 1, [2, width / 2], using: &generator)
    }

    public func callAsFunction(height: Int, width: Int) -> Tensor {
        let coordinates = (0..<height * width).flatMap { place -> [Float] in
            let (row, column) = (place / width, place % width)
            return [2 * (Float(column) + 0.5) / Float(width) - 1, 2 * (Float(row) + 0.5) / Float(height) - 1]
        }
        let angles = matmul(Tensor(coordinates, shape: [height * width, 2]), frequencies.cast(to: .float32)) * (2 * .pi)
        return Tensor.concatenated([angles.sine(), angles.cosine()], along: 1).expanded(at: 0)
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.buffer("frequencies", &frequencies) }
}
