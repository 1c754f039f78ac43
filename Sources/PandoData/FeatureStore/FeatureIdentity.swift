import Foundation
import PandoTensor

/// What features depend on besides the content they are computed from. Features of different identities never mix.
public struct FeatureIdentity: Sendable, Hashable {
    /// The digest of the backbone's weights and configuration.
    public var backbone: String
    /// The digest of the preprocessing.
    public var preprocessing: String
    /// The precision of the pass that computed the features: "float32", "bfloat16".
    public var precision: String
    /// The element type of features without a codec of their own: `.float32` or `.bfloat16`.
    public var elementType: ElementType
    /// The shape of each feature of one example, by name: `["pooled": [1280]]`.
    public var features: [String: [Int]]
    /// The features whose first axis is as long as each content has it, such as the tokens of a text. Their shape says
    /// how long it may be: `["tokens": [512, 384]]`. A row takes the room of its own tokens.
    public var varying: Set<String>
    /// How features are kept; those that are not named are kept as `elementType`.
    public var codecs: [String: FeatureCodec]

    /// - Precondition: at least one feature, each with at least one element; a stored element type; varying features
    ///   and codecs of features that there are, and that fit their shape.
    public init(
        backbone: String, preprocessing: String, precision: String, elementType: ElementType = .float32,
        features: [String: [Int]], varying: Set<String> = [], codecs: [String: FeatureCodec] = [:]
    ) {
        self.backbone = backbone
        self.preprocessing = preprocessing
        self.precision = precision
        self.elementType = elementType
        self.features = features
        self.varying = varying
        self.codecs = codecs
        if let problem { stop("FeatureIdentity: \(problem)") }
    }

    /// A name for exactly this identity: the SHA-256 of its JSON with sorted keys, in hexadecimal digits.
    public var digest: String { FileDigest.of(Data(json.utf8)) }

    /// Bytes of all features of one example: of the longest there may be, and about so many where a codec's bytes
    /// depend on the numbers.
    public var bytesPerRow: Int { layouts.values.reduce(0) { $0 + $1.bytesPerRow } }

    /// How each feature stands in a shard.
    var layouts: [String: FeatureLayout] {
        Dictionary(
            uniqueKeysWithValues: features.map { name, shape in
                let codec = codecs[name] ?? (elementType == .bfloat16 ? .bfloat16 : .float32)
                return (name, FeatureLayout(codec, givenShape: shape, isVarying: varying.contains(name)))
            })
    }

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
            stop("FeatureIdentity: \(self) has no JSON form: \(error)")
        }
    }

    private var problem: String? {
        guard elementType == .float32 || elementType == .bfloat16 else {
            return "features are stored as float32 or bfloat16, not \(elementType)"
        }
        guard !features.isEmpty, features.values.allSatisfy({ $0.allSatisfy { $0 > 0 } }) else {
            return "expected features with elements, got \(features)"
        }
        for name in varying.union(codecs.keys).sorted() where features[name] == nil {
            return "there is no feature \(name) among \(features.keys.sorted())"
        }
        for (name, shape) in features.sorted(by: { $0.key < $1.key }) {
            let isVarying = varying.contains(name)
            if isVarying && shape.count < 2 { return "\(name) has no axis that could vary beside its last: \(shape)" }
            if let problem = codecs[name]?.problem(with: shape, isVarying: isVarying) { return "\(name): \(problem)" }
            for suffix in [FeatureLayout.offsetsSuffix, FeatureLayout.lengthsSuffix] where features[name + suffix] != nil {
                return "\(name + suffix) is the name of a part of \(name)"
            }
        }
        return nil
    }
}

extension FeatureIdentity: Codable {
    private enum CodingKeys: String, CodingKey {
        case backbone, preprocessing, precision, elementType, features, varying, codecs
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        backbone = try container.decode(String.self, forKey: .backbone)
        preprocessing = try container.decode(String.self, forKey: .preprocessing)
        precision = try container.decode(String.self, forKey: .precision)
        elementType = try container.decode(ElementType.self, forKey: .elementType)
        features = try container.decode([String: [Int]].self, forKey: .features)
        varying = try container.decodeIfPresent(Set<String>.self, forKey: .varying) ?? []
        codecs = try container.decodeIfPresent([String: FeatureCodec].self, forKey: .codecs) ?? [:]
        if let problem {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: problem))
        }
    }

    /// What is left at its default is left out: digests of identities do not change when a choice is added.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(backbone, forKey: .backbone)
        try container.encode(preprocessing, forKey: .preprocessing)
        try container.encode(precision, forKey: .precision)
        try container.encode(elementType, forKey: .elementType)
        try container.encode(features, forKey: .features)
        if !varying.isEmpty { try container.encode(varying.sorted(), forKey: .varying) }
        if !codecs.isEmpty { try container.encode(codecs, forKey: .codecs) }
    }
}
