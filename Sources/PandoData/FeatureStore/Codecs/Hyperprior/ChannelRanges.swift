import PandoTensor

/// Between vectors of numbers and patches of a plane about zero.
///
/// `x = (clip((v - low) / width, 0, 1) - ½) · gain`, with each channel's own range. What is missing in patches at the edge
/// is zero.
struct ChannelRanges: Sendable {
    private let low, width: [Float]
    let gain: Float

    private static let side = HyperpriorModel.patchSize

    /// - Shapes: `rows` `[R, C]`.
    init(fitting rows: Tensor, percentile: Double, gain: Float) {
        let quantizer = ScalarQuantizer(
            fitting: rows.scalars(), channels: rows.shape[1], bits: 8, percentile: percentile)
        low = quantizer.low
        width = quantizer.step.map { $0 * Float(quantizer.levels) }
        self.gain = gain
    }

    private var columns: Int { (low.count + Self.side - 1) / Self.side }

    /// The patches of so many vectors.
    func patchCount(of count: Int) -> Int { (count + Self.side - 1) / Self.side * columns }

    /// - Shapes: `[R, C]` → `[P, 32, 32, 1]`, those of the same vectors one after another.
    func patches(of rows: Tensor) -> Tensor {
        let (count, channels, side) = (rows.shape[0], low.count, Self.side)
        require(rows.rank == 2 && rows.shape[1] == channels, "HyperpriorCoder: expected \(channels) channels, got rows \(rows.shape)")
        let strips = (count + side - 1) / side
        let plane = Tensor(unsafeUninitialized: [strips * side, columns * side], of: Float.self) { plane in
            plane.initialize(repeating: 0)
            rows.withScalars { values in
                for row in 0..<count {
                    let (from, to) = (row * channels, row * columns * side)
                    for channel in 0..<channels where width[channel] > 0 {
                        let place = (values[from + channel] - low[channel]) / width[channel]
                        plane[to + channel] = (Float.minimum(Float.maximum(place, 0), 1) - 0.5) * gain
                    }
                }
            }
        }
        return plane.reshaped(strips, side, columns, side).permuted(0, 2, 1, 3).reshaped(strips * columns, side, side, 1)
    }

    /// - Shapes: `[P, 32, 32, 1]` → `[count, C]`.
    func rows(from patches: Tensor, count: Int) -> Tensor {
        let (channels, side) = (low.count, Self.side)
        let plane = patches.reshaped(-1, columns, side, side).permuted(0, 2, 1, 3).contiguous()
        return Tensor(unsafeUninitialized: [count, channels], of: Float.self) { values in
            plane.withScalars { plane in
                for row in 0..<count {
                    let (from, to) = (row * columns * side, row * channels)
                    for channel in 0..<channels {
                        let place = plane[from + channel] / gain + 0.5
                        values[to + channel] = low[channel] + width[channel] * Float.minimum(Float.maximum(place, 0), 1)
                    }
                }
            }
        }
    }
}
