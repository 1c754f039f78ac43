import Foundation
import PandoData
import PandoNN
import PandoONNX
import PandoTensor

/// What is known of a network over pictures in an ONNX file before the file is read: what is made of its values.
///
/// Unlike other configurations it does not build the network, which is in the file together with its weights.
public struct ONNXConfiguration: ImageBackboneConfiguration {
    /// The value of the graph that the pooled vector is made of, and its length.
    public let pooledValue: String
    public let pooledFeatures: Int
    /// The values that can be read.
    public let taps: [Tap]
    /// Pixels along each side of a picture, and whether no other size goes.
    public let side: Int
    public let isSizeFixed: Bool

    public static let family = "onnx"

    /// The name of the file in a folder of ours.
    static let fileName = "model.onnx"

    init(of network: ONNXBackbone, side: Int) {
        (pooledValue, pooledFeatures, taps) = (network.pooledValue, network.pooledFeatures, network.taps)
        self.side = network.pictureSize ?? side
        isSizeFixed = network.pictureSize != nil
    }

    /// None but those that are asked for: any value of the graph can be one.
    public var summaryTaps: [Tap.Name] { taps.map(\.name) }
    public var isTrainable: Bool { false }

    public func problem(withPicturesOf side: Int) -> String? {
        isSizeFixed && side != self.side ? "was exported for pictures of \(self.side) pixels; it cannot take \(side)" : nil
    }

    /// - Precondition: never called; `BackboneSource` opens the file instead.
    public func makeNetwork() -> ONNXBackbone { stop("ONNXConfiguration: the network is in its file; open its BackboneSource") }

    /// The file in a folder of ours, or the file itself.
    static func file(at url: URL) -> URL { url.hasDirectoryPath ? url.appendingPathComponent(fileName) : url }

    /// Finds out what an ONNX file gives: what its classifier reads, or else its first output.
    ///
    /// - Throws: `ONNXError` or `BackboneError`.
    init(describing url: URL) throws {
        let side = 224
        let model = try ONNXModel(contentsOf: url)
        let pooling: ONNXBackbone.Pooling = model.classifierInput == nil ? .output : .classifierInput
        self.init(of: try ONNXBackbone(url, pooling: pooling, forPicturesOf: side), side: side)
    }

    /// The same network with these values as its taps.
    ///
    /// - Throws: `BackboneError` or `ONNXError` naming a value that is not in the graph, or is neither a map nor tokens.
    public func reading(_ names: [Tap.Name], in url: URL) throws -> ONNXConfiguration {
        let network = try ONNXBackbone(
            Self.file(at: url), pooling: .value(pooledValue), taps: names, forPicturesOf: side)
        return ONNXConfiguration(of: network, side: side)
    }

    /// - Throws: `ONNXError` or `BackboneError`.
    func open(_ url: URL, forPicturesOf side: Int?) throws -> ONNXBackbone {
        try ONNXBackbone(
            Self.file(at: url), pooling: .value(pooledValue), taps: taps.map(\.name), forPicturesOf: side ?? self.side)
    }
}
