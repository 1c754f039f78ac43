import PandoNN
import PandoTensor

/// Attention within windows and a perceptron of two layers, each of the normalised input and added to it.
///
/// - Source: Liu et al. 2021 (arXiv:2103.14030), equations 3 and 4.
struct SwinBlock: Module {
    var attentionNorm: LayerNorm
    /// Query, key and value in one.
    var projections: Linear
    var attentionOutput: Linear
    /// For each head, what is added to the scores of two patches that stand so far apart.
    var positionBias: Tensor
    var perceptronNorm: LayerNorm
    var expansion, contraction: Linear
    let headCount: Int
    let activation: Activation

    init(_ width: Int, headCount: Int, _ configuration: SwinConfiguration) {
        let inner = Int(Double(width) * configuration.expansion)
        attentionNorm = LayerNorm(width, epsilon: configuration.epsilon)
        projections = .blank(width, 3 * width, bias: configuration.hasProjectionBias)
        attentionOutput = .blank(width, width)
        let reach = 2 * configuration.windowSize - 1
        positionBias = .zeros([reach * reach, headCount])
        perceptronNorm = LayerNorm(width, epsilon: configuration.epsilon)
        (expansion, contraction) = (.blank(width, inner), .blank(inner, width))
        self.headCount = headCount
        activation = configuration.activation.function
    }

    /// - Shapes: `[N, H, W, C]` → the same.
    func callAsFunction(_ x: Tensor, _ layout: WindowLayout) -> Tensor {
        if layout.isTiled {
            // All of the block goes place by place but for the attention, so it can stay in windows.
            let windows = layout.windows(of: x)
            return layout.map(of: perceived(attended(attentionNorm(windows), layout) + windows))
        }
        // What fills the map up is zero after the norm, not before.
        let mixed = attended(layout.windows(of: attentionNorm(x)), layout)
        return perceived(layout.map(of: mixed) + x)
    }

    private func perceived(_ x: Tensor) -> Tensor {
        contraction(expansion(perceptronNorm(x)).applying(activation)) + x
    }

    /// - Shapes: `[N, windows · T, C]` → the same.
    private func attended(_ x: Tensor, _ layout: WindowLayout) -> Tensor {
        let (places, features) = (layout.placesPerWindow, x.shape[2])
        let projected = projections(x).reshaped(-1, places, 3, headCount, features / headCount)
        func heads(_ index: Int) -> Tensor {  // [N · windows, T, 3, heads, D] → [N · windows, heads, T, D]
            projected.slice(index..<index + 1, along: 2).reshaped(-1, places, headCount, features / headCount)
                .permuted(0, 2, 1, 3)
        }
        let mixed = attention(
            query: heads(0), key: heads(1), value: heads(2), mask: layout.mask(positionBias, samples: x.shape[0]))
        return attentionOutput(mixed.permuted(0, 2, 1, 3).reshaped(x.shape))
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm1", &attentionNorm)
        visitor.enter("attn")
        visitor.module("qkv", &projections)
        visitor.module("proj", &attentionOutput)
        visitor.parameter("relative_position_bias_table", &positionBias)
        visitor.leave()
        visitor.module("norm2", &perceptronNorm)
        visitor.enter("mlp")
        visitor.module("fc1", &expansion)
        visitor.module("fc2", &contraction)
        visitor.leave()
    }
}

/// How a map is cut into windows, and which of their places see one another.
///
/// Where windows are shifted by half their side, the map is first rolled up and to the left. Places that came round
/// the edge share windows with places that they are no neighbours of, and do not see those.
/// - Source: Liu et al. 2021 (arXiv:2103.14030), section 3.2 and figure 4.
struct WindowLayout {
    /// Whether windows tile the map as it is.
    let isTiled: Bool
    let placesPerWindow: Int
    private let height, width: Int
    private let paddedHeight, paddedWidth: Int
    /// For each place of each window, its place in the map filled up, row by row.
    private let order: [Int64]
    /// For each place of each window, the region that it came from; empty if all see each other.
    private let regions: [Int32]
    /// For each pair of places of a window, the row of the table of position biases.
    private let distances: Tensor

    init(height: Int, width: Int, isShifted: Bool, _ configuration: SwinConfiguration) {
        let window = configuration.windowSize
        (self.height, self.width) = (height, width)
        let sides = [height, width].map { ($0 + window - 1) / window * window }
        (paddedHeight, paddedWidth) = (sides[0], sides[1])
        isTiled = sides == [height, width]
        placesPerWindow = window * window
        let isSingle = configuration.shiftsTogether ? [min(height, width) <= window] : sides.map { $0 <= window }
        let shifts = sides.indices.map { axis in
            isShifted && !isSingle[min(axis, isSingle.count - 1)] ? window / 2 : 0
        }
        func region(_ place: Int, _ axis: Int) -> Int32 {
            if shifts[axis] == 0 || place < sides[axis] - window { return 0 }
            return place < sides[axis] - shifts[axis] ? 1 : 2
        }
        var order: [Int64] = []
        var regions: [Int32] = []
        order.reserveCapacity(sides[0] * sides[1])
        for top in stride(from: 0, to: sides[0], by: window) {
            for left in stride(from: 0, to: sides[1], by: window) {
                for row in top..<top + window {
                    for column in left..<left + window {
                        let (from, to) = ((row + shifts[0]) % sides[0], (column + shifts[1]) % sides[1])
                        order.append(Int64(from * sides[1] + to))
                        regions.append(region(row, 0) * 3 + region(column, 1))
                    }
                }
            }
        }
        self.order = order
        self.regions = shifts == [0, 0] ? [] : regions
        let reach = 2 * window - 1
        var distances: [Int64] = []
        for query in 0..<placesPerWindow {
            for key in 0..<placesPerWindow {
                let (down, right) = (query / window - key / window, query % window - key % window)
                distances.append(Int64((down + window - 1) * reach + right + window - 1))
            }
        }
        self.distances = Tensor(distances)
    }

    /// - Shapes: `[N, H, W, C]` → `[N, windows · T, C]`.
    func windows(of map: Tensor) -> Tensor {
        let filled = isTiled
            ? map
            : map.padded(before: [0, 0, 0, 0], after: [0, paddedHeight - height, paddedWidth - width, 0])
        return filled.reshaped(map.shape[0], order.count, map.shape[3]).gathered(at: Tensor(order), along: 1)
    }

    /// The inverse of `windows(of:)`.
    func map(of windows: Tensor) -> Tensor {
        var places = [Int64](repeating: 0, count: order.count)
        for (place, source) in order.enumerated() { places[Int(source)] = Int64(place) }
        let seen = isTiled
            ? places : (0..<height).flatMap { places[$0 * paddedWidth..<$0 * paddedWidth + width] }
        return windows.gathered(at: Tensor(seen), along: 1).reshaped(windows.shape[0], height, width, windows.shape[2])
    }

    /// What is added to the scores: position biases, and -100 where places do not see each other.
    ///
    /// - Shapes: `table` `[distances, heads]` → `[1, heads, T, T]`, or `[N · windows, heads, T, T]` for shifted windows.
    func mask(_ table: Tensor, samples: Int) -> Tensor {
        let heads = table.shape[1]
        let biases = table.gathered(at: distances).transposed.contiguous()
            .reshaped(1, heads, placesPerWindow, placesPerWindow)
        if regions.isEmpty { return biases }
        let windowCount = order.count / placesPerWindow
        var hidden = [Float](repeating: 0, count: order.count * placesPerWindow)
        for window in 0..<windowCount {
            let places = regions[window * placesPerWindow..<(window + 1) * placesPerWindow]
            var index = window * placesPerWindow * placesPerWindow
            for query in places {
                for key in places {
                    if query != key { hidden[index] = -100 }
                    index += 1
                }
            }
        }
        let masks = biases + Tensor(hidden, shape: [windowCount, 1, placesPerWindow, placesPerWindow])
        return samples == 1
            ? masks
            : masks.expanded(at: 0).broadcast(to: [samples] + masks.shape).reshaped([-1] + Array(masks.shape.dropFirst()))
    }
}
