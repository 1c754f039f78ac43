import Foundation
import PandoONNX
import PandoTensor
import Synchronization

/// The input of a model that takes pictures.
struct PictureInput: Sendable {
    let name: String
    /// Whether the model itself has channels behind pixels.
    let hasChannelsLast: Bool
    /// Pixels along each side.
    let side: Int
    /// Whether the file says how many pixels there are.
    let isFixed: Bool
    /// Whether the file says that pictures come one at a time.
    let isForOne: Bool

    /// - Throws: `BackboneError` unless the model has one input, of square pictures with three channels.
    init(_ model: ONNXModel, orElse side: Int) throws(BackboneError) {
        guard model.inputs.count == 1, let input = model.inputs.first, input.elementType == .float32 else {
            let inputs = model.inputs.map { "\($0.name) (\($0.elementType))" }.joined(separator: ", ")
            throw BackboneError(model.url.path, "a network over pictures takes one input of numbers; this one takes \(inputs)")
        }
        let shape = input.shape ?? [nil, 3, nil, nil]
        guard shape.count == 4, shape[1] == 3 || shape[3] == 3 else {
            let sizes = shape.map { $0.map(String.init) ?? "any" }.joined(separator: ", ")
            throw BackboneError(
                model.url.path, "input \(input.name) has shape [\(sizes)], expected [N, 3, H, W] or [N, H, W, 3]")
        }
        name = input.name
        hasChannelsLast = shape[1] != 3
        let (height, width) = hasChannelsLast ? (shape[1], shape[2]) : (shape[2], shape[3])
        guard height == nil || width == nil || height == width else {
            throw BackboneError(model.url.path, "pictures of \(height ?? 0) × \(width ?? 0) pixels are not square")
        }
        isFixed = height != nil || width != nil
        self.side = height ?? width ?? side
        guard shape[0] == nil || shape[0] == 1 else {
            throw BackboneError(
                model.url.path,
                "the model takes batches of exactly \(shape[0] ?? 0); export it with a batch axis that may differ, or of 1")
        }
        isForOne = shape[0] == 1
    }

    func shape(of count: Int, side: Int) -> [Int] { [count, side, side, 3] }
}

/// The functions of a model for the taps that were asked for so far; any thread may ask.
final class ONNXFunctions: Sendable {
    private let model: ONNXModel
    private let pooled: String
    private let input: PictureInput
    private let known = Mutex<[[String]: ONNXFunction]>([:])

    init(model: ONNXModel, pooled: String, input: PictureInput) {
        (self.model, self.pooled, self.input) = (model, pooled, input)
    }

    /// From pictures `[N, H, W, 3]` to the pooled value and these, maps with channels last.
    func function(reading names: [String]) throws(ONNXError) -> ONNXFunction {
        if let function = known.withLock({ $0[names] }) { return function }
        let function = try model.function(
            reading: [pooled] + names, channelsLast: input.hasChannelsLast ? [] : [input.name], givesChannelsLast: true)
        known.withLock { $0[names] = function }
        return function
    }
}
