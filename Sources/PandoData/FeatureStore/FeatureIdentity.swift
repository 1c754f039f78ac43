import Foundation
import PandoTensor

/// What features depend on besides the content they are computed from. Features of different identities never mix.
public struct FeatureIdentity: Sendable, Hashable, Codable {
    /// The digest of the backbone's weights and configuration.
    public var backbone: String
    /// The digest of the preprocessing.
    public var preprocessing: String
    /// The precision of the pass that computed the features: "float32", "bfloat16".
    public var precision: String
    /// The element type they are stored in: `.float32` or `.bfloat16`.
    public var elementType: ElementType
    /// The shape of each feature of one example, by name: `["pooled": [1280]]`.
    public var features: [String: [Int]]

    /// - Precondition: at least one feature, each with at least one element; a stored element type.
    public init(
        backbone: String, preprocessing: String, precision: String, elementType: ElementType = .float32,
        features: [String: [Int]]
    ) {
        require(
            elementType == .float32 || elementType == .bfloat16,
            "FeatureIdentity: features are stored as float32 or bfloat16, not \(elementType)")
        require(
            !features.isEmpty && features.values.allSatisfy { $0.elementCount > 0 },
            "FeatureIdentity: expected features with elements, got \(features)")
        self.backbone = backbone
        self.preprocessing = preprocessing
        self.precision = precision
        self.elementType = elementType
        self.features = features
    }

    /// A name for exactly this identity: the SHA-256 of its JSON with sorted keys, in hexadecimal digits.
    public var digest: String { FileDigest.of(Data(json.utf8)) }

    /// Bytes of all features of one example.
    public var bytesPerRow: Int { features.values.reduce(0) { $0 + $1.elementCount } * elementType.byteCount }

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
            stop("FeatureIdentity: \(self) has no JSON form: \(error)")
        }
    }
}
