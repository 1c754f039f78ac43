import PandoNN
import PandoTensor

/// UniPT beside a convolutional network: maps of every stage are summed up at the deepest one's places, by how much each
/// of their pixels has in common with what the deepest map has there, then fused under it.
///
/// A stage of `r · r` pixels to a place gives `Σ w h` over them, `w = shares(relu(h · relu(W guide))) + 1 / r²`.
/// - Shapes: maps `[N, H_i, W_i, C_i]`, the deepest `[N, H, W, C]` → `[N, H · W, S]`.
/// - Source: Diao et al. 2024, UniPT (arXiv:2308.14316), as its code has it for ResNeXt. That places the guide's view on
///   the stage by nearest-neighbour resampling; here the stage's pixels are gathered by the place they belong to, which
///   is the same. Where sizes do not divide, the last places are filled up with zeros. Point-wise convolutions are
///   written as linear layers.
public struct UniPTMaps: UniPTSide {
    /// What the deepest map looks for in each of the others.
    public var queries: [Linear]
    /// One for each map.
    public var down: [BatchNormalizedLinear]
    public var interaction: UniPTInteraction
    public var projection: BatchNormalizedLinear
    let rates: [Int]

    /// - Parameter rates: along each axis, how many pixels of each map fall on one of the deepest, whose own is 1.
    /// - Precondition: there are at least two maps.
    public init(
        channels: [Int], rates: [Int], width: Int, weighsStates: Bool = true, interacts: Bool = true,
        epsilon: Float = 1e-8, using generator: inout SeededGenerator
    ) {
        require(
            channels.count > 1 && channels.count == rates.count,
            "UniPT: \(channels.count) maps and \(rates.count) rates, expected as many of both and at least two")
        let deepest = channels[channels.count - 1]
        queries = channels.dropLast().map { Linear(deepest, $0, using: &generator) }
        down = channels.map { BatchNormalizedLinear($0, width, using: &generator) }
        interaction = UniPTInteraction(
            width: width, weighsStates: weighsStates, interacts: interacts, epsilon: epsilon, using: &generator)
        projection = BatchNormalizedLinear(width, width, using: &generator)
        self.rates = rates
    }

    public func callAsFunction(_ states: [Tensor], mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        require(states.count == down.count, "UniPT: \(states.count) maps, expected \(down.count)")
        let deepest = states[states.count - 1]
        let guide = down[down.count - 1](deepest, during: pass).places
        let others = queries.indices.map { index in
            let summed = salientSums(
                states[index], under: queries[index](deepest).relu(), rate: rates[index], epsilon: interaction.epsilon)
            return down[index](summed, during: pass).places
        }
        let fused = interaction(guide: guide, states: .stacked(others, along: 1), mask: nil)
        return guide + projection(fused, during: pass)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("queries", &queries)
        visitor.modules("down", &down)
        visitor.module("interaction", &interaction)
        visitor.module("projection", &projection)
    }
}

/// Of each cell of `rate · rate` pixels their sum, weighed by how much each resembles the query at the cell's place.
///
/// - Shapes: map `[N, H, W, C]`, queries `[N, h, w, C]` → `[N, h, w, C]`.
func salientSums(_ map: Tensor, under queries: Tensor, rate: Int, epsilon: Float) -> Tensor {
    let (height, width, channels) = (queries.shape[1], queries.shape[2], queries.shape[3])
    let pixels = map.cells(rate, height: height, width: width)  // [N · h · w, r², C]
    let saliency = matmul(pixels, queries.reshaped(pixels.shape[0], channels, 1)).relu()
    let weights = saliency.sharesOfSum(along: 1, epsilon: epsilon) + 1 / Float(rate * rate)
    return matmul(weights.transposed, pixels).reshaped(map.shape[0], height, width, channels)
}

extension Tensor {
    /// A map's pixels by the cell of `rate · rate` that they lie in; what lies beyond the map is zero.
    ///
    /// - Shapes: `[N, H, W, C]` → `[N · height · width, rate², C]`.
    func cells(_ rate: Int, height: Int, width: Int) -> Tensor {
        let (count, channels) = (shape[0], shape[3])
        let size = [height * rate, width * rate]
        var map = self
        for axis in 0..<2 {
            let missing = size[axis] - map.shape[axis + 1]
            if missing < 0 { map = map.slice(0..<size[axis], along: axis + 1) }
            if missing > 0 {
                var after = [0, 0, 0, 0]
                after[axis + 1] = missing
                map = map.padded(before: [0, 0, 0, 0], after: after)
            }
        }
        return map.reshaped(count, height, rate, width, rate, channels).permuted(0, 1, 3, 2, 4, 5)
            .reshaped(count * height * width, rate * rate, channels)
    }
}
