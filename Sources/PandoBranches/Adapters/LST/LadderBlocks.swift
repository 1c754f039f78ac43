import PandoNN
import PandoTensor

/// One block of a ladder's side network.
public protocol LadderBlock: Module {
    /// - Shapes: tokens `[N, T, S]` with mask `[N, T]`, or a map `[N, H, W, S]` → the same.
    func callAsFunction(_ x: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor
}

/// A pre-norm transformer block: self-attention and a perceptron four times as wide, each added to its input.
public struct LadderTransformerBlock: LadderBlock {
    public var attentionNorm: LayerNorm
    /// Query, key and value in one.
    public var projections: Linear
    public var attentionOutput: Linear
    public var perceptronNorm: LayerNorm
    public var expansion, contraction: Linear
    public let heads: Int

    /// - Parameter heads: as many of about 32 features as divide the width, if not given.
    public init(width: Int, heads: Int? = nil, using generator: inout SeededGenerator) {
        let usual = (1...max(1, width / 32)).last { width % $0 == 0 } ?? 1
        self.heads = heads ?? usual
        require(width % self.heads == 0, "ladder block: \(self.heads) heads do not divide a width of \(width)")
        attentionNorm = LayerNorm(width)
        projections = Linear(width, 3 * width, using: &generator)
        attentionOutput = Linear(width, width, using: &generator)
        perceptronNorm = LayerNorm(width)
        expansion = Linear(width, 4 * width, using: &generator)
        contraction = Linear(4 * width, width, using: &generator)
    }

    public func callAsFunction(_ x: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let (count, length, width) = (x.shape[0], x.shape[1], x.shape[2])
        let projected = projections(attentionNorm(x)).reshaped(count, length, 3, heads, width / heads)
        func part(_ index: Int) -> Tensor { projected.element(index, along: 2).permuted(0, 2, 1, 3) }
        let shown = mask.map { ($0 .!= 0).reshaped(count, 1, 1, length) }
        let mixed = attention(query: part(0), key: part(1), value: part(2), mask: shown)
        let attended = x + attentionOutput(mixed.permuted(0, 2, 1, 3).reshaped(x.shape))
        return attended + contraction(expansion(perceptronNorm(attended)).gelu())
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("attention_norm", &attentionNorm)
        visitor.module("projections", &projections)
        visitor.module("attention_output", &attentionOutput)
        visitor.module("perceptron_norm", &perceptronNorm)
        visitor.module("expansion", &expansion)
        visitor.module("contraction", &contraction)
    }
}

/// A residual block of two 3 × 3 convolutions with batch norms.
public struct LadderConvolutionBlock: LadderBlock {
    public var first: Convolution2D
    public var firstNorm: BatchNorm
    public var second: Convolution2D
    public var secondNorm: BatchNorm

    public init(width: Int, using generator: inout SeededGenerator) {
        let deviation = (2 / Float(9 * width)).squareRoot()
        func convolution(_ generator: inout SeededGenerator) -> Convolution2D {
            Convolution2D(weight: .normal(deviation: deviation, [width, width, 3, 3], using: &generator), frame: .fixed(1))
        }
        first = convolution(&generator)
        second = convolution(&generator)
        (firstNorm, secondNorm) = (BatchNorm(width), BatchNorm(width))
    }

    public func callAsFunction(_ x: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let inner = firstNorm(first(x), during: pass).relu()
        return (x + secondNorm(second(inner), during: pass)).relu()
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("first", &first)
        visitor.module("first_norm", &firstNorm)
        visitor.module("second", &second)
        visitor.module("second_norm", &secondNorm)
    }
}
