import Foundation

/// A `preprocessor_config.json` that cannot be used: every problem found, by key.
public struct PreprocessingError: Error, Sendable, Hashable, CustomStringConvertible {
    public var file: String
    public var problems: [String]

    public var description: String {
        "\(file): " + (problems.count == 1 ? problems[0] : problems.map { "\n  - " + $0 }.joined())
    }
}

/// Reading and writing `preprocessor_config.json`, the file that Hugging Face stores beside a model's weights.
///
/// | key | meaning here |
/// |---|---|
/// | `do_resize`, `size` | `{"height", "width"}`: squash. `{"shortest_edge"}`: that resize. `{"longest_edge"}` with `pad_size`: pad. A bare number: the shortest edge if a crop follows, else squash |
/// | `crop_pct` (ConvNeXt) | below 384 pixels: shortest edge `size / crop_pct`, cut to `size`; else squash |
/// | `do_center_crop`, `crop_size` | the crop; a number means a square |
/// | `do_pad`, `pad_size`, `pad_color` | the frame of a padded picture; `pad_color` is ours, 0...255, black without |
/// | `resample` | Pillow's number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic |
/// | `do_rescale`, `rescale_factor` | the factor, 1/255 without, 1 when `do_rescale` is false |
/// | `do_normalize`, `image_mean`, `image_std` | mean and deviation; 0 and 1 when `do_normalize` is false |
extension Preprocessing {
    /// - Throws: `PreprocessingError` naming each key that is missing or cannot be followed.
    public init(configuration url: URL) throws(PreprocessingError) {
        let file: ConfigurationFile
        do {
            file = try JSONDecoder().decode(ConfigurationFile.self, from: Data(contentsOf: url))
        } catch let error as DecodingError {
            throw PreprocessingError(file: url.path, problems: [error.sentence])
        } catch {
            throw PreprocessingError(file: url.path, problems: [error.localizedDescription])
        }
        var reading = ConfigurationReading(file: file)
        guard let preprocessing = reading.preprocessing(), reading.problems.isEmpty else {
            throw PreprocessingError(file: url.path, problems: reading.problems)
        }
        self = preprocessing
    }

    /// The same settings as `preprocessor_config.json`.
    public func encodedConfiguration() throws -> Data {
        var file = ConfigurationFile()
        file.doResize = true
        switch resize {
        case .squash(let size):
            file.size = .object(["height": size.height, "width": size.width])
        case .shortestEdge(let edge):
            file.size = .object(["shortest_edge": edge])
        case .pad(let size, let fill):
            file.size = .object(["longest_edge": max(size.width, size.height)])
            file.doPad = true
            file.padSize = .object(["height": size.height, "width": size.width])
            file.padColor = [fill.red, fill.green, fill.blue]
        }
        file.doCenterCrop = crop != nil
        file.cropSize = crop.map { .object(["height": $0.height, "width": $0.width]) }
        file.resample = interpolation.pillowNumber
        file.doRescale = true
        file.rescaleFactor = Double(rescale)
        file.doNormalize = true
        file.imageMean = mean.map(Double.init)
        file.imageStd = deviation.map(Double.init)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(file)
    }
}

/// The file, key by key.
private struct ConfigurationFile: Codable {
    /// A number, or named numbers.
    enum Size: Codable {
        case number(Int)
        case object([String: Int])

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            do {
                self = .number(try value.decode(Int.self))
            } catch DecodingError.typeMismatch {
                self = .object(try value.decode([String: Int].self))
            }
        }

        func encode(to encoder: any Encoder) throws {
            var value = encoder.singleValueContainer()
            switch self {
            case .number(let number): try value.encode(number)
            case .object(let object): try value.encode(object)
            }
        }
    }

    var imageProcessorType: String?
    var doResize, doCenterCrop, doRescale, doNormalize, doPad: Bool?
    var size, cropSize, padSize: Size?
    var padColor: [UInt8]?
    var cropPct, rescaleFactor: Double?
    var resample: Int?
    var imageMean, imageStd: [Double]?

    enum CodingKeys: String, CodingKey {
        case imageProcessorType = "image_processor_type"
        case doResize = "do_resize"
        case doCenterCrop = "do_center_crop"
        case doRescale = "do_rescale"
        case doNormalize = "do_normalize"
        case doPad = "do_pad"
        case size
        case cropSize = "crop_size"
        case padSize = "pad_size"
        case padColor = "pad_color"
        case cropPct = "crop_pct"
        case rescaleFactor = "rescale_factor"
        case resample
        case imageMean = "image_mean"
        case imageStd = "image_std"
    }
}

/// Follows the file's keys, and notes what cannot be followed.
private struct ConfigurationReading {
    let file: ConfigurationFile
    var problems: [String] = []

    init(file: ConfigurationFile) { self.file = file }

    mutating func preprocessing() -> Preprocessing? {
        var crop: PixelSize?
        if file.doCenterCrop ?? (file.cropSize != nil) {
            crop = file.cropSize.flatMap { square($0, key: "crop_size") }
            if file.cropSize == nil { problems.append("`do_center_crop` is true and `crop_size` is missing") }
        }
        let resize = resize(crop: &crop)
        let interpolation = interpolation()
        let normalizes = file.doNormalize ?? true
        if normalizes && (file.imageMean == nil || file.imageStd == nil) {
            problems.append("`do_normalize` is not false, and `image_mean` or `image_std` is missing")
        }
        guard let resize, let interpolation, problems.isEmpty else { return nil }
        var result = Preprocessing.clipart()
        result.resize = resize
        result.crop = crop
        result.interpolation = interpolation
        result.rescale = file.doRescale ?? true ? Float(file.rescaleFactor ?? 1.0 / 255) : 1
        result.mean = normalizes ? (file.imageMean ?? []).map(Float.init) : [0, 0, 0]
        result.deviation = normalizes ? (file.imageStd ?? []).map(Float.init) : [1, 1, 1]
        if let problem = result.problem { problems.append(problem) }
        return result
    }

    private mutating func resize(crop: inout PixelSize?) -> Preprocessing.Resize? {
        guard file.doResize ?? true, let size = file.size else {
            problems.append("expected `do_resize` and a `size`: pictures of any size must become one size")
            return nil
        }
        switch size {
        case .number(let edge):
            return crop == nil ? .squash(PixelSize(edge)) : .shortestEdge(edge)
        case .object(let sides):
            if let width = sides["width"], let height = sides["height"] {
                return .squash(PixelSize(width: width, height: height))
            }
            if let edge = sides["shortest_edge"], let share = file.cropPct, share > 0 {
                if edge >= 384 { return .squash(PixelSize(edge)) }
                crop = PixelSize(edge)
                return .shortestEdge(Int(Double(edge) / share))
            }
            if let edge = sides["shortest_edge"] { return .shortestEdge(edge) }
            if let edge = sides["longest_edge"], file.doPad == true {
                let fill = file.padColor ?? [0, 0, 0]
                if fill.count != 3 { problems.append("expected 3 values in `pad_color`, got \(fill.count)") }
                let frame = file.padSize.flatMap { square($0, key: "pad_size") } ?? PixelSize(edge)
                let color = fill.count == 3 ? Color(red: fill[0], green: fill[1], blue: fill[2]) : .black
                return .pad(frame, fill: color)
            }
            problems.append(
                """
                `size` has the keys \(sides.keys.sorted()); expected `height` and `width`, `shortest_edge`, or \
                `longest_edge` with `do_pad`
                """)
            return nil
        }
    }

    private mutating func square(_ size: ConfigurationFile.Size, key: String) -> PixelSize? {
        switch size {
        case .number(let side): return PixelSize(side)
        case .object(let sides):
            if let width = sides["width"], let height = sides["height"] {
                return PixelSize(width: width, height: height)
            }
            problems.append("`\(key)` has the keys \(sides.keys.sorted()); expected `height` and `width`")
            return nil
        }
    }

    private mutating func interpolation() -> Preprocessing.Interpolation? {
        let number = file.resample ?? 2
        let known = Preprocessing.Interpolation.allCases.first { $0.pillowNumber == number }
        if known == nil {
            problems.append("`resample` is \(number); expected 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)")
        }
        return known
    }
}

extension Preprocessing.Interpolation {
    /// Pillow's number for the same filter.
    fileprivate var pillowNumber: Int {
        switch self {
        case .nearest: 0
        case .lanczos: 1
        case .bilinear: 2
        case .bicubic: 3
        }
    }
}

extension DecodingError {
    /// Which key holds what it should not.
    package var sentence: String {
        func place(_ context: Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
            return path.isEmpty ? "the file" : "`\(path.joined(separator: "."))`"
        }
        switch self {
        case .typeMismatch(let type, let context): return "\(place(context)) is not of type \(type)"
        case .valueNotFound(let type, let context): return "\(place(context)) is null; expected \(type)"
        case .keyNotFound(let key, let context): return "\(place(context)) lacks the key `\(key.stringValue)`"
        case .dataCorrupted(let context): return "\(place(context)): \(context.debugDescription)"
        @unknown default: return "\(self)"
        }
    }
}
