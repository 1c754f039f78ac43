import PandoTensor

/// How a feature is kept: what is averaged first, and how the numbers that are left become bytes.
///
/// | coding | bytes of a number | error |
/// |---|---|---|
/// | `float32` | 4 | none |
/// | `bfloat16` | 2 | 8 significant bits |
/// | `int8` | 1 | 255 equal steps in each channel's range |
/// | `uniform` | about bits / 8, or fewer | `2ᵇ - 1` equal steps in each channel's range |
/// | `productQuantization` | 1 / length | the nearest of 256 patterns, for each stretch of channels |
///
/// The last three learn their ranges, frequencies or patterns from the first rows that are stored (see `FittedCodec`).
/// `measure` tells what a codec loses on given rows.
public struct FeatureCodec: Sendable, Hashable, Codable, CustomStringConvertible {
    /// How numbers become bytes.
    public enum Coding: Sendable, Hashable, Codable {
        /// As they are.
        case float32
        /// The nearest number of 8 significant bits.
        case bfloat16
        /// A byte for each number: see `ScalarQuantizer`.
        case int8(percentile: Double)
        /// So many bits for each number, entropy-coded: see `EntropyCoder`.
        case uniform(bits: Int, percentile: Double)
        /// A byte for so many channels: see `ProductQuantizer`.
        case productQuantization(subvectorLength: Int)
    }

    public var coding: Coding
    /// How many neighbours become their mean before they are coded: tokens in a row, or places along each side of a map.
    /// 1: nothing is averaged.
    public var pooling: Int

    /// - Precondition: `pooling > 0`.
    public init(_ coding: Coding, pooling: Int = 1) {
        require(pooling > 0, "FeatureCodec: expected at least one neighbour to average, got \(pooling)")
        self.coding = coding
        self.pooling = pooling
    }

    public static let float32 = FeatureCodec(.float32)
    public static let bfloat16 = FeatureCodec(.bfloat16)

    /// - Parameter percentile: numbers beyond it, and below its counterpart, are cut to it; 100 cuts none.
    public static func int8(percentile: Double = 99.9) -> FeatureCodec { FeatureCodec(.int8(percentile: percentile)) }

    /// - Parameters:
    ///   - bits: 1...8.
    ///   - percentile: numbers beyond it, and below its counterpart, are cut to it; 100 cuts none.
    public static func uniform(bits: Int, percentile: Double = 99.9) -> FeatureCodec {
        FeatureCodec(.uniform(bits: bits, percentile: percentile))
    }

    /// - Parameter subvectorLength: how many channels share a byte; it divides their number.
    public static func productQuantization(subvectorLength: Int) -> FeatureCodec {
        FeatureCodec(.productQuantization(subvectorLength: subvectorLength))
    }

    /// The same coding of means of `count` neighbours.
    public func pooled(by count: Int) -> FeatureCodec { FeatureCodec(coding, pooling: count) }

    public var description: String { "\(coding)" + (pooling > 1 ? " of means of \(pooling)" : "") }

    /// What a row of `shape` is after averaging; a group at the edge may be smaller.
    /// - Shapes: `[C]` → `[C]`; tokens `[T, C]` → `[⌈T / pooling⌉, C]`; maps `[H, W, C]` →
    ///   `[⌈H / pooling⌉, ⌈W / pooling⌉, C]`.
    func pooledShape(_ shape: [Int]) -> [Int] {
        shape.dropLast().map { ($0 + pooling - 1) / pooling } + shape.suffix(1)
    }

    /// Why rows of `shape` cannot be kept so; nil if they can.
    package func problem(with shape: [Int], isVarying: Bool) -> String? {
        if pooling < 1 { return "\(pooling) neighbours cannot be averaged" }
        if pooling > 1 && !(shape.count == 2 || shape.count == 3 && !isVarying) {
            return "only tokens [T, C] and maps [H, W, C] have neighbours to average, not \(shape)"
        }
        return coding.problem(channels: shape.last ?? 1)
    }
}

extension FeatureCodec.Coding: CustomStringConvertible {
    public var description: String {
        switch self {
        case .float32: "float32"
        case .bfloat16: "bfloat16"
        case .int8: "int8"
        case .uniform(let bits, _): "\(bits) bits, entropy-coded"
        case .productQuantization(let length): "a byte for \(length) channels"
        }
    }

    /// Whether there is something to learn from rows before they can be coded.
    var isFitted: Bool {
        switch self {
        case .float32, .bfloat16: false
        case .int8, .uniform, .productQuantization: true
        }
    }

    /// The element type that coded vectors are stored in.
    var storedType: ElementType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .int8, .uniform, .productQuantization: .uint8
        }
    }

    /// How many stored elements a vector of `channels` numbers takes; nil if that depends on the numbers.
    func width(channels: Int) -> Int? {
        switch self {
        case .float32, .bfloat16, .int8: channels
        case .uniform: nil
        case .productQuantization(let length): channels / length
        }
    }

    /// About how many bytes a vector of `channels` numbers takes.
    func expectedBytes(channels: Int) -> Int {
        if case .uniform(let bits, _) = self { return (channels * bits + 7) / 8 }
        return (width(channels: channels) ?? channels) * storedType.byteCount
    }

    func problem(channels: Int) -> String? {
        switch self {
        case .int8(let percentile), .uniform(_, let percentile):
            if !(percentile > 50 && percentile <= 100) { return "the percentile \(percentile) is not in 50...100" }
        default: break
        }
        switch self {
        case .uniform(let bits, _) where !(1...8).contains(bits): return "\(bits) bits are not in 1...8"
        case .productQuantization(let length) where length < 1 || !channels.isMultiple(of: length):
            return "\(channels) channels are no multiple of a subvector of \(length)"
        default: return nil
        }
    }
}
