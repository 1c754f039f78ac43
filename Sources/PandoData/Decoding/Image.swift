import PandoTensor

/// A picture in memory: RGB, 8 bits a channel, sRGB, row by row, three bytes a pixel.
public struct Image: Sendable, Hashable {
    public let width: Int
    public let height: Int
    /// `height * width * 3` values.
    public var pixels: [UInt8]

    /// - Precondition: `pixels` holds `height * width * 3` values.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        require(
            width > 0 && height > 0 && pixels.count == width * height * 3,
            "Image: \(width) x \(height) needs \(width * height * 3) values and a positive size, got \(pixels.count)")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// An image of one colour.
    public init(width: Int, height: Int, filledWith color: Color) {
        self.init(width: width, height: height, pixels: .init(repeating: 0, count: width * height * 3))
        fill(left: 0, top: 0, width: width, height: height, with: color)
    }

    /// The pixel in column `x` of row `y`, counted from the top left.
    public subscript(x: Int, y: Int) -> Color {
        get {
            let start = index(x, y)
            return Color(red: pixels[start], green: pixels[start + 1], blue: pixels[start + 2])
        }
        set {
            let start = index(x, y)
            (pixels[start], pixels[start + 1], pixels[start + 2]) = (newValue.red, newValue.green, newValue.blue)
        }
    }

    private func index(_ x: Int, _ y: Int) -> Int {
        require(
            (0..<width).contains(x) && (0..<height).contains(y),
            "Image: pixel (\(x), \(y)) is outside \(width) x \(height)")
        return (y * width + x) * 3
    }
}

/// An sRGB colour, 8 bits a channel.
public struct Color: Sendable, Hashable, Codable {
    public var red: UInt8
    public var green: UInt8
    public var blue: UInt8

    public init(red: UInt8, green: UInt8, blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    public static let white = Color(red: 255, green: 255, blue: 255)
    public static let black = Color(red: 0, green: 0, blue: 0)

    /// This colour seen through `other` laid over it.
    /// - Parameter coverage: how much of the pixel `other` covers, 0...1.
    public func blended(with other: Color, coverage: Float) -> Color {
        func mix(_ below: UInt8, _ above: UInt8) -> UInt8 {
            UInt8((Float(below) + (Float(above) - Float(below)) * min(max(coverage, 0), 1)).rounded())
        }
        return Color(red: mix(red, other.red), green: mix(green, other.green), blue: mix(blue, other.blue))
    }
}

/// A width and a height in pixels.
public struct PixelSize: Sendable, Hashable, Codable {
    public var width: Int
    public var height: Int

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// A square.
    public init(_ side: Int) { self.init(width: side, height: side) }
}
