import CImaging

extension Image {
    /// Paints a rectangle; what lies outside the image is left away.
    public mutating func fill(left: Int, top: Int, width: Int, height: Int, with color: Color) {
        for y in max(top, 0)..<max(min(top + height, self.height), max(top, 0)) {
            for x in max(left, 0)..<max(min(left + width, self.width), max(left, 0)) { self[x, y] = color }
        }
    }

    /// Copies `other` here with its top left corner at (`left`, `top`); what lies outside is left away.
    public mutating func draw(_ other: Image, left: Int, top: Int) {
        let columns = max(0, -left)..<max(min(other.width, width - left), max(0, -left))
        for y in max(0, -top)..<max(min(other.height, height - top), max(0, -top)) where !columns.isEmpty {
            let source = (y * other.width + columns.lowerBound) * 3
            let target = ((y + top) * width + columns.lowerBound + left) * 3
            pixels.replaceSubrange(
                target..<target + columns.count * 3, with: other.pixels[source..<source + columns.count * 3])
        }
    }

    /// Writes one line of text with its top left corner at (`left`, `top`).
    ///
    /// A text wider than `maximumWidth` is cut and ends in an ellipsis. Empty text draws nothing.
    /// - Parameter font: a Pango description, such as "sans 9".
    public mutating func draw(
        text: String, left: Int, top: Int, maximumWidth: Int, font: String = "sans 9", color: Color = .black
    ) throws(ImageError) {
        let line = String(text.map { $0.isNewline || $0 == "\0" ? " " : $0 })
        guard line.contains(where: { !$0.isWhitespace }) else { return }
        var mask = try TextMask(line, font: font)
        if mask.width > maximumWidth {
            // The longest beginning that fits, found by halving.
            var (fits, tooLong) = (0, line.count)
            while tooLong - fits > 1 {
                let middle = (fits + tooLong) / 2
                mask = try TextMask(line.prefix(middle) + "…", font: font)
                if mask.width <= maximumWidth { fits = middle } else { tooLong = middle }
            }
            mask = try TextMask(line.prefix(fits) + "…", font: font)
        }
        for y in 0..<mask.height where (0..<height).contains(y + top) {
            for x in 0..<mask.width where (0..<width).contains(x + left) && x < maximumWidth {
                let ink = mask.coverage[y * mask.width + x]
                if ink > 0 {
                    self[x + left, y + top] = self[x + left, y + top].blended(with: color, coverage: Float(ink) / 255)
                }
            }
        }
    }
}

/// A text drawn by libvips, as ink: 0 (paper) ... 255.
private struct TextMask {
    let width, height: Int
    let coverage: [UInt8]

    init(_ text: some StringProtocol, font: String) throws(ImageError) {
        try VipsLibrary.start()
        var bytes: UnsafeMutablePointer<UInt8>?
        var (width, height): (Int32, Int32) = (0, 0)
        let message = VipsLibrary.withMessage {
            ci_draw_text(String(text), font, &bytes, &width, &height, $0) == 0
        }
        guard let bytes else {
            throw ImageError(source: "text \"\(text)\" in \(font)", reason: .notMade(message ?? "no pixels"))
        }
        defer { ci_free(bytes) }
        (self.width, self.height) = (Int(width), Int(height))
        coverage = Array(UnsafeBufferPointer(start: bytes, count: self.width * self.height))
    }
}
