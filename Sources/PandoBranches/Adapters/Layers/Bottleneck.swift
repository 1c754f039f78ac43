import PandoBackbones
import PandoNN
import PandoTensor

/// A narrow perceptron behind a layer, added to what the layer gives.
///
/// `y + up(gelu(down(y)))`; `up` starts at zero, so a fresh one changes nothing. Behind a convolution both are
/// point-wise.
/// - Shapes: `y` `[…, C]`; `down` `[width, C]`, `up` `[C, width]`.
/// - Source: Houlsby et al. 2019 (arXiv:1902.00751), section 2.1 and figure 2, which leave the activation open; GELU is
///   never as dead as a rectifier can be.
struct Bottleneck: Module, LinearAdapter, ConvolutionAdapter {
    var down, up: Linear

    init(_ channels: Int, width: Int, using generator: inout some RandomNumberGenerator) {
        down = Linear(channels, width, using: &generator)
        up = Linear(weight: .zeros([channels, width]), bias: .zeros([channels]))
    }

    func output(of layer: Linear, for input: Tensor) -> Tensor { changed(layer(input)) }
    func output(of layer: Convolution2D, for input: Tensor) -> Tensor { changed(layer(input)) }

    private func changed(_ output: Tensor) -> Tensor { output + up(down(output).applying(.gelu)) }

    func merged(into layer: Linear) -> Linear? { nil }
    func merged(into layer: Convolution2D) -> Convolution2D? { nil }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("down", &down)
        visitor.module("up", &up)
    }
}

/// More hidden features for a perceptron: the rows of its first layer, the columns of its last.
///
/// That is a narrow perceptron beside it, with its activation: `w₂ φ(w₁ x) + scale · up φ(down x)`. Each half stands at
/// one of the layers, and each merges into its own.
/// - Shapes: `down` `[width, in]`, `up` `[out, width]`.
/// - Source: He et al. 2022, Towards a Unified View (arXiv:2110.04366), table 1, "parallel adapter", and section 4.6 for
///   the scale. There the activation is a rectifier always.
struct ParallelBottleneck: Module {
    var down: Linear
    var up: Linear
    let scale: Float

    init(
        _ inFeatures: Int, _ outFeatures: Int, width: Int, scale: Float, using generator: inout some RandomNumberGenerator
    ) {
        down = Linear(inFeatures, width, using: &generator)
        up = Linear(weight: .zeros([outFeatures, width]))
        self.scale = scale
    }

    /// What the perceptron's first layer gives, with the narrow features behind its own.
    struct Widening: LinearAdapter {
        let down: Linear

        func output(of layer: Linear, for input: Tensor) -> Tensor {
            let own = layer(input)
            return .concatenated([own, down(input)], along: own.rank - 1)
        }

        func merged(into layer: Linear) -> Linear? {
            let bias = layer.bias ?? .zeros([layer.outFeatures])
            return Linear(
                weight: .concatenated([layer.weight.cast(to: .float32), down.weight.cast(to: .float32)]),
                bias: down.bias.map { .concatenated([bias.cast(to: .float32), $0.cast(to: .float32)]) })
        }
    }

    /// What its last layer gives for the wider features.
    struct Narrowing: LinearAdapter {
        let up: Tensor

        func output(of layer: Linear, for input: Tensor) -> Tensor {
            let (own, axis) = (layer.inFeatures, input.rank - 1)
            let narrow = input.slice(own..<input.shape[axis], along: axis)
            return layer(input.slice(0..<own, along: axis)) + linear(narrow, weight: up.cast(to: input.elementType))
        }

        func merged(into layer: Linear) -> Linear? {
            Linear(
                weight: .concatenated([layer.weight.cast(to: .float32), up.cast(to: .float32)], along: 1), bias: layer.bias)
        }
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("down", &down)
        visitor.module("up", &up)
    }
}
