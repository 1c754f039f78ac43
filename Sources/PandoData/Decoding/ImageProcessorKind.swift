/// What Hugging Face's image processors do where a file leaves it open, for the kinds that are followed.
struct ImageProcessorKind {
    /// Whether a bare number as `size` means a square rather than the shortest edge.
    var squares: Bool
    /// Pillow's number of the filter.
    var resample: Int
    /// Whether the middle is cut out if `do_center_crop` is missing.
    var crops = false
    /// ConvNeXt's: the share of the resized picture that is kept below 384 pixels.
    var cropShare: Double?
    /// EfficientNet's: whether the deviation is divided by a second time if `include_top` is missing.
    var normalizesTwice = false

    /// By the name without `ImageProcessor`, `ImageProcessorFast` or `FeatureExtractor`.
    private static let known: [String: ImageProcessorKind] = [
        "Bit": ImageProcessorKind(squares: false, resample: 3, crops: true),
        "Blip": ImageProcessorKind(squares: true, resample: 3),
        "ChineseCLIP": ImageProcessorKind(squares: false, resample: 3, crops: true),
        "CLIP": ImageProcessorKind(squares: false, resample: 3, crops: true),
        "ConvNext": ImageProcessorKind(squares: false, resample: 3, cropShare: 224.0 / 256),
        "DeiT": ImageProcessorKind(squares: true, resample: 3, crops: true),
        "EfficientNet": ImageProcessorKind(squares: true, resample: 3, normalizesTwice: true),
        "MobileNetV1": ImageProcessorKind(squares: false, resample: 2, crops: true),
        "MobileNetV2": ImageProcessorKind(squares: false, resample: 2, crops: true),
        "Pvt": ImageProcessorKind(squares: true, resample: 3),
        "Siglip": ImageProcessorKind(squares: false, resample: 3),
        "ViT": ImageProcessorKind(squares: true, resample: 2),
    ]

    /// The kind that a file names; nil if it is none of those that are followed.
    init?(named name: String) {
        var stem = Substring(name)
        for ending in ["ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor"]
        where stem.hasSuffix(ending) {
            stem = stem.dropLast(ending.count)
            break
        }
        guard let kind = Self.known[String(stem)] else { return nil }
        self = kind
    }

    init(squares: Bool, resample: Int, crops: Bool = false, cropShare: Double? = nil, normalizesTwice: Bool = false) {
        self.squares = squares
        self.resample = resample
        self.crops = crops
        self.cropShare = cropShare
        self.normalizesTwice = normalizesTwice
    }

    /// The stems of all kinds that are followed, for messages.
    static var names: [String] { known.keys.sorted() }
}
