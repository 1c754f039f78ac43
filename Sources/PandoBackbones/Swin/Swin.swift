import PandoNN
import PandoTensor

/// The sizes of a Swin transformer.
public struct SwinConfiguration: Sendable, Hashable, Codable {
    public var patchSize = 4
    /// Channels of the first stage; each later one has twice as many.
    public var width: Int
    /// Blocks of each stage.
    public var depths: [Int]
    /// Heads of each stage.
    public var headCounts: [Int]
    /// Patches along each side of a window.
    public var windowSize = 7
    /// How many times wider the perceptrons are inside.
    public var expansion: Double = 4
    public var hasProjectionBias = true
    public var activation = NamedActivation.gelu
    public var epsilon: Float = 1e-5
    /// Whether pictures are filled up with zeros to whole patches; else what is over is not seen.
    public var padsPictures = false
    /// Whether windows are shifted along neither axis where one axis has a single window; else along the other.
    public var shiftsTogether = false
    /// Pixels along each side of the pictures of pretraining; any other size goes, too.
    public var pictureSize = 224
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    public init(width: Int, depths: [Int], headCounts: [Int]) {
        (self.width, self.depths, self.headCounts) = (width, depths, headCounts)
    }

    public static let tiny = SwinConfiguration(width: 96, depths: [2, 2, 6, 2], headCounts: [3, 6, 12, 24])
    public static let small = SwinConfiguration(width: 96, depths: [2, 2, 18, 2], headCounts: [3, 6, 12, 24])
    public static let base = SwinConfiguration(width: 128, depths: [2, 2, 18, 2], headCounts: [4, 8, 16, 32])
    public static let large = SwinConfiguration(width: 192, depths: [2, 2, 18, 2], headCounts: [6, 12, 24, 48])

    /// The same network with windows of 12 patches, for pictures of 384 pixels.
    var wide: SwinConfiguration {
        var wide = self
        (wide.windowSize, wide.pictureSize) = (12, 384)
        return wide
    }
}

/// A Swin transformer for pictures, in timm's form and under its names.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, C]`, the mean of the normalised last map; taps `layers.0.blocks.0` to
///   `layers.3.blocks.n`.
/// - Source: Liu et al. 2021 (arXiv:2103.14030), section 3. Maps that windows do not tile are filled up with zeros
///   below and on the right, as all implementations do.
public struct Swin: ImageBackbone, BlockwiseBackbone {
    var patches: Convolution2D
    var patchNorm: LayerNorm
    var stages: [SwinStage]
    var norm: LayerNorm
    var classifier: Linear?
    private let configuration: SwinConfiguration

    /// The network with weights of the right shapes, to be loaded or initialised.
    /// - Precondition: head counts divide their stages' channels.
    public init(_ configuration: SwinConfiguration) {
        let (width, patch) = (configuration.width, configuration.patchSize)
        patches = Convolution2D(3, width, kernel: patch, stride: patch, frame: .fixed(0), bias: true)
        patchNorm = LayerNorm(width)
        stages = configuration.depths.indices.map { SwinStage($0, configuration) }
        let last = width << (configuration.depths.count - 1)
        norm = LayerNorm(last, epsilon: configuration.epsilon)
        classifier = .classifier(last, classes: configuration.classCount)
        self.configuration = configuration
    }

    public var pooledFeatures: Int { norm.weight.elementCount }

    public var taps: [Tap] {
        var taps: [Tap] = []
        for (stage, blocks) in stages.map(\.blocks).enumerated() {
            for index in blocks.indices {
                taps.append(
                    Tap(
                        name: "layers.\(stage).blocks.\(index)", depth: taps.count + 1,
                        channels: configuration.width << stage, kind: .map(stride: configuration.patchSize << stage)))
            }
        }
        return taps
    }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor {
        let pictures = input.pictures(for: self)
        let padded = configuration.padsPictures ? pictures.padded(toMultiplesOf: configuration.patchSize) : pictures
        return patchNorm(patches(padded))
    }

    /// The first block of a stage has before it what halves the map; every second one shifts its windows.
    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let (number, inner) = stages.map(\.blocks.count).place(of: index)
        let stage = stages[number]
        let map = inner == 0 ? stage.downsample?(state) ?? state : state
        let layout = WindowLayout(
            height: map.shape[1], width: map.shape[2], isShifted: !inner.isMultiple(of: 2), configuration)
        return stage.blocks[inner](map, layout)
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor { norm(last).mean(along: [1, 2]) }

    public func logits(_ pooled: Tensor) -> Tensor? { classifier?(pooled) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("patch_embed.proj", &patches)
        visitor.module("patch_embed.norm", &patchNorm)
        visitor.modules("layers", &stages)
        visitor.module("norm", &norm)
        visitor.module("head.fc", &classifier)
    }
}

/// The blocks of one width, and what halves the map before them.
struct SwinStage: Module {
    var downsample: PatchMerging?
    var blocks: [SwinBlock]

    init(_ stage: Int, _ configuration: SwinConfiguration) {
        let width = configuration.width << stage
        if stage > 0 { downsample = PatchMerging(width / 2) }
        blocks = (0..<configuration.depths[stage]).map { _ in
            SwinBlock(width, headCount: configuration.headCounts[stage], configuration)
        }
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("downsample", &downsample)
        visitor.modules("blocks", &blocks)
    }
}

/// Four neighbours of a map made one, with twice the channels.
///
/// - Shapes: `[N, H, W, C]` → `[N, H / 2, W / 2, 2 C]`, halves rounded up.
/// - Source: Liu et al. 2021, section 3.1.
struct PatchMerging: Module {
    var norm: LayerNorm
    var reduction: Linear

    init(_ channels: Int) {
        norm = LayerNorm(4 * channels)
        reduction = .blank(4 * channels, 2 * channels, bias: false)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let even = x.padded(toMultiplesOf: 2)
        let (count, height, width) = (even.shape[0], even.shape[1] / 2, even.shape[2] / 2)
        let pairs = even.reshaped(count, height, 2, width, 2, even.shape[3])
        // Within four neighbours, down comes before right.
        let merged = pairs.permuted(0, 1, 3, 4, 2, 5).reshaped(count, height, width, 4 * even.shape[3])
        return reduction(norm(merged))
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.module("reduction", &reduction)
    }
}

extension Tensor {
    /// A map filled up with zeros below and on the right until `size` divides its sides.
    fileprivate func padded(toMultiplesOf size: Int) -> Tensor {
        let missing = shape[1...2].map { (size - $0 % size) % size }
        return missing == [0, 0] ? self : padded(before: [0, 0, 0, 0], after: [0] + missing + [0])
    }
}
