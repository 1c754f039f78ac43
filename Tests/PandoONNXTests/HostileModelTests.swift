import Foundation
import PandoTensor
import SwiftProtobuf
import Testing

@testable import PandoONNX

/// Files that contradict themselves, or ask for what nobody should give them.
@Suite struct HostileModelTests {
    /// A model of `nodes` with input `x` `[2, 3]` and output `y`.
    static func model(
        _ nodes: [WireNode], constants: [WireValues] = [], input: [Int64] = [2, 3], version: Int64 = 17
    ) -> WireModel {
        func info(_ name: String, _ shape: [Int64]?) -> WireValueInfo {
            var info = WireValueInfo()
            info.name = name
            info.type.tensorType.elemType = 1
            for size in shape ?? [] {
                var dimension = WireShape.Dimension()
                dimension.dimValue = size
                info.type.tensorType.shape.dim.append(dimension)
            }
            return info
        }
        var model = WireModel()
        var operators = WireOperatorSet()
        operators.version = version
        model.opsetImport = [operators]
        model.graph.node = nodes
        model.graph.initializer = constants
        model.graph.input = [info("x", input)]
        model.graph.output = [info("y", nil)]
        return model
    }

    static func node(_ type: String, _ inputs: [String], _ output: String = "y", _ attributes: [WireAttribute] = [])
        -> WireNode
    {
        var node = WireNode()
        (node.opType, node.name, node.input, node.output, node.attribute) = (type, "the \(type)", inputs, [output], attributes)
        return node
    }

    static func integers(_ name: String, _ values: [Int64]) -> WireValues {
        var tensor = WireValues()
        (tensor.name, tensor.dims, tensor.dataType, tensor.int64Data) = (name, [Int64(values.count)], 7, values)
        return tensor
    }

    static func attribute(_ name: String, _ set: (inout WireAttribute) -> Void) -> WireAttribute {
        var attribute = WireAttribute()
        attribute.name = name
        set(&attribute)
        return attribute
    }

    /// What opening and running the model says.
    func fault(_ model: WireModel, beside: [String: Data] = [:]) throws -> String {
        try fault(of: try model.serializedData(), beside: beside)
    }

    func fault(of bytes: Data, beside: [String: Data] = [:]) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "onnx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, contents) in beside { try contents.write(to: folder.appending(path: name)) }
        try bytes.write(to: folder.appending(path: "model.onnx"))
        let error = #expect(throws: ONNXError.self) {
            _ = try ONNXModel(contentsOf: folder.appending(path: "model.onnx")).function()([Tensor.ones([2, 3])])
        }
        #expect(error?.path.hasSuffix("model.onnx") == true)
        return error?.description ?? ""
    }

    @Test func aGraphInACircleIsRefused() throws {
        let text = try fault(Self.model([Self.node("Add", ["x", "b"], "a"), Self.node("Relu", ["a"], "b"), Self.node("Relu", ["b"])]))
        #expect(text.contains("circle") && text.contains("the Add"))
    }

    @Test func namesThatNothingMakesOrThatAreMadeTwiceAreAllTold() throws {
        let text = try fault(
            Self.model([Self.node("Add", ["x", "nowhere"]), Self.node("Relu", ["gone"], "y"), Self.node("Relu", ["x"], "x")]))
        #expect(text.contains("nowhere") && text.contains("gone") && text.contains("made twice") && text.contains("\"x\""))
    }

    @Test func operatorsThatAreNotSupportedAreAllListed() throws {
        var own = Self.node("Sparkle", ["a"], "b")
        own.domain = "com.example"
        let text = try fault(Self.model([Self.node("Unique", ["x"], "a"), own, Self.node("Relu", ["b"])]))
        #expect(text.contains("Unique at node \"the Unique\"") && text.contains("com.example.Sparkle"))
    }

    @Test(arguments: [([-1, 3], "negative"), ([1 << 40, 1 << 40], "too large"), ([1 << 20, 1 << 20], "values stored")])
    func sizesOfValuesAreHeldAgainstWhatIsStored(sizes: [Int64], reason: String) throws {
        var weights = WireValues()
        (weights.name, weights.dims, weights.dataType, weights.floatData) = ("w", sizes, 1, [1, 2, 3])
        let text = try fault(Self.model([Self.node("Add", ["x", "w"])], constants: [weights]))
        #expect(text.contains("\"w\"") && text.contains(reason))
    }

    @Test func sizesOfInputsAreNotNegative() throws {
        #expect(try fault(Self.model([Self.node("Relu", ["x"])], input: [-2, 3])).contains("negative"))
    }

    @Test(arguments: ["/etc/hostname", "../secret", "a/../../secret", "link", "a\\b"])
    func weightsOutsideOfTheFolderAreRefused(location: String) throws {
        let outside = FileManager.default.temporaryDirectory.appending(path: "onnx-secret-\(UUID().uuidString)")
        try Data(count: 64).write(to: outside)
        defer { try? FileManager.default.removeItem(at: outside) }
        var weights = WireValues()
        (weights.name, weights.dims, weights.dataType, weights.dataLocation) = ("w", [3], 1, 1)
        var pair = WireStringPair()
        (pair.key, pair.value) = ("location", location)
        weights.externalData = [pair]
        let folder = FileManager.default.temporaryDirectory.appending(path: "onnx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createSymbolicLink(at: folder.appending(path: "link"), withDestinationURL: outside)
        let model = Self.model([Self.node("Add", ["x", "w"])], constants: [weights])
        try model.serializedData().write(to: folder.appending(path: "model.onnx"))
        let error = #expect(throws: ONNXError.self) { try ONNXModel(contentsOf: folder.appending(path: "model.onnx")) }
        #expect(error?.description.contains("refused") == true)
    }

    @Test(arguments: [("0", "12", 12), ("4", "12", 12), ("-4", "12", 64), ("0", "8", 64), ("9223372036854775807", "12", 64)])
    func weightsInAFileBesideAreHeldAgainstItsSize(offset: String, length: String, stored: Int) throws {
        var weights = WireValues()
        (weights.name, weights.dims, weights.dataType, weights.dataLocation) = ("w", [3], 1, 1)
        weights.externalData = [("location", "w.bin"), ("offset", offset), ("length", length)].map { key, value in
            var pair = WireStringPair()
            (pair.key, pair.value) = (key, value)
            return pair
        }
        let model = Self.model([Self.node("Add", ["x", "w"])], constants: [weights])
        let folder = FileManager.default.temporaryDirectory.appending(path: "onnx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try model.serializedData().write(to: folder.appending(path: "model.onnx"))
        try [Float](repeating: 2, count: stored / 4).withUnsafeBytes { Data($0) }.write(to: folder.appending(path: "w.bin"))
        let url = folder.appending(path: "model.onnx")
        if offset == "0" && length == "12" {
            let sum = try ONNXModel(contentsOf: url).function()([Tensor.ones([2, 3])])
            #expect(sum[0].scalars() == [3, 3, 3, 3, 3, 3])
        } else {
            let error = #expect(throws: ONNXError.self) { try ONNXModel(contentsOf: url) }
            #expect(error?.description.contains("\"w\"") == true)
        }
    }

    @Test func aFileCutShortAnywhereIsRefused() throws {
        let whole = try Data(contentsOf: ExportTests.folder.appending(path: "resnet-dynamo-18.onnx"))
        for count in stride(from: 0, to: whole.count - 1, by: whole.count / 37) {
            _ = try fault(of: whole.prefix(count))
        }
        _ = try fault(of: Data("no model at all".utf8))
    }

    @Test func bytesThatAreTurnedAroundNeverStopTheProgram() throws {
        let whole = try Data(contentsOf: ExportTests.folder.appending(path: "mobilenetv3-dynamo-18.onnx"))
        let folder = FileManager.default.temporaryDirectory.appending(path: "onnx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let url = folder.appending(path: "model.onnx")
        var generator = SeededGenerator(seed: 5)
        var (refused, ran) = (0, 0)
        for _ in 0..<150 {
            var broken = whole
            for _ in 0..<3 {
                // Where nodes and their attributes stand, not weights.
                let place = Int.random(in: 0..<min(6000, whole.count), using: &generator)
                broken[broken.startIndex + place] = UInt8.random(in: 0...255, using: &generator)
            }
            try broken.write(to: url)
            do {
                let model = try ONNXModel(contentsOf: url)
                _ = try model.function()(ExportTests.inputs(of: "mobilenetv3", count: 1))
                ran += 1
            } catch {
                #expect(!error.problems.isEmpty)
                refused += 1
            }
        }
        #expect(refused > 20 && refused + ran == 150)
    }

    @Test func shapesBlownUpAreRefusedBeforeMemoryIsTaken() throws {
        let huge = Self.integers("s", [1 << 30, 1 << 30])
        #expect(try fault(Self.model([Self.node("ConstantOfShape", ["s"])], constants: [huge])).contains("ConstantOfShape"))
        let wide = Self.integers("s", [1 << 40, 1, 1])
        #expect(try fault(Self.model([Self.node("Expand", ["x", "s"])], constants: [wide])).contains("Expand"))
        #expect(try fault(Self.model([Self.node("Tile", ["x", "s"])], constants: [huge])).contains("Tile"))
        let numbers = [("a", 0), ("b", Int64.max), ("c", 1)].map { name, value in
            var scalar = Self.integers(name, [value])
            scalar.dims = []
            return scalar
        }
        #expect(try fault(Self.model([Self.node("Range", ["a", "b", "c"])], constants: numbers)).contains("Range"))
    }

    @Test func shapesThatDoNotFitAreToldWithTheNode() throws {
        #expect(try fault(Self.model([Self.node("MatMul", ["x", "x"])])).contains("the MatMul"))
        #expect(try fault(Self.model([Self.node("Conv", ["x", "x"])])).contains("the Conv"))
        let shape = Self.integers("s", [4, -1])
        #expect(try fault(Self.model([Self.node("Reshape", ["x", "s"])], constants: [shape])).contains("the Reshape"))
        #expect(try fault(Self.model([Self.node("Relu", [])])).contains("missing"))
        #expect(try fault(Self.model([Self.node("Gather", ["x", "s"])], constants: [shape])).contains("outside"))
    }

    @Test func attributesOfAnotherKindAreTold() throws {
        let wrong = Self.attribute("axis") { ($0.type, $0.s) = (3, Data("one".utf8)) }
        let text = try fault(Self.model([Self.node("Softmax", ["x"], "y", [wrong])]))
        #expect(text.contains("\"axis\"") && text.contains("a string"))
        let permutation = Self.attribute("perm") { ($0.type, $0.ints) = (7, [0, 0]) }
        #expect(try fault(Self.model([Self.node("Transpose", ["x"], "y", [permutation])])).contains("perm"))
    }

    @Test(arguments: [0, 12, 99])
    func operatorSetsThatMeanOtherThingsAreRefused(version: Int64) throws {
        #expect(try fault(Self.model([Self.node("Relu", ["x"])], version: version)).contains("operator set"))
    }
}
