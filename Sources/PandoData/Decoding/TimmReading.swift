import Foundation
import PandoTensor

extension Preprocessing {
    /// Reads a `config.json` of timm's: what its `pretrained_cfg` says, where the file has one.
    ///
    /// | key | meaning here |
    /// |---|---|
    /// | `input_size` | channels (3), height, width; 3 x 224 x 224 without |
    /// | `interpolation` | `nearest`, `box`, `bilinear`, `hamming`, `bicubic` or `lanczos`; bicubic without |
    /// | `crop_pct` | results are cut from pictures `1 / crop_pct` as large, rounded down; 0.875 without |
    /// | `crop_mode` | `center`: proportions stay, what is over is cut off; `squash`: they do not; `border`: all of the picture is kept, with the mean's colour beside it |
    /// | `mean`, `std` | ImageNet's without |
    ///
    /// Nothing else in the file changes what a network is fed.
    /// - Throws: `PreprocessingError` naming each key that cannot be followed.
    /// - Source: timm 1.0, `timm.data.resolve_data_config` and `create_transform`, as for evaluation.
    public init(timm url: URL) throws(PreprocessingError) {
        let settings = try SettingsReader(url)
        var reading = TimmReading(settings.value("pretrained_cfg").map { SettingsReader($0) } ?? settings)
        guard let preprocessing = reading.preprocessing(), reading.settings.problems.isEmpty else {
            throw PreprocessingError(file: url.path, problems: reading.settings.problems)
        }
        self = preprocessing
    }
}

/// Follows the keys of timm's `pretrained_cfg`, and notes what cannot be followed.
struct TimmReading {
    var settings: SettingsReader

    init(_ settings: SettingsReader) { self.settings = settings }

    mutating func preprocessing() -> Preprocessing? {
        if settings.object.members == nil {
            settings.problems.append("`pretrained_cfg` is \(settings.object.kind); expected an object")
        }
        let size = inputSize()
        let interpolation = interpolation()
        let share = share()
        let mean = settings.channels("mean")
        let deviation = settings.channels("std")
        let mode = settings.string("crop_mode") ?? "center"
        guard let size, let interpolation, settings.problems.isEmpty else { return nil }
        func larger(_ side: Int) -> Int { Int((Double(side) / share).rounded(.down)) }
        let scaled = PixelSize(width: larger(size.width), height: larger(size.height))
        var result = Preprocessing.clipart()
        result.interpolation = interpolation
        result.crop = size
        result.centering = .even
        result.mean = mean?.map(Float.init) ?? Preprocessing.imageNetMean
        result.deviation = deviation?.map(Float.init) ?? Preprocessing.imageNetDeviation
        switch mode {
        case "squash": result.resize = .squash(scaled)
        case "border":
            guard let fill = Self.color(result.mean) else {
                settings.problems.append("`mean` \(result.mean) is no colour to pad with; expected values of 0...1")
                return nil
            }
            result.resize = .pad(scaled, fill: fill)
        case "center":
            result.resize = scaled.width == scaled.height ? .shortestEdge(scaled.width) : .cover(scaled)
        default:
            settings.problems.append("`crop_mode` is \(mode); expected center, squash or border")
            return nil
        }
        if let problem = result.problem { settings.problems.append(problem) }
        return result
    }

    private mutating func inputSize() -> PixelSize? {
        guard let stated = settings.value("input_size") else { return PixelSize(224) }
        let sides = (stated.array ?? []).compactMap { SettingsReader.side($0) }
        if sides.count == 3, stated.array?.count == 3, sides[0] == 3 {
            return PixelSize(width: sides[2], height: sides[1])
        }
        settings.problems.append("`input_size`: expected 3 channels, a height and a width of 1...16384")
        return nil
    }

    private mutating func interpolation() -> Preprocessing.Interpolation? {
        guard let name = settings.string("interpolation"), !name.isEmpty else { return .bicubic }
        if let known = Preprocessing.Interpolation(rawValue: name) { return known }
        let all = Preprocessing.Interpolation.allCases.map(\.rawValue).joined(separator: ", ")
        settings.problems.append("`interpolation` is \(name); expected one of \(all)")
        return nil
    }

    private mutating func share() -> Double {
        guard let share = settings.number("crop_pct"), share != 0 else { return 0.875 }
        if (0.01...2).contains(share) { return share }
        settings.problems.append("`crop_pct` is \(share); expected a share of 0.01...2")
        return 1
    }

    private static func color(_ mean: [Float]) -> Color? {
        let values = mean.compactMap { UInt8(exactly: ($0 * 255).rounded(.toNearestOrEven)) }
        return values.count == 3 ? Color(red: values[0], green: values[1], blue: values[2]) : nil
    }
}
