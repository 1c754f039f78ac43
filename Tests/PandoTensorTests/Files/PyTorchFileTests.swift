import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@Suite struct PyTorchFileTests {
    /// Checkpoints that PyTorch wrote; `Tests/golden/checkpoints.py` makes them.
    private static let golden = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Golden/pth")
    /// The backbones' weights, which the set-up fetches.
    private static let weights = golden.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(".prefix/weights")

    @Test(arguments: ["plain", "types", "shared", "module", "parameters", "nested"], ["zip", "stream"])
    func `a checkpoint gives the tensors that PyTorch put in`(name: String, form: String) throws {
        let expected = try SafetensorsFile(Self.golden.appendingPathComponent("expected.safetensors")).tensors
        let file = "\(name)_\(form).pth"
        let tensors = try PyTorchFile(Self.golden.appendingPathComponent(file)).tensors
        let names = expected.names.filter { $0.hasPrefix(file + "/") }
        #expect(!names.isEmpty && Set(tensors.names.map { "\(file)/\($0)" }) == Set(names))
        for (name, tensor) in tensors {
            let wanted = try #require(expected["\(file)/\(name)"])
            #expect(tensor.shape == wanted.shape && tensor.elementType == wanted.elementType && tensor.isContiguous)
            #expect(tensor.withBytes { Array($0) } == wanted.withBytes { Array($0) }, "\(name)")
        }
    }

    private struct Hostile: Decodable {
        struct Case: Decodable { let file: String }
        let files: [Case]
    }

    private static func hostileFiles() throws -> [URL] {
        let data = try Data(contentsOf: golden.appendingPathComponent("hostile.json"))
        return try JSONDecoder().decode(Hostile.self, from: data).files.map {
            golden.appendingPathComponent("hostile/\($0.file)")
        }
    }

    @Test func `every hostile checkpoint is refused`() throws {
        let files = try Self.hostileFiles()
        #expect(files.count > 30)
        for file in files {
            let error = #expect(throws: CheckpointError.self, "\(file.lastPathComponent)") { try PyTorchFile(file) }
            #expect("\(try #require(error))".contains(file.path))
        }
    }

    @Test(arguments: [
        ("system_zip", "it names posix.system"), ("system_stream", "it names posix.system"),
        ("eval_zip", "it names __builtin__.eval"), ("eval_stream", "it names __builtin__.eval"),
        ("whole_module_zip", "it names torch.nn.modules.linear.Linear"),
        ("float64_zip", "weight: element type float64 is not supported"),
        ("missing_storage", "weight: its storage 0 is not in the file"),
        ("short_storage", "weight: its storage 0 has 20 bytes"), ("deflated", "is compressed"),
        ("truncated_zip", "cut off"), ("truncated_stream", "cut off"), ("truncated_pickle", "cut off"),
        ("empty", "empty"), ("text", "not a PyTorch checkpoint"), ("zip_without_pickle", "0 members named data.pkl"),
        ("large_size", "does not fit in its storage"), ("no_tensor", "holds no tensors"),
        ("self_containing", "nested more than"), ("deep", "nested more than"), ("unknown_opcode", "opcode 0xff"),
    ])
    func `the reason is told`(name: String, says: String) throws {
        let file = Self.golden.appendingPathComponent("hostile/\(name).pth")
        let error = try #require(#expect(throws: CheckpointError.self) { try PyTorchFile(file) })
        #expect("\(error)".contains(says))
    }

    @Test func `tensors that are not row-major in the file are made so`() throws {
        let tensors = try PyTorchFile(Self.weights.appendingPathComponent("efficientnet_lite0.pth")).tensors
        let stem = try #require(tensors["_conv_stem.weight"])
        #expect(stem.shape == [32, 3, 3, 3] && stem.isContiguous)
        #expect(tensors.names.first == "_conv_stem.weight" && tensors.names.last == "_fc.bias")
    }

    @Test func `the real MobileNetV2 checkpoint is read whole`() throws {
        let tensors = try PyTorchFile(Self.weights.appendingPathComponent("mobilenet_v2.pth")).tensors
        #expect(tensors.count == 314)
        #expect(tensors.names.first == "features.0.0.weight" && tensors["features.0.0.weight"]?.shape == [32, 3, 3, 3])
        #expect(tensors["classifier.1.bias"]?.shape == [1000])
        #expect(tensors["features.0.1.num_batches_tracked"]?.elementType == .int64)
    }

    @Test(arguments: ["nested_zip", "nested_stream", "types_zip", "shared_stream"])
    func `a cut checkpoint is refused, wherever it is cut`(name: String) throws {
        let directory = try TemporaryDirectory()
        let whole = try Array(Data(contentsOf: Self.golden.appendingPathComponent("\(name).pth")))
        for count in stride(from: 0, to: whole.count, by: 7) {
            let place = try directory.file("t.pth", holding: Array(whole[..<count]))
            #expect(throws: CheckpointError.self, "cut to \(count) bytes") { try PyTorchFile(place) }
        }
    }

    @Test(arguments: ["nested_zip", "nested_stream", "module_zip", "module_stream"])
    func `a flipped byte gives an error or tensors, never a crash`(name: String) throws {
        let directory = try TemporaryDirectory()
        let whole = try Array(Data(contentsOf: Self.golden.appendingPathComponent("\(name).pth")))
        var refused = 0
        for index in whole.indices {
            var bytes = whole
            bytes[index] ^= [0x01, 0x08, 0x80, 0xFF][index % 4]
            let place = try directory.file("t.pth", holding: bytes)
            do {
                for (_, tensor) in try PyTorchFile(place, requiringFinite: false).tensors {
                    #expect(tensor.withBytes { $0.count } == tensor.byteCount)
                }
            } catch { refused += 1 }
        }
        #expect(refused > 100)
    }
}
