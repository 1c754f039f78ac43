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
/// | `image_processor_type`, `feature_extractor_type` | decides what is left open below; kinds with an arithmetic of their own are refused. `TimmWrapperImageProcessor`: see `init(timm:)` |
/// | `do_resize`, `size` | `{"height", "width"}` or a list of both: squash. `{"shortest_edge"}`: that resize. `{"longest_edge"}` with `pad_color`: pad. A bare number: by `default_to_square`, else by the processor's type, else the shortest edge if a crop follows and a square if not. `do_resize` false: pictures keep their size, and a crop must follow |
/// | `crop_pct` (ConvNeXt) | below 384 pixels: shortest edge `size / crop_pct`, cut to `size`; else squash |
/// | `do_center_crop`, `crop_size` | the crop; a number means a square; black where the picture is smaller |
/// | `resample` | Pillow's number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming |
/// | `do_rescale`, `rescale_factor` | the factor, 1/255 without, 1 when `do_rescale` is false |
/// | `rescale_offset` (EfficientNet) | 1 is subtracted after rescaling |
/// | `do_normalize`, `image_mean`, `image_std` | mean and deviation, a number or three; 0 and 1 when `do_normalize` is false |
/// | `include_top` (EfficientNet) | divided by the deviation once more |
/// | `do_pad`, `pad_size`, `pad_color`, `crop_rounding`, `size` with `cover_height` and `cover_width` | ours, for what Hugging Face has no words: padding on all sides with a colour of 0...255, `Centering`, and `Resize.cover` |
///
/// Pictures are always upright RGB (`do_convert_rgb`), and laid out as the network reads them (`data_format`). Every
/// other key is refused by name: it may change what the network is fed.
extension Preprocessing {
    /// - Throws: `PreprocessingError` naming each key that is missing or cannot be followed.
    public init(configuration url: URL) throws(PreprocessingError) {
        var reading = ProcessorReading(try SettingsReader(url))
        guard let preprocessing = reading.preprocessing(), reading.settings.problems.isEmpty else {
            throw PreprocessingError(file: url.path, problems: reading.settings.problems)
        }
        self = preprocessing
    }

    /// The same settings as `preprocessor_config.json`.
    public func encodedConfiguration() throws -> Data {
        func sides(_ size: PixelSize) -> [String: Int] { ["height": size.height, "width": size.width] }
        var file = ProcessorFile()
        switch resize {
        case .squash(let size): file.size = sides(size)
        case .shortestEdge(let edge): file.size = ["shortest_edge": edge]
        case .cover(let size): file.size = ["cover_height": size.height, "cover_width": size.width]
        case .keep: file.doResize = false
        case .pad(let size, let fill):
            file.size = ["longest_edge": max(size.width, size.height)]
            file.doPad = true
            file.padSize = sides(size)
            file.padColor = [fill.red, fill.green, fill.blue]
        }
        file.doCenterCrop = crop != nil
        file.cropSize = crop.map(sides)
        file.cropRounding = centering == .down ? nil : centering
        file.resample = interpolation.pillowNumber
        file.rescaleFactor = Double(rescale)
        file.imageMean = mean.map(Double.init)
        file.imageStd = deviation.map(Double.init)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(file)
    }
}

/// The file as it is written.
private struct ProcessorFile: Encodable {
    var doResize = true, doRescale = true, doNormalize = true, doCenterCrop = false
    var doPad: Bool?
    var size, cropSize, padSize: [String: Int]?
    var padColor: [UInt8]?
    var cropRounding: Preprocessing.Centering?
    var resample = 2
    var rescaleFactor = 1.0
    var imageMean: [Double] = [], imageStd: [Double] = []

    enum CodingKeys: String, CodingKey {
        case doResize = "do_resize"
        case doCenterCrop = "do_center_crop"
        case doRescale = "do_rescale"
        case doNormalize = "do_normalize"
        case doPad = "do_pad"
        case size
        case cropSize = "crop_size"
        case cropRounding = "crop_rounding"
        case padSize = "pad_size"
        case padColor = "pad_color"
        case rescaleFactor = "rescale_factor"
        case resample
        case imageMean = "image_mean"
        case imageStd = "image_std"
    }
}

extension Preprocessing.Interpolation {
    /// Pillow's number for the same filter.
    var pillowNumber: Int {
        switch self {
        case .nearest: 0
        case .lanczos: 1
        case .bilinear: 2
        case .bicubic: 3
        case .box: 4
        case .hamming: 5
        }
    }
}
