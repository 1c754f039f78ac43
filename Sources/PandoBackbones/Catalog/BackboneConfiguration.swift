import Foundation
import PandoData
import PandoNN
import PandoTensor

/// The sizes of a network of one family: all that is needed to build it without its weights.
public protocol BackboneConfiguration: Sendable, Hashable, Codable {
    associatedtype Network: Module

    /// The family's name: the `model_type` of our own `config.json`.
    static var family: String { get }

    /// The sizes that were published under names: timm's, torchvision's, or those of a model's page.
    static var published: [(name: String, configuration: Self)] { get }

    /// How libraries name the weights of a network of these sizes: first the one whose names are ours, then those that
    /// need a table.
    var dialects: [Dialect] { get }

    /// The `model_type`s of Hugging Face's `config.json` that this family reads.
    static var modelTypes: [String] { get }

    /// Reads Hugging Face's `config.json`; problems are left in `file`.
    init(modelType: String, reading file: inout ConfigurationReader)

    /// The sizes for a checkpoint with these tensors, by our names: classes it knows, poolers it has or lacks.
    func fitted(to shapes: [String: [Int]]) -> Self

    /// The network with weights of the right shapes, to be loaded or initialised.
    func makeNetwork() -> Network

    /// How pictures were fed to it when it was pretrained, unless a file beside the weights says otherwise.
    var preprocessing: Preprocessing? { get }

    /// How the weights begin when the network is trained from nothing.
    var initialization: Initialization { get }

    /// The modules that name the classes of pretraining, by our names; nothing else reads them.
    static var classifierNames: [String] { get }

    /// What the sizes contradict, if anything: a head count that does not divide the width.
    var problems: [String] { get }
}

extension BackboneConfiguration {
    public var dialects: [Dialect] { [] }
    public static var modelTypes: [String] { [] }
    public static var classifierNames: [String] { [] }
    public static var published: [(name: String, configuration: Self)] { [] }
    public var preprocessing: Preprocessing? { nil }
    public var problems: [String] { [] }
    public func fitted(to shapes: [String: [Int]]) -> Self { self }

    public init(modelType: String, reading file: inout ConfigurationReader) {
        stop("\(Self.self) names no model types, so none is read")
    }
}

/// A configuration whose network sees pictures of any size, or of one that can be chosen.
public protocol ImageBackboneConfiguration: BackboneConfiguration where Network: ImageBackbone {
    /// The sizes for pictures of `side` pixels, before weights are loaded; the same where any size goes.
    func resized(to side: Int) -> Self

    /// Why pictures of `side` pixels are refused, if they are.
    func problem(withPicturesOf side: Int) -> String?

    /// The places of the network that can be read.
    var taps: [Tap] { get }

    /// The taps that a picture's vector takes in unless the plan says otherwise.
    var summaryTaps: [Tap.Name] { get }

    /// Whether the network can be trained; else it stays as its file has it.
    var isTrainable: Bool { get }
}

extension ImageBackboneConfiguration {
    public func resized(to side: Int) -> Self { self }
    public func problem(withPicturesOf side: Int) -> String? { nil }
    public var taps: [Tap] { makeNetwork().taps }
    public var summaryTaps: [Tap.Name] { makeNetwork().summaryTaps }
    public var isTrainable: Bool { true }
    public var initialization: Initialization { .residual }
}

/// A configuration of two networks trained together, one for pictures and one for texts.
public protocol ImageTextBackboneConfiguration: BackboneConfiguration where Network: ImageTextBackbone {
    associatedtype ImageConfiguration: ImageBackboneConfiguration

    /// The half for pictures, which can be had alone: its dialects read it from a checkpoint of both.
    var image: ImageConfiguration { get }

    /// The sizes for pictures of `side` pixels.
    func resized(to side: Int) -> Self
}

/// A network by name, without weights.
public struct Architecture: Sendable {
    /// The published name, or the family's where sizes are its own.
    public let name: String
    public let configuration: any BackboneConfiguration

    public init(name: String, _ configuration: any BackboneConfiguration) {
        self.name = name
        self.configuration = configuration
    }

    public var family: String { type(of: configuration).family }

    /// How other libraries name the weights.
    public var dialects: [Dialect] { configuration.dialects }

    /// The configuration, if the network is one for pictures; of a pair, its half's.
    public var image: (any ImageBackboneConfiguration)? {
        (configuration as? any ImageTextBackboneConfiguration)?.image ?? configuration as? any ImageBackboneConfiguration
    }

    /// The network for pictures alone: of a pair its half, else the network itself; `nil` if it sees none.
    public var forPictures: Architecture? {
        if let pair = configuration as? any ImageTextBackboneConfiguration {
            return Architecture(name: "\(name)_vision", pair.image)
        }
        return image == nil ? nil : self
    }
}

extension Architecture: Hashable {
    public static func == (left: Architecture, right: Architecture) -> Bool {
        left.name == right.name && AnyHashable(left.configuration) == AnyHashable(right.configuration)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(AnyHashable(configuration))
    }
}

/// As our `config.json` says it: `model_type`, `name`, and the sizes under `configuration`.
extension Architecture: Codable {
    private enum CodingKeys: String, CodingKey {
        case family = "model_type"
        case name, configuration
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let family = try fields.decode(String.self, forKey: .family)
        guard let type = Catalog.families.first(where: { $0.family == family }) else {
            throw DecodingError.dataCorruptedError(
                forKey: .family, in: fields, debugDescription: "no network is called '\(family)' here")
        }
        name = try fields.decode(String.self, forKey: .name)
        configuration = try fields.decode(type, forKey: .configuration)
        let problems = configuration.problems
        if !problems.isEmpty {
            throw DecodingError.dataCorruptedError(
                forKey: .configuration, in: fields, debugDescription: problems.joined(separator: "; "))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(family, forKey: .family)
        try fields.encode(name, forKey: .name)
        try fields.encode(configuration, forKey: .configuration)
    }
}
