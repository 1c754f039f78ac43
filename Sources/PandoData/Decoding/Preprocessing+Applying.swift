import PandoTensor

extension Preprocessing {
    /// The network input for a picture of any size.
    /// - Shapes: `[H, W, 3]`, row by row.
    public func callAsFunction(_ image: Image) throws(ImageError) -> [Float] {
        let fitted = try image.fitted(to: self)
        return [Float](unsafeUninitializedCapacity: outputCount) { buffer, count in
            normalize(fitted, into: UnsafeMutableBufferPointer(start: buffer.baseAddress, count: outputCount))
            count = outputCount
        }
    }

    /// Writes the network input for a picture that already has `outputSize`.
    /// - Precondition: `image` has `outputSize` and `values` holds `outputCount` floats.
    public func normalize(_ image: Image, into values: UnsafeMutableBufferPointer<Float>) {
        require(
            image.pixels.count == outputCount && values.count == outputCount,
            "normalize: expected \(outputCount) values for \(outputSize), got \(image.pixels.count) into \(values.count)"
        )
        // Three channels of 256 possible values each.
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 768) { table in
            for channel in 0..<3 {
                for value in 0..<256 {
                    table[channel * 256 + value] = (Float(value) * rescale - mean[channel]) / deviation[channel]
                }
            }
            image.pixels.withUnsafeBufferPointer { pixels in
                var place = 0
                while place < pixels.count {
                    values[place] = table[Int(pixels[place])]
                    values[place + 1] = table[256 + Int(pixels[place + 1])]
                    values[place + 2] = table[512 + Int(pixels[place + 2])]
                    place += 3
                }
            }
        }
    }

    /// How a picture of `size` comes to `outputSize`.
    func fit(of size: PixelSize) -> Fit {
        let (width, height) = (Double(size.width), Double(size.height))
        /// The picture shrunk, or grown, by a ratio of its sides to what they should be.
        func scaled(by ratio: Double) -> PixelSize {
            func side(_ length: Double) -> Int {
                max(1, Int(min((length / ratio).rounded(.toNearestOrEven), Self.longestSide)))
            }
            return PixelSize(width: side(width), height: side(height))
        }
        switch resize {
        case .squash(let target):
            return Fit(scaled: target, frame: crop ?? target, centering, interpolation, fill: .black)
        case .shortestEdge(let edge):
            // As torchvision and Hugging Face do: the longer side is rounded down. A line as long as no photograph
            // is squeezed to what can be counted.
            let longest = Int(Self.longestSide)
            let scaled =
                size.width <= size.height
                ? PixelSize(width: edge, height: min(edge * size.height / size.width, longest))
                : PixelSize(width: min(edge * size.width / size.height, longest), height: edge)
            return Fit(scaled: scaled, frame: crop ?? scaled, centering, interpolation, fill: .black)
        case .cover(let target):
            let scaled = scaled(by: min(width / Double(target.width), height / Double(target.height)))
            return Fit(scaled: scaled, frame: crop ?? scaled, centering, interpolation, fill: .black)
        case .keep:
            return Fit(scaled: size, frame: crop ?? size, centering, interpolation, fill: .black)
        case .pad(let target, let fill):
            let scaled = scaled(by: max(width / Double(target.width), height / Double(target.height)))
            return Fit(scaled: scaled, frame: crop ?? target, .even, interpolation, fill: fill)
        }
    }

    /// Longest side of a scaled picture, before its middle is cut out.
    private static let longestSide = 1_000_000.0

    /// The steps of one picture: how it is scaled and what is cut out of that, then the frame in which it stands.
    struct Fit {
        var geometry: Geometry
        var frame: PixelSize
        /// Where in the frame the cut begins.
        var left, top: Int
        var fill: Color

        /// The middle `frame` of a picture scaled to `scaled`; `fill` where the frame is larger.
        init(
            scaled: PixelSize, frame: PixelSize, _ centering: Centering, _ interpolation: Interpolation, fill: Color
        ) {
            let x = centering.start(of: frame.width, in: scaled.width)
            let y = centering.start(of: frame.height, in: scaled.height)
            geometry = Geometry(
                scaled: scaled, cropLeft: max(x, 0), cropTop: max(y, 0),
                crop: PixelSize(width: min(frame.width, scaled.width), height: min(frame.height, scaled.height)),
                interpolation: interpolation)
            self.frame = frame
            (left, top) = (max(-x, 0), max(-y, 0))
            self.fill = fill
        }

        func padded(_ picture: Image) -> Image {
            if frame == geometry.crop { return picture }
            var result = Image(width: frame.width, height: frame.height, filledWith: fill)
            result.draw(picture, left: left, top: top)
            return result
        }
    }
}
