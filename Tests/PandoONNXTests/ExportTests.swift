import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoONNX

/// Small networks as PyTorch's exporters write them, held against ONNX Runtime (`Tests/golden/exports.py`).
@Suite struct ExportTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    /// All but those for one picture at a time.
    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".onnx") && !$0.contains("-fixed-") }.map { String($0.dropLast(5)) }.sorted()
    }()

    /// The inputs that the stored results were computed from.
    static func inputs(of name: String, count: Int = 2) -> [Tensor] {
        if name.hasPrefix("bert") {
            let places = (0..<count * 8).map(Int64.init)
            let mask = places.map { $0 / 8 > 0 && $0 % 8 >= 5 ? Int64(0) : 1 }
            return [Tensor(places.map { $0 * 31 % 50 }, shape: [count, 8]), Tensor(mask, shape: [count, 8])]
        }
        let size = name.hasPrefix("resnet") || name.hasPrefix("convnext") ? 64 : 32
        let values = (0..<count * 3 * size * size).map { Float($0 * 7919 % 1000) / 500 - 1 }
        return [Tensor(values, shape: [count, 3, size, size])]
    }

    static func expected(of name: String, _ outputs: [String]) throws -> [Tensor] {
        let stored = try SafetensorsFile(folder.appending(path: "exports.safetensors")).tensors
        return try outputs.map { try #require(stored["\(name)/\($0)"]) }
    }

    static func model(_ name: String) throws -> ONNXModel {
        try ONNXModel(contentsOf: folder.appending(path: "\(name).onnx"))
    }

    @Test("An exported network computes what ONNX Runtime computes", arguments: names)
    func values(name: String) throws {
        let function = try Self.model(name).function()
        let results = try function(Self.inputs(of: name))
        for (result, wanted) in zip(results, try Self.expected(of: name, function.outputs)) {
            expectClose(result, wanted, relative: 1e-3, name)
        }
    }

    @Test("As a program an exported network computes the same, whatever the batch", arguments: names)
    func programs(name: String) throws {
        let function = try Self.model(name).function()
        let inputs = Self.inputs(of: name)
        let wanted = try Self.expected(of: name, function.outputs)
        let weights = PackedWeights()
        for count in [2, 1] {
            let program = try function.program(
                forInputs: inputs.map { [count] + $0.shape.dropFirst() }, sharing: weights)
            for (result, wanted) in zip(program(inputs.map { $0.slice(0..<count) }), wanted) {
                expectClose(result, wanted.slice(0..<count).contiguous(), relative: 1e-3, "\(name) of \(count)")
            }
        }
    }

    @Test("Pictures may be given with channels last")
    func channelsLast() throws {
        let model = try Self.model("resnet-dynamo-18")
        let function = try model.function(channelsLast: ["x"])
        let pictures = Self.inputs(of: "resnet")[0].permuted(0, 2, 3, 1)
        let results = try function([pictures])
        expectClose(results[0], try Self.expected(of: "resnet-dynamo-18", function.outputs)[0], relative: 1e-3)
    }

    @Test("Attention, layer norms and activations that exporters took apart are put together again", arguments: names)
    func fusions(name: String) throws {
        let counts = try Self.model(name).function().operatorCounts
        let isTransformer = name.hasPrefix("vit") || name.hasPrefix("swin") || name.hasPrefix("bert")
        if isTransformer {
            #expect((counts["pando.Attention"] ?? 0) >= 2)
            #expect(counts["Softmax"] == nil)
        }
        for taken in ["Erf", "Sigmoid", "Pow", "MatMul", "Gemm"] { #expect(counts[taken] == nil, "\(taken)") }
    }

    @Test("Every value between can be read, and knows its shape")
    func taps() throws {
        let model = try Self.model("resnet-dynamo-18")
        let input = Self.inputs(of: "resnet")
        let shapes = try model.shapes(forInputs: input.map(\.shape))
        #expect(shapes.count == model.values.count)
        let pooled = try #require(model.classifierInput)
        #expect(shapes[pooled] == [2, 32])
        // Read together with the output, a value is what it was when read alone.
        let name = try #require(model.values.first { $0.operator == "MaxPool" }).name
        let both = try model.function(reading: [name] + model.outputs.map(\.name))(input)
        let alone = try model.function(reading: [name], givesChannelsLast: true)(input)
        #expect(both[0].shape == shapes[name])
        expectClose(alone[0], both[0].permuted(0, 2, 3, 1).contiguous(), relative: 1e-6)
    }

    @Test("A value of no such name, and inputs that do not fit, are told by name")
    func misuse() throws {
        let model = try Self.model("resnet-dynamo-18")
        let unknown = #expect(throws: ONNXError.self) { try model.function(reading: ["nowhere"]) }
        #expect(unknown?.description.contains("nowhere") == true)
        let function = try model.function()
        let wrong = #expect(throws: ONNXError.self) { try function([Tensor.zeros([2, 4, 64, 64])]) }
        #expect(wrong?.description.contains("\"x\"") == true)
        #expect(throws: ONNXError.self) { try function([]) }
        #expect(throws: ONNXError.self) { try function.program(forInputs: [[2, 3, 64]]) }
    }
}
