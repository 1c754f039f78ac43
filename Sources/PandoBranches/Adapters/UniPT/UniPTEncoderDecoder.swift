import PandoNN
import PandoTensor

/// UniPT beside an encoder and its decoder: the decoder's states first read what the encoder's side has made.
///
/// - Shapes: encoder states `[N, T, C]`, decoder states `[N, Q, C]`, deepest last, mask `[N, T]` of the encoder's →
///   `[N, L + 1, Q, C]`: what is made of each of the decoder's earlier states, then the result.
/// - Source: Diao et al. 2024, UniPT (arXiv:2308.14316), as its code has it for MDETR.
public struct UniPTEncoderDecoder: Module {
    public var encoder, decoder: UniPTTokens
    /// What each of the decoder's earlier states takes of the encoder.
    public var crossings: [NormalizedLinear]
    public var up: NormalizedLinear

    /// - Parameters:
    ///   - stateCount: of the encoder, and of the decoder, deepest included.
    ///   - channels: of every state.
    public init(
        stateCount: Int, channels: Int, width: Int, epsilon: Float = 1e-7, using generator: inout SeededGenerator
    ) {
        func side(_ generator: inout SeededGenerator) -> UniPTTokens {
            UniPTTokens(
                channels: [Int](repeating: channels, count: stateCount), width: width, projectingThrough: channels,
                epsilon: epsilon, using: &generator)
        }
        encoder = side(&generator)
        decoder = side(&generator)
        crossings = (1..<stateCount).map { _ in NormalizedLinear(width, width, using: &generator) }
        up = NormalizedLinear(width, channels, using: &generator)
    }

    public func callAsFunction(encoder states: [Tensor], decoder targets: [Tensor], mask: Tensor?) -> Tensor {
        let memory = encoder(states, mask: mask, during: nil)  // [N, T, S]
        let (guide, others) = decoder.narrowed(targets)
        let crossed = crossings.enumerated().map { index, crossing in
            let state = others.element(index, along: 1)
            let read = rectifiedAffinities(state, memory)
                .shares(mask?.expanded(at: 1), epsilon: decoder.interaction.epsilon)
            return state + crossing(matmul(read, memory))
        }
        let result = decoder.fused(guide, .stacked(crossed, along: 1), mask: nil)
        return up(Tensor.stacked(crossed + [result], along: 1).relu())
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("encoder", &encoder)
        visitor.module("decoder", &decoder)
        visitor.modules("crossings", &crossings)
        visitor.module("up", &up)
    }
}
