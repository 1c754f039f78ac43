import PandoTensor

/// Means of neighbouring vectors.
enum Pooling {
    /// Each group of `size` tokens in a row, or of `size × size` places of a map, as its mean; groups at the edge are
    /// of what there is.
    /// - Shapes: `[T, C]` → `[⌈T / size⌉, C]`; `[H, W, C]` → `[⌈H / size⌉, ⌈W / size⌉, C]`.
    /// - Precondition: as many values as the shape has places.
    static func means(of values: UnsafeBufferPointer<Float>, shape: [Int], size: Int) -> [Float] {
        require(values.count == shape.elementCount, "Pooling: \(values.count) values have not the shape \(shape)")
        // Tokens are a map of one column, in which groups are one wide.
        let (height, width, channels) = (shape[0], shape.count == 3 ? shape[1] : 1, shape[shape.count - 1])
        let across = shape.count == 3 ? size : 1
        let (rows, columns) = ((height + size - 1) / size, (width + across - 1) / across)
        var means = [Float](repeating: 0, count: rows * columns * channels)
        for row in 0..<height {
            for column in 0..<width {
                let target = ((row / size) * columns + column / across) * channels
                let source = (row * width + column) * channels
                for channel in 0..<channels { means[target + channel] += values[source + channel] }
            }
        }
        for row in 0..<rows {
            for column in 0..<columns {
                let count = min(size, height - row * size) * min(across, width - column * across)
                let start = (row * columns + column) * channels
                for channel in start..<start + channels { means[channel] /= Float(count) }
            }
        }
        return means
    }
}
