import Foundation
import PandoTensor
import SwiftProtobuf
import Testing

@testable import PandoONNX

/// ONNX's own tests of single operators, which `./run test` writes to `.onnx-tests/node`.
enum NodeTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: ".onnx-tests/node")

    static var isThere: Bool { FileManager.default.fileExists(atPath: folder.appending(path: "complete").path) }

    /// Passing tests in the release that `run` installs; more is welcome, fewer is a fault.
    static let floor = 1080

    /// Tests of supported operators that ask for more than frozen networks do.
    static let exceptions: [String: String] = [
        [
            "test_attention_23_boolmask_fullymasked_row_nan_robustness_expanded",
            "test_attention_23_fullymasked_qk_matmul_output_mode3_zero_expanded",
            "test_attention_24_fullymasked_qk_matmul_output_mode3_zero_expanded",
            "test_attention_24_qk_matmul_output_mode3_softmax_precision_expanded",
            "test_attention_4d_causal_nonpad_negative_offset_structural_empty_expanded",
            "test_attention_4d_causal_padded_kv_bf16_expanded",
            "test_attention_causal_boolmask_nan_robustness_expanded",
            "test_attention_local_window_gqa_rank4_mask_expanded",
        ].map { ($0, "the kernel's largest of a row of negative infinities is the least finite number") },
        [("test_castlike_FLOAT_to_BFLOAT16", "the type to be like is computed as float32")],
    ].reduce(into: [:]) { known, tests in for (name, reason) in tests { known[name] = reason } }

    enum Outcome {
        case passed
        /// Refused, as it should be, for what is not supported.
        case refused([String])
        case failed(String)
    }

    /// Reads, runs and compares one test.
    static func outcome(of name: String) throws -> Outcome {
        let place = folder.appending(path: name)
        func values(_ kind: String) throws -> [WireValues] {
            var found: [WireValues] = []
            while let data = try? Data(contentsOf: place.appending(path: "\(kind)_\(found.count).pb")) {
                found.append(try WireValues(serializedBytes: data))
            }
            return found
        }
        let model: ONNXModel
        let results: [Tensor]
        var files: [String: MappedFile] = [:]
        let reader = TensorReader(model: place)
        let expected: [(type: Int32, value: ONNXValue)]
        do {
            model = try ONNXModel(contentsOf: place.appending(path: "model.onnx"))
            let arguments = try values("input").map { try reader.value(of: $0, files: &files).tensor }
            expected = try values("output").map { ($0.dataType, try reader.value(of: $0, files: &files)) }
            results = try model.function()(arguments)
        } catch let error as ONNXError {
            let unsupported = error.problems.filter { $0.kind == .unsupported }
            if !unsupported.isEmpty {
                return .refused(unsupported.map { $0.operator ?? ($0.text.hasPrefix("operator set") ? "operator sets before 13" : "element types") })
            }
            return .failed(error.description)
        } catch _ as TensorReader.Fault {
            return .refused(["element types"])
        }
        for (result, (type, wanted)) in zip(results, expected) {
            // The relative tolerance of ONNX's own runner; where it computes in 16 bits, that of 16 bits.
            let relative: Float = type == 16 ? 1e-2 : type == 10 ? 2e-3 : 1e-3
            if result.shape != wanted.shape { return .failed("shape \(result.shape), expected \(wanted.shape)") }
            let pairs = zip(result.cast(to: .float32).scalars(), wanted.tensor.cast(to: .float32).scalars())
            for (found, number) in pairs {
                let isClose = found == number || (found.isNaN && number.isNaN)
                    || abs(found - number) <= 1e-5 + relative * abs(number)
                if !isClose { return .failed("\(found), expected \(number)") }
            }
        }
        return .passed
    }
}

@Suite struct NodeTestSuite {
    @Test(
        "ONNX's own tests of every supported operator pass",
        .enabled(
            if: NodeTests.isThere, "run ./run test once, or .onnx-tests/bin/python3 Tests/onnx_node_tests.py .onnx-tests/node"))
    func nodeTests() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: NodeTests.folder.path)
            .filter { $0.hasPrefix("test_") }.sorted()
        var passed = 0
        var unsupported: [String: Int] = [:]
        for name in names {
            switch try NodeTests.outcome(of: name) {
            case .passed: passed += 1
            case .refused(let operators): for entry in Set(operators) { unsupported[entry, default: 0] += 1 }
            case .failed(let reason):
                if NodeTests.exceptions[name] == nil { Issue.record("\(name): \(reason)") }
            }
        }
        print("ONNX node tests: \(passed) of \(names.count) pass")
        print("Not supported, with the number of tests: \(unsupported.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))")
        #expect(passed >= NodeTests.floor)
    }
}
