import Foundation
import PandoData
import PandoNN
import PandoTensor

/// A network over texts with its weights, and what makes tokens of texts for it.
public struct OpenedTextBackbone: Sendable {
    public let architecture: Architecture
    /// Pools as the folder says: over the tokens' mean if it says nothing.
    public let network: any TextBackbone
    /// Fills nothing up: the texts that run together decide their length.
    public let tokenizer: Tokenizer
    /// The longest text in tokens; what is longer is cut.
    public let maximumLength: Int
    /// Whether the folder's vectors are brought to length 1, which `network` leaves to whoever compares them.
    public let normalizes: Bool
    /// A name for exactly this backbone: its weights, its tokenizer's file, and what becomes of its states.
    public let digest: String

    /// The tokens of texts, each cut to `maximumLength`.
    public func tokens(of texts: [String]) -> [[Int32]] {
        texts.map { Array(tokenizer.encode($0).ids.prefix(maximumLength)) }
    }

    /// Texts as the network takes them, filled up to the longest of them, or a little more: few lengths occur.
    public func input(of texts: [String]) -> BackboneInput {
        let tokens = tokens(of: texts)
        let longest = tokens.map(\.count).max() ?? 0
        return .texts(TokenTensors(tokens, paddedTo: TokenTensors.paddedLength(longest, atMost: maximumLength)))
    }
}

/// A folder that a network over texts can be read from, with its tokenizer: one of sentence-transformers, or one of
/// Hugging Face's that holds `config.json`, weights and `tokenizer.json`.
public struct TextBackboneSource: Sendable {
    public let folder: URL
    public let architecture: Architecture
    /// The files that the backbone is read from, by their paths in `folder`: what a copy of it needs.
    public let files: [String]
    private let modules: SentenceModules
    private let tokenizerFile: URL
    /// Pools as the folder says, its weights all zero.
    private let blank: any TextBackbone

    /// Finds out which network `folder` holds, without reading its weights.
    ///
    /// - Throws: `BackboneError` if something is missing, `modules.json` names what is not implemented, or the network does
    ///   not encode texts token by token.
    public init(_ folder: URL) throws {
        self.folder = folder
        modules = try SentenceModules(folder: folder)
        architecture = try BackboneSource(modules.network).architecture
        guard let tokenizer = modules.tokenizerPath else {
            throw BackboneError(folder.path, "holds no tokenizer.json, which turns texts into tokens")
        }
        tokenizerFile = folder.appendingPathComponent(tokenizer)
        guard architecture.image == nil else { throw Self.noTexts(architecture, in: folder) }
        blank = try Self.pooling(architecture.blankNetwork, by: modules.pooling, architecture, in: folder)
        let (place, network) = (modules.networkPath, modules.network)
        let beside = try ["config.json"] + WeightFiles.names(in: network)
        files = modules.files + [tokenizer] + beside.map { SentenceModules.path($0, in: place) }
    }

    /// The places of the network that can be read, known before its weights are.
    public var taps: [Tap] { blank.taps }
    /// The taps that a text's vector takes in unless the plan says otherwise.
    public var summaryTaps: [Tap.Name] { blank.summaryTaps }
    /// Length of a text's pooled vector.
    public var pooledFeatures: Int { blank.pooledFeatures }

    /// Reads weights and tokenizer.
    /// - Throws: `BackboneError`, `CheckpointError`, `WeightMismatch` or a tokenizer's error.
    public func open() throws -> OpenedTextBackbone {
        let opened = try BackboneSource(modules.network).open()
        let network = try Self.pooling(opened.network, by: modules.pooling, opened.architecture, in: folder)
        var tokenizer = try Tokenizer(tokenizerFile)
        tokenizer.padding = nil
        let parts = "\(network.weightsDigest)\(try FileDigest.ofFile(tokenizerFile))"
        // As it was before there was anything to choose, for stores of features that were made then.
        let isUsual = modules.pooling == .mean && modules.normalizes
        let choices = isUsual ? parts : "\(parts) \(modules.pooling.rawValue) \(modules.normalizes)"
        return OpenedTextBackbone(
            architecture: opened.architecture, network: network, tokenizer: tokenizer,
            maximumLength: min(network.maximumLength, modules.maximumLength ?? .max), normalizes: modules.normalizes,
            digest: FileDigest.of(Data(choices.utf8)))
    }

    private static func pooling(_ network: any Module, by pooling: TextPooling, _ architecture: Architecture, in folder: URL)
        throws(BackboneError) -> any TextBackbone
    {
        guard let found = network as? any PoolingTextBackbone else { throw noTexts(architecture, in: folder) }
        guard let network = found.pooling(by: pooling) else {
            throw BackboneError(folder.path, "a \(architecture.name) cannot pool by '\(pooling.rawValue)'")
        }
        return network
    }

    private static func noTexts(_ architecture: Architecture, in folder: URL) -> BackboneError {
        BackboneError(folder.path, "a \(architecture.name) does not encode texts token by token")
    }
}
