import Foundation
import PandoTensor

/// How a picture becomes a network's input: data, so that it travels with the weights.
///
/// A picture is resized, its middle cut out if `crop` says so, and each channel `c` of each pixel becomes
/// `(value · rescale − mean[c]) / deviation[c]`.
/// - Shapes: the result is `[H, W, 3]`, red, green, blue, with `H` and `W` of `outputSize`.
public struct Preprocessing: Sendable, Codable, Hashable {
    public enum Resize: Sendable, Codable, Hashable {
        /// The longer side fits; the picture stands in the middle, the rest is filled.
        case pad(PixelSize, fill: Color)
        /// Both sides fit, whatever becomes of the proportions.
        case squash(PixelSize)
        /// The shorter side becomes this long; needs a `crop`.
        case shortestEdge(Int)
    }

    /// How pixels between pixels are weighed. All but `nearest` average over what a smaller pixel covers.
    public enum Interpolation: String, Sendable, Codable, Hashable, CaseIterable {
        case nearest, bilinear, bicubic, lanczos
    }

    public var resize: Resize
    /// The size of the middle that is kept after resizing; nil keeps all.
    public var crop: PixelSize?
    public var interpolation: Interpolation
    /// What a channel's 0...255 are multiplied with.
    public var rescale: Float
    /// Subtracted after rescaling: red, green, blue.
    public var mean: [Float]
    /// Divided by at last: red, green, blue.
    public var deviation: [Float]

    public static let imageNetMean: [Float] = [0.485, 0.456, 0.406]
    public static let imageNetDeviation: [Float] = [0.229, 0.224, 0.225]

    /// - Precondition: `mean` and `deviation` have three values, no deviation is 0, sizes are positive, and the crop
    ///   is no larger than what it is cut from.
    public init(
        resize: Resize, crop: PixelSize? = nil, interpolation: Interpolation = .bilinear, rescale: Float = 1 / 255,
        mean: [Float] = imageNetMean, deviation: [Float] = imageNetDeviation
    ) {
        self.resize = resize
        self.crop = crop
        self.interpolation = interpolation
        self.rescale = rescale
        self.mean = mean
        self.deviation = deviation
        require(problem == nil, "Preprocessing: \(problem ?? "")")
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        resize = try fields.decode(Resize.self, forKey: .resize)
        crop = try fields.decodeIfPresent(PixelSize.self, forKey: .crop)
        interpolation = try fields.decode(Interpolation.self, forKey: .interpolation)
        rescale = try fields.decode(Float.self, forKey: .rescale)
        mean = try fields.decode([Float].self, forKey: .mean)
        deviation = try fields.decode([Float].self, forKey: .deviation)
        if let problem {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: problem))
        }
    }

    /// Drawings: the longer side scaled to `side`, the rest white, ImageNet's mean and deviation.
    public static func clipart(side: Int = 224) -> Preprocessing {
        Preprocessing(resize: .pad(PixelSize(side), fill: .white))
    }

    /// Photographs as torchvision prepares them: the shorter side scaled to `side / 0.875`, the middle cut out.
    public static func imageNet(side: Int = 224, interpolation: Interpolation = .bilinear) -> Preprocessing {
        Preprocessing(
            resize: .shortestEdge(Int((Float(side) / 0.875).rounded())), crop: PixelSize(side),
            interpolation: interpolation)
    }

    /// Width and height of every result.
    public var outputSize: PixelSize {
        if let crop { return crop }
        switch resize {
        case .pad(let size, _), .squash(let size): return size
        case .shortestEdge(let edge): return PixelSize(edge)
        }
    }

    /// Changes all sizes in proportion, so that results are squares of `side` pixels.
    public mutating func scale(to side: Int) {
        let old = outputSize
        switch resize {
        case .pad(_, let fill): resize = .pad(PixelSize(side), fill: fill)
        case .squash: resize = .squash(PixelSize(side))
        case .shortestEdge(let edge):
            resize = .shortestEdge(max((edge * side + old.width / 2) / old.width, side))
            crop = PixelSize(side)
        }
    }

    /// Values in one result: `H · W · 3`.
    public var outputCount: Int { outputSize.width * outputSize.height * 3 }

    /// A name for exactly these settings and this way of decoding: equal inputs and equal digests, equal pixels.
    public var digest: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        do {
            // The first word changes when decoding or resizing changes its results.
            let text = try Data("pixels-1 ".utf8) + encoder.encode(self)
            return SHA256.hash(data: text).hexadecimal
        } catch {
            stop("Preprocessing: cannot be encoded: \(error)")  // only a number that is not finite, which init refuses
        }
    }

    /// What is wrong with the settings, if anything.
    var problem: String? {
        let numbers = mean + deviation + [rescale]
        if mean.count != 3 || deviation.count != 3 {
            return "expected 3 values of mean and of deviation, got \(mean.count) and \(deviation.count)"
        }
        if !numbers.allSatisfy(\.isFinite) || deviation.contains(0) || rescale == 0 {
            return "expected finite mean \(mean), and deviation \(deviation) and rescale \(rescale) other than 0"
        }
        let room: PixelSize
        switch resize {
        case .pad(let size, _):
            if crop != nil { return "a padded picture is whole; expected no crop" }
            room = size
        case .squash(let size): room = size
        case .shortestEdge(let edge):
            if crop == nil { return "shortestEdge \(edge) needs a crop, or results would differ in size" }
            room = PixelSize(edge)
        }
        let crop = crop ?? room
        if !(1...16384).contains(room.width) || !(1...16384).contains(room.height) {
            return "expected a size of 1...16384 pixels, got \(room.width) x \(room.height)"
        }
        if crop.width < 1 || crop.height < 1 || crop.width > room.width || crop.height > room.height {
            return "the crop \(crop.width) x \(crop.height) does not fit into \(room.width) x \(room.height)"
        }
        return nil
    }
}
