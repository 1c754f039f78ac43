import PandoNN
import PandoTensor

/// SHERL's early route beside a convolutional network. Maps are brought to the deepest one's places by maximum and mean.
///
/// - Shapes: maps `[N, H_i, W_i, C_i]` → `[N, H, W, C]` of the deepest.
/// - Source: Diao et al. 2024, SHERL (arXiv:2407.07523), as its code has it for ResNeXt. Point-wise convolutions are
///   written as linear layers.
public struct SHERLMaps: SHERLRoute {
    /// One for each map.
    public var down: [BatchNormalizedLinear]
    public var fusion: SHERLFusion
    public var up: BatchNormalizedLinear
    public var gate = SHERLGate()
    public let dropout: Dropout
    let rates: [Int]

    /// - Parameter rates: along each axis, how many pixels of each map fall on one of the deepest, whose own is 1.
    /// - Precondition: there are at least two maps.
    public init(
        channels: [Int], rates: [Int], width: Int, dividesByRedundancy: Bool = true, dropout: Float = 0,
        epsilon: Float = 1e-6, using generator: inout SeededGenerator
    ) {
        require(
            channels.count > 1 && channels.count == rates.count,
            "SHERL: \(channels.count) maps and \(rates.count) rates, expected as many of both and at least two")
        down = channels.map { BatchNormalizedLinear($0, width, using: &generator) }
        fusion = SHERLFusion(
            width: width, dividesByRedundancy: dividesByRedundancy, epsilon: epsilon, using: &generator)
        up = BatchNormalizedLinear(width, channels[channels.count - 1], using: &generator)
        self.dropout = Dropout(dropout)
        self.rates = rates
    }

    public func callAsFunction(_ states: [Tensor], during pass: TrainingPass?) -> Tensor {
        require(states.count == down.count, "SHERL: \(states.count) maps, expected \(down.count)")
        let deepest = states[states.count - 1]
        let narrow = states.indices.map { index in
            down[index](
                states[index].pooledBothWays(rates[index], height: deepest.shape[1], width: deepest.shape[2]),
                during: pass)
        }
        let wide = up(fusion.fused(narrow), during: pass).relu()
        return gate(dropout(wide, during: pass), adding: deepest)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("down", &down)
        visitor.module("fusion", &fusion)
        visitor.module("up", &up)
        visitor.module("gate", &gate)
    }
}

extension Tensor {
    /// The maximum of each cell of `rate · rate` pixels and their mean, added up; cells at the border may be smaller.
    ///
    /// - Shapes: `[N, H, W, C]` → `[N, height, width, C]`.
    func pooledBothWays(_ rate: Int, height: Int, width: Int) -> Tensor {
        if rate == 1 { return self * 2 }
        let sum = maxPooled(kernel: rate, stride: rate, roundingUp: true)
            + averagePooled(kernel: rate, stride: rate, countingPadding: false, roundingUp: true)
        return sum.slice(0..<height, along: 1).slice(0..<width, along: 2)
    }
}
