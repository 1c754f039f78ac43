// Features of boxes, read from a map.

extension Tensor {
    /// RoIAlign: for each box a small map, whose pixels are means of values read between the map's pixels at regular
    /// places. Equals torchvision's `roi_align`.
    ///
    /// Each bin of a box is sampled at `samplesPerBin²` places, or, without a number, at as many along each axis as
    /// the bin has pixels, rounded up. Places more than a pixel outside the map count as zeros. Boxes get no gradient.
    /// - Shapes: `[N, H, W, C]` and boxes `[K, 5]` → `[K, height, width, C]`.
    /// - Parameters:
    ///   - boxes: the sample's index and x1, y1, x2, y2, in units of which `scale` makes pixels of the map.
    ///   - aligned: whether pixel centres lie at halves; if not, at whole numbers, and boxes are at least a pixel wide
    ///     and high.
    /// - Source: He et al. 2017, Mask R-CNN (arXiv:1703.06870), section 3.
    public func regionAligned(
        in boxes: Tensor, height: Int, width: Int, scale: Float = 1, samplesPerBin: Int? = nil, aligned: Bool = true
    ) -> Tensor {
        require(
            rank == 4 && shape[1] > 0 && shape[2] > 0, "region align: shape \(shape) is no map [N, H, W, C] of pixels")
        require(boxes.rank == 2 && boxes.shape[1] == 5, "region align: boxes have shape \(boxes.shape), expected [K, 5]")
        require(
            height > 0 && width > 0 && samplesPerBin ?? 1 > 0,
            "region align: \(height) × \(width) bins of \(samplesPerBin ?? 1) samples, expected at least one")
        requireFloatingPoint("region align")
        boxes.requireFloatingPoint("region align")
        let operation = RegionAlign(
            height: height, width: width, scale: Double(scale), samplesPerBin: samplesPerBin, aligned: aligned)
        return Tensor.applying(operation, to: cast(to: .float32), boxes.cast(to: .float32).detached)
            .cast(to: elementType)
    }
}

/// Inputs: map `[N, H, W, C]` and boxes `[K, 5]`, both `float32`.
struct RegionAlign: Operation {
    let height: Int
    let width: Int
    let scale: Double
    let samplesPerBin: Int?
    let aligned: Bool

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (shape, boxes) = (inputs[0].shape, inputs[1])
        return inputs[0].withScalars { map in
            Tensor(unsafeUninitialized: [boxes.shape[0], height, width, shape[3]], of: Float.self) { target in
                target.initialize(repeating: 0)
                forEachTap(boxes, shape) { bin, pixel, weight in
                    addScaled(map, pixel * shape[3], weight, target, bin * shape[3], shape[3])
                }
            }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let result = gradient.withScalars { gradient in
            Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                target.initialize(repeating: 0)
                forEachTap(saved.input(1), shape) { bin, pixel, weight in
                    addScaled(gradient, bin * shape[3], weight, target, pixel * shape[3], shape[3])
                }
            }
        }
        return [result, nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([1]) }

    /// Calls `body` for each pixel of the map that a bin of a box is made of, with its weight.
    @inline(__always)
    private func forEachTap(
        _ boxes: Tensor, _ shape: [Int], _ body: (_ bin: Int, _ pixel: Int, _ weight: Float) -> Void
    ) {
        boxes.withScalars { boxes in
            for box in 0..<boxes.count / 5 {
                let corners = (1...4).map { Double(boxes[box * 5 + $0]) * scale - (aligned ? 0.5 : 0) }
                let sample = Int(exactly: boxes[box * 5]) ?? -1
                require(
                    (0..<shape[0]).contains(sample),
                    "region align: box \(box) is of sample \(boxes[box * 5]), outside 0..<\(shape[0])")
                let rows = axisTaps(corners[1], corners[3], height, shape[1])
                let columns = axisTaps(corners[0], corners[2], width, shape[2])
                for (row, rowTaps) in rows.enumerated() {
                    for (column, columnTaps) in columns.enumerated() {
                        let bin = (box * height + row) * width + column
                        for y in rowTaps {
                            for x in columnTaps {
                                let pixel = (sample * shape[1] + y.pixel) * shape[2] + x.pixel
                                body(bin, pixel, Float(y.weight * x.weight))
                            }
                        }
                    }
                }
            }
        }
    }

    /// For each of `bins` bins from `start` to `end`, the pixels along one axis of `size` and their weights.
    private func axisTaps(_ start: Double, _ end: Double, _ bins: Int, _ size: Int) -> [[(pixel: Int, weight: Double)]] {
        let length = aligned ? end - start : max(end - start, 1)
        let bin = length / Double(bins)
        require(bin.isFinite && bin < 1e6, "region align: a box reaches from \(start) to \(end)")
        let count = samplesPerBin ?? max(Int(bin.rounded(.up)), 0)
        return (0..<bins).map { index in
            (0..<count).flatMap { sample -> [(pixel: Int, weight: Double)] in
                let place = start + (Double(index) + (Double(sample) + 0.5) / Double(count)) * bin
                guard place >= -1 && place <= Double(size) else { return [] }
                let inside = max(place, 0)
                let first = min(Int(inside), size - 1)
                if first == size - 1 { return [(first, 1 / Double(count))] }
                let part = inside - Double(first)
                return [(first, (1 - part) / Double(count)), (first + 1, part / Double(count))]
            }
        }
    }
}
