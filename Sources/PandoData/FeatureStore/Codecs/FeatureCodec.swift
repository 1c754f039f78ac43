import PandoTensor

/// How a feature is kept: what is averaged first, and how the numbers that are left become bytes.
public struct FeatureCodec: Sendable, Hashable, Codable, CustomStringConvertible {
    /// How numbers become bytes.
    public enum Coding: Sendable, Hashable, Codable {
        /// As they are.
        case float32
        /// The nearest number of 8 significant bits.
        case bfloat16
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
    func problem(with shape: [Int], isVarying: Bool) -> String? {
        if pooling < 1 { return "\(pooling) neighbours cannot be averaged" }
        if pooling > 1 && !(shape.count == 2 || shape.count == 3 && !isVarying) {
            return "only tokens [T, C] and maps [H, W, C] have neighbours to average, not \(shape)"
        }
        return nil
    }
}

extension FeatureCodec {
    /// Whether reading is no more work than copying, for which one thread is as good as many.
    var isCopied: Bool { coding == .float32 }
}

extension FeatureCodec.Coding {
    /// The element type that coded vectors are stored in.
    var storedType: ElementType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        }
    }

    /// How many stored elements a vector of `channels` numbers takes; nil if that depends on the numbers.
    func width(channels: Int) -> Int? {
        switch self {
        case .float32, .bfloat16: channels
        }
    }

    /// About how many bytes a vector of `channels` numbers takes.
    func expectedBytes(channels: Int) -> Int {
        switch self {
        case .float32: 4 * channels
        case .bfloat16: 2 * channels
        }
    }
}
