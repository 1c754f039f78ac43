import Foundation
import PandoTensor

/// How a picture becomes a network's input: data, so that it travels with the weights.
///
/// A picture is resized, its middle cut out if `crop` says so (black where it does not reach, or the padding's
/// colour), and each channel `c` of each pixel becomes
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
        /// One side fits, the other is as long or longer; needs a `crop`.
        case cover(PixelSize)
        /// The picture keeps its size; needs a `crop`.
        case keep
    }

    /// How pixels between pixels are weighed. All but `nearest` average over what a smaller pixel covers, as Pillow
    /// does.
    public enum Interpolation: String, Sendable, Codable, Hashable, CaseIterable {
        case nearest, box, bilinear, hamming, bicubic, lanczos
    }

    /// Where the middle begins when what is cut away cannot be shared evenly: the world's libraries do not agree.
    public enum Centering: String, Sendable, Codable, Hashable {
        /// Rounded down, as Hugging Face's processors do; a picture that is too small then stands lower by half.
        case down
        /// Halves go to the even number, as in torchvision; a picture that is too small stands higher by half.
        case even

        /// Where the middle `part` of `whole` places begins; negative where the part is larger than the whole.
        func start(of part: Int, in whole: Int) -> Int {
            let room = whole - part
            switch self {
            case .down: return room >> 1
            case .even: return room < 0 ? room / 2 : Int((Double(room) / 2).rounded(.toNearestOrEven))
            }
        }
    }

    public var resize: Resize
    /// The size of the middle that is kept after resizing; nil keeps all.
    public var crop: PixelSize?
    public var centering: Centering
    public var interpolation: Interpolation
    /// What a channel's 0...255 are multiplied with.
    public var rescale: Float
    /// Subtracted after rescaling: red, green, blue.
    public var mean: [Float]
    /// Divided by at last: red, green, blue.
    public var deviation: [Float]

    public static let imageNetMean: [Float] = [0.485, 0.456, 0.406]
    public static let imageNetDeviation: [Float] = [0.229, 0.224, 0.225]

    /// - Precondition: `mean` and `deviation` have three values, no deviation is 0, sizes are positive, and there is
    ///   a crop where results would differ in size without.
    public init(
        resize: Resize, crop: PixelSize? = nil, centering: Centering = .down, interpolation: Interpolation = .bilinear, rescale: Float = 1 / 255,
        mean: [Float] = imageNetMean, deviation: [Float] = imageNetDeviation
    ) {
        self.resize = resize
        self.crop = crop
        self.centering = centering
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
        centering = try fields.decodeIfPresent(Centering.self, forKey: .centering) ?? .down
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
            resize: .shortestEdge(Int((Float(side) / 0.875).rounded())), crop: PixelSize(side), centering: .even,
            interpolation: interpolation)
    }

    /// Width and height of every result.
    public var outputSize: PixelSize {
        if let crop { return crop }
        switch resize {
        case .pad(let size, _), .squash(let size), .cover(let size): return size
        case .shortestEdge(let edge): return PixelSize(edge)
        case .keep: stop("Preprocessing: pictures that keep their size need a crop")
        }
    }

    /// Changes all sizes in proportion, so that results are squares of `side` pixels.
    public mutating func scale(to side: Int) {
        let old = outputSize
        func scaled(_ length: Int, _ output: Int) -> Int { max((length * side + output / 2) / output, side) }
        func scaled(_ size: PixelSize) -> PixelSize {
            PixelSize(width: scaled(size.width, old.width), height: scaled(size.height, old.height))
        }
        switch resize {
        case .pad(let size, let fill): resize = .pad(crop == nil ? PixelSize(side) : scaled(size), fill: fill)
        case .squash(let size): resize = .squash(crop == nil ? PixelSize(side) : scaled(size))
        case .cover(let size): resize = .cover(scaled(size))
        case .shortestEdge(let edge): resize = .shortestEdge(scaled(edge, old.width))
        case .keep: break
        }
        if crop != nil { crop = PixelSize(side) }
    }

    /// Values in one result: `H · W · 3`.
    public var outputCount: Int { outputSize.width * outputSize.height * 3 }

    /// A name for exactly these settings and this way of decoding: equal inputs and equal digests, equal pixels.
    public var digest: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        do {
            // The first word changes when decoding or resizing changes its results.
            let text = try Data("pixels-2 ".utf8) + encoder.encode(self)
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
        var sizes = crop.map { [$0] } ?? []
        switch resize {
        case .pad(let size, _), .squash(let size): sizes.append(size)
        case .cover(let size):
            if crop == nil { return "a resize that covers needs a crop, or results would differ in size" }
            sizes.append(size)
        case .shortestEdge(let edge):
            if crop == nil { return "shortestEdge \(edge) needs a crop, or results would differ in size" }
            sizes.append(PixelSize(edge))
        case .keep:
            if crop == nil { return "pictures that keep their size need a crop, or results would differ in size" }
        }
        for size in sizes where !(1...16384).contains(size.width) || !(1...16384).contains(size.height) {
            return "expected a size of 1...16384 pixels, got \(size.width) x \(size.height)"
        }
        return nil
    }
}
