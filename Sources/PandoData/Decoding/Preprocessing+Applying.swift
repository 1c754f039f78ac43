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
        let scaled: PixelSize
        switch resize {
        case .squash(let target):
            scaled = target
        case .shortestEdge(let edge):
            // As torchvision and Hugging Face do: the longer side is rounded down. A line as long as no photograph
            // is squeezed to what libvips can count.
            scaled =
                size.width <= size.height
                ? PixelSize(width: edge, height: min(edge * size.height / size.width, 1_000_000))
                : PixelSize(width: min(edge * size.width / size.height, 1_000_000), height: edge)
        case .pad(let target, let fill):
            let scale = min(Double(target.width) / Double(size.width), Double(target.height) / Double(size.height))
            let inner = PixelSize(
                width: min(target.width, max(1, Int((Double(size.width) * scale).rounded()))),
                height: min(target.height, max(1, Int((Double(size.height) * scale).rounded()))))
            return Fit(geometry: Geometry(whole: inner, interpolation: interpolation), frame: target, fill: fill)
        }
        let geometry = Geometry(scaled: scaled, crop: crop ?? scaled, interpolation: interpolation)
        return Fit(geometry: geometry, frame: geometry.crop, fill: .white)
    }

    /// The steps of one picture: what is asked of libvips, then the frame whose middle it stands in.
    struct Fit {
        var geometry: Geometry
        var frame: PixelSize
        var fill: Color

        func padded(_ picture: Image) -> Image {
            if frame == geometry.crop { return picture }
            var result = Image(width: frame.width, height: frame.height, filledWith: fill)
            result.draw(picture, left: (frame.width - picture.width) / 2, top: (frame.height - picture.height) / 2)
            return result
        }
    }
}
