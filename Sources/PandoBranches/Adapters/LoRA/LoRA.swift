import PandoNN
import PandoTensor

/// A low-rank update of one frozen layer, a linear one or a convolution.
///
/// Adds `scale · up(down(x))` to the layer's output. `up` starts at zero, so a fresh adapter changes nothing.
/// With a magnitude (DoRA) the updated weight is brought to that length row by row,
/// `W' = m · (W + scale · up·down) / ‖W + scale · up·down‖`, the length taken as a constant in gradients.
/// - Shapes: linear: `x` `[…, in]`, `down` `[rank, in]`, `up` `[out, rank]`, `magnitude` `[out]`. Convolution: `down`
///   `[rank, I / groups, h, w]` with the layer's stride and frame, `up` `[O, rank, 1, 1]`, `magnitude` `[1, O, 1, 1]`.
/// - Cost: `rank · (in + out)` parameters; the layer's weight is shared, never copied.
/// - Source: Hu et al. 2021 (arXiv:2106.09685), section 4.1; Liu et al. 2024, DoRA (arXiv:2402.09353), equation 5 and
///   section 4.3. Names are PEFT's.
public struct LoRA: Module, OutputAdapter, ConvolutionAdapter {
    public var down, up: Tensor
    public var upBias: Tensor?
    public var magnitude: Tensor?
    public let scale: Float

    /// - Precondition: `down` has as many rows as `up` has columns.
    public init(down: Tensor, up: Tensor, upBias: Tensor? = nil, magnitude: Tensor? = nil, scale: Float) {
        require(
            down.rank == up.rank && [2, 4].contains(down.rank) && down.shape[0] == up.shape[1],
            "LoRA: down \(down.shape) and up \(up.shape) do not meet in their rank")
        (self.down, self.up, self.upBias, self.magnitude, self.scale) = (down, up, upBias, magnitude, scale)
    }

    /// A fresh adapter for a layer with this weight.
    ///
    /// - Parameters:
    ///   - weight: `[out, in]` or `[O, I / groups, h, w]`.
    ///   - scale: `alpha / rank`, or `alpha / √rank` (rsLoRA).
    ///   - tracksMagnitude: whether it is a DoRA.
    /// - Precondition: `rank` is at least 1.
    public init(
        forWeight weight: Tensor, rank: Int, scale: Float, tracksMagnitude: Bool = false,
        using generator: inout some RandomNumberGenerator
    ) {
        require(rank >= 1, "LoRA: rank \(rank) is less than 1")
        let fanIn = weight.elementCount / max(weight.shape[0], 1)
        let bound = 1 / Float(max(fanIn, 1)).squareRoot()
        let ones = [Int](repeating: 1, count: weight.rank - 2)
        self.init(
            down: .uniform(-bound..<bound, [rank] + weight.shape.dropFirst(), using: &generator),
            up: .zeros([weight.shape[0], rank] + ones),
            magnitude: tracksMagnitude ? Self.magnitude(of: weight) : nil, scale: scale)
    }

    public var rank: Int { down.shape[0] }

    public func output(of layer: Convolution2D, for input: Tensor) -> Tensor {
        let narrow = Convolution2D(weight: down, stride: layer.stride, frame: layer.frame)
        let wide = Convolution2D(weight: up * scale, bias: upBias.map { $0 * scale })
        return adapting(layer(input), by: wide(narrow(input)), bias: layer.bias, weight: layer.weight)
    }

    public func adapting(_ output: Tensor, of input: Tensor, through layer: Linear) -> Tensor {
        let type = input.elementType
        let narrow = linear(input, weight: down.cast(to: type))
        // Scaled where it is small.
        let delta = linear(narrow, weight: (up * scale).cast(to: type), bias: upBias.map { $0 * scale })
        return adapting(output, by: delta, bias: layer.bias, weight: layer.weight)
    }

    public func merged(into layer: Linear) -> Linear? {
        Linear(weight: mergedWeight(layer.weight), bias: mergedBias(layer.bias))
    }

    public func merged(into layer: Convolution2D) -> Convolution2D? {
        Convolution2D(
            weight: mergedWeight(layer.weight), bias: mergedBias(layer.bias), stride: layer.stride, frame: layer.frame,
            groups: layer.groups)
    }

    /// The weight that a merged layer had before; `nil` with a magnitude, which forgets the length it replaced.
    public func unmergedWeight(_ merged: Tensor) -> Tensor? {
        magnitude == nil ? (merged.cast(to: .float32) - weightDelta).cast(to: merged.elementType) : nil
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("lora_A.weight", &down)
        visitor.parameter("lora_B.weight", &up)
        visitor.parameter("lora_B.bias", &upBias)
        visitor.parameter("lora_magnitude_vector", &magnitude)
    }

    /// `scale · up · down`, in the shape of the layer's weight.
    var weightDelta: Tensor {
        let (wide, narrow) = (up.cast(to: .float32).reshaped(up.shape[0], rank), down.cast(to: .float32))
        return matmul(wide, narrow.reshaped(rank, -1)).reshaped([up.shape[0]] + down.shape.dropFirst()) * scale
    }

    /// The length of each row of a weight, in the shape that a magnitude has.
    static func magnitude(of weight: Tensor) -> Tensor {
        let rows = weight.cast(to: .float32).reshaped(weight.shape[0], -1).norm(along: [1])
        return weight.rank == 2 ? rows : rows.reshaped(1, weight.shape[0], 1, 1)
    }

    private func adapting(_ output: Tensor, by delta: Tensor, bias: Tensor?, weight: Tensor) -> Tensor {
        guard magnitude != nil else { return output + delta }
        let ratio = lengthRatio(weight).cast(to: output.elementType)
        let bare = bias.map { output - $0.cast(to: output.elementType) } ?? output
        return output + (ratio - 1) * bare + ratio * delta
    }

    /// Magnitude over the updated weight's length, `[out]`.
    private func lengthRatio(_ weight: Tensor) -> Tensor {
        guard let magnitude else { return .ones([weight.shape[0]]) }
        let length = Self.magnitude(of: weight.cast(to: .float32) + weightDelta).detached
        return (magnitude.cast(to: .float32) / length).reshaped(-1)
    }

    private func mergedWeight(_ weight: Tensor) -> Tensor {
        var merged = weight.cast(to: .float32) + weightDelta
        if magnitude != nil {
            merged = merged * lengthRatio(weight).reshaped([-1] + [Int](repeating: 1, count: weight.rank - 1))
        }
        return merged.cast(to: weight.elementType)
    }

    private func mergedBias(_ bias: Tensor?) -> Tensor? {
        guard let upBias else { return bias }
        let added = upBias.cast(to: .float32) * scale
        return bias.map { ($0.cast(to: .float32) + added).cast(to: $0.elementType) } ?? added
    }
}
