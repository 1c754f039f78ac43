import Foundation
import PandoNN
import PandoONNX
import PandoTensor

/// A network over pictures in an ONNX file, as a frozen backbone.
///
/// Any value of the graph can be a tap. Its weights are presented as buffers, so that they are counted and told apart;
/// nothing trains them, and what is put in their place does not reach the graph.
///
/// - Cost: a model that was exported for a batch of one runs pictures one by one.
public struct ONNXBackbone: ImageBackbone {
    /// Which value of the graph the pooled vector is made of.
    public enum Pooling: Sendable, Hashable {
        /// The first output.
        case output
        /// What the classifier reads: the input of the last linear map before the first output.
        case classifierInput
        /// The value of this name.
        case value(String)
    }

    public let model: ONNXModel
    public let taps: [Tap]
    public let pooledFeatures: Int
    /// Pixels along each side of the pictures that the model takes; `nil` if it takes others than those that it was
    /// opened for, too.
    public let pictureSize: Int?
    /// Whether the model takes one picture at a time.
    public let runsOneByOne: Bool
    /// The value that the pooled vector is made of.
    public let pooledValue: String
    private var weights: [(name: String, tensor: Tensor)]
    /// By the taps that are read: the pooled value first, then these.
    private let functions: ONNXFunctions

    /// Opens the model and runs it once on zeros, to know its taps.
    ///
    /// - Parameters:
    ///   - pooling: a value `[N, C]`; maps and tokens are averaged.
    ///   - taps: names of values that can be read: maps `[N, C, H, W]` (or `[N, H, W, C]`) or tokens `[N, T, C]`.
    ///   - side: pixels of the pictures that it will see, if the file leaves that open.
    /// - Throws: `ONNXError` if the model cannot be used, `BackboneError` if it is not a network over pictures.
    public init(
        _ url: URL, pooling: Pooling = .output, taps names: [Tap.Name] = [], forPicturesOf side: Int = 224
    ) throws {
        model = try ONNXModel(contentsOf: url)
        let input = try PictureInput(model, orElse: side)
        switch pooling {
        case .output: pooledValue = try Self.firstOutput(of: model)
        case .value(let name): pooledValue = name
        case .classifierInput:
            guard let name = model.classifierInput else {
                throw BackboneError(url.path, "the first output is not a linear map's: name the value that pooled vectors are made of")
            }
            pooledValue = name
        }
        functions = ONNXFunctions(model: model, pooled: pooledValue, input: input)
        let function = try functions.function(reading: names)
        var failure: ONNXError?
        var found: [Tensor]?
        // Exports may have a batch of one baked in, though they say otherwise.
        for count in input.isForOne ? [1] : [2, 1] where found == nil {
            do throws(ONNXError) {
                let results = try function([.zeros(input.shape(of: count, side: input.side))])
                if results.allSatisfy({ $0.shape.first == count }) { found = results }
            } catch { failure = failure ?? error }
        }
        guard let found else {
            if let failure { throw failure }
            throw BackboneError(url.path, "the values \([pooledValue] + names) do not have a row for each picture")
        }
        runsOneByOne = found[0].shape[0] == 1
        pictureSize = input.isFixed ? input.side : nil
        guard (2...4).contains(found[0].rank) else {
            throw BackboneError(url.path, "\(pooledValue) has shape \(found[0].shape), expected a vector, tokens or a map for each picture")
        }
        pooledFeatures = found[0].shape[found[0].rank - 1]
        taps = try zip(names, found.dropFirst()).enumerated().map { depth, tap in
            let (name, shape) = (tap.0, tap.1.shape)
            switch shape.count {
            case 3: return Tap(name: name, depth: depth + 1, channels: shape[2], kind: .tokens)
            case 4 where shape[1] > 0:
                return Tap(name: name, depth: depth + 1, channels: shape[3], kind: .map(stride: max(input.side / shape[1], 1)))
            default:
                throw BackboneError(url.path, "\(name) has shape \(shape), expected tokens [N, T, C] or a map [N, H, W, C]")
            }
        }
        weights = model.weights
    }

    private static func firstOutput(of model: ONNXModel) throws(BackboneError) -> String {
        guard let output = model.outputs.first else { throw BackboneError(model.url.path, "the model has no outputs") }
        return output.name
    }

    /// One pass, always as the network was exported, whether or not `pass` is given.
    public func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        requireTaps(names)
        let read = taps.map(\.name).filter(names.contains)
        let results: [Tensor]
        do throws(ONNXError) {
            let function = try functions.function(reading: read)
            let input = pictures.cast(to: .float32)
            if runsOneByOne && pictures.shape[0] != 1 {
                var rows: [[Tensor]] = []
                for index in 0..<pictures.shape[0] { rows.append(try function([input.slice(index..<index + 1)])) }
                require(!rows.isEmpty, "ONNXBackbone: no pictures were given")
                results = rows[0].indices.map { value in .concatenated(rows.map { $0[value] }) }
            } else {
                results = try function([input])
            }
        } catch {
            stop("ONNXBackbone: \(error)")
        }
        let pooled = results[0].rank > 2 ? results[0].mean(along: Array(1..<results[0].rank - 1)) : results[0]
        return Features(taps: Dictionary(uniqueKeysWithValues: zip(read, results.dropFirst())), pooled: pooled)
    }

    /// The files that the network is in, by the names that they need in a folder of ours.
    public var files: [(name: String, file: URL)] {
        [(ONNXConfiguration.fileName, model.url)] + model.externalFiles.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// None: what lies behind the pooled value is not run.
    public func logits(_ pooled: Tensor) -> Tensor? { nil }

    public mutating func visit(_ visitor: inout some Visitor) {
        for index in weights.indices { visitor.buffer(weights[index].name, &weights[index].tensor) }
    }
}
