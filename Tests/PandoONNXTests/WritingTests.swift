import Foundation
import PandoTensor
import PandoTestSupport
import SwiftProtobuf
import Testing

@testable import PandoONNX

/// Functions that are written as ONNX models compute, read back, what they computed before.
@Suite struct WritingTests {
    /// Writes `function`, reads the model and compares both for batches of `counts` pictures.
    @discardableResult
    static func expectSame(
        _ shape: [Int], batch: ONNXExport.Batch = .dynamic, counts: [Int] = [1, 3], operatorSet: Int = 17,
        weightsLimit: Int = 1 << 30, relative: Float = 1e-5, sourceLocation: SourceLocation = #_sourceLocation,
        _ function: @escaping (Tensor) -> [Tensor]
    ) throws -> ONNXExport.Summary {
        let folder = try TemporaryDirectory()
        let url = folder.file("model.onnx")
        let export = try ONNXExport(inputName: "x", inputShape: shape, batch: batch, operatorSet: operatorSet)
        let names = function(irregular([2] + shape)).indices.map { "y\($0)" }
        let summary = try export.write(to: url, outputs: names, weightsLimit: weightsLimit, function)
        let model = try ONNXModel(contentsOf: url).function()
        for count in counts {
            let x = irregular([count] + shape, phase: Float(count))
            let order = [0, shape.count] + Array(1..<shape.count)
            let results = try model([shape.count > 1 ? x.permuted(order).contiguous() : x])
            for (result, wanted) in zip(results, function(x)) {
                expectClose(result, wanted, relative: relative, "batch \(count)", sourceLocation: sourceLocation)
            }
        }
        return summary
    }

    /// A small network of convolutions with squeeze and excitation.
    private static func convolutional(_ x: Tensor) -> [Tensor] {
        let stem = x.convolved(
            with: irregular([8, 3, 3, 3], phase: 1), bias: irregular([8], phase: 2), stride: 2,
            padding: Padding(before: [0, 0], after: [1, 1]))
        let normal = stem.batchNormalized(
            mean: irregular([8], phase: 3), variance: irregular([8], phase: 4).squared() + 0.5,
            weight: irregular([8], phase: 5), bias: irregular([8], phase: 6), epsilon: 1e-3
        ).clamped(0, 6)
        let deep = normal.convolved(with: irregular([8, 1, 3, 3], phase: 7), padding: Padding(1), groups: 8).silu()
        let gate = deep.mean(along: [1, 2], keepingAxes: true)
            .convolved(with: irregular([8, 8, 1, 1], phase: 8)).sigmoid()
        let map = deep * gate + normal
        let pooled = map.maxPooled(kernel: 2, stride: 2).mean(along: [1, 2])
        return [linear(pooled, weight: irregular([5, 8], phase: 9), bias: irregular([5], phase: 10)).softmax(), map]
    }

    @Test(arguments: ONNXExport.operatorSets)
    func `a convolutional network is the same in every operator set`(operatorSet: Int) throws {
        let summary = try Self.expectSame([16, 16, 3], operatorSet: operatorSet) { Self.convolutional($0) }
        #expect(summary.operatorSet == operatorSet)
        #expect(summary.operators["Conv"] == 3)
        // Maps stay channels first from input to pooling; only the map that is returned is brought back.
        #expect(summary.operators["Transpose"] == 1)
        #expect(summary.operators["GlobalAveragePool"] == 2)
    }

    @Test func `a vision transformer is the same, its tokens in three axes`() throws {
        let summary = try Self.expectSame([8, 8, 3]) { pictures in
            let count = pictures.shape[0]
            let patches = pictures.convolved(with: irregular([12, 3, 4, 4], phase: 1), stride: 4).reshaped(count, -1, 12)
            let first = irregular([1, 1, 12], phase: 2).broadcast(to: [count, 1, 12])
            var x = Tensor.concatenated([first, patches], along: 1) + irregular([1, 5, 12], phase: 3)
            let (ones, zeros) = (irregular([12], phase: 4), irregular([12], phase: 5))
            let normal = x.layerNormalized(weight: ones, bias: zeros, epsilon: 1e-6)
            let projected = linear(normal, weight: irregular([36, 12], phase: 6), bias: irregular([36], phase: 7))
                .reshaped(count, 5, 3, 2, 6)
            let heads = (0..<3).map {
                projected.slice($0..<$0 + 1, along: 2).reshaped(count, 5, 2, 6).permuted(0, 2, 1, 3)
            }
            let mixed = attention(query: heads[0], key: heads[1], value: heads[2]).permuted(0, 2, 1, 3)
            x = linear(mixed.reshaped(x.shape), weight: irregular([12, 12], phase: 8)) * irregular([12], phase: 9) + x
            x = linear(x.rmsNormalized(weight: ones, epsilon: 1e-6).gelu(), weight: irregular([12, 12], phase: 10)) + x
            return [x.slice(0..<1, along: 1).reshaped(count, 12), x.mean(along: [1])]
        }
        #expect(summary.operators["LayerNormalization"] == 1)
        #expect(summary.operators["Softmax"] == 1)
    }

    @Test func `attention may be causal, or masked by windows that stand once for each picture`() throws {
        try Self.expectSame([4, 4, 6]) { x in
            let count = x.shape[0]
            // Shifted windows of 2 × 2 pixels.
            let windows = x.rolled(by: [-1, -1], along: [1, 2]).reshaped(count, 2, 2, 2, 2, 6)
                .permuted(0, 1, 3, 2, 4, 5).reshaped(count * 4, 1, 4, 6)
            let hidden = Tensor((0..<64).map { $0 % 7 == 3 ? Float(-100) : 0 }, shape: [4, 1, 4, 4])
            let mixed = attention(query: windows, key: windows, value: windows, mask: hidden.repeated([count, 1, 1, 1]))
            let back = mixed.reshaped(count, 2, 2, 2, 2, 6).permuted(0, 1, 3, 2, 4, 5).reshaped(x.shape)
            let tokens = x.reshaped(count, 1, 16, 6)
            return [
                back.rolled(by: [1, 1], along: [1, 2]),
                attention(query: tokens, key: tokens, value: tokens, isCausal: true, scale: 0.7),
            ]
        }
    }

    @Test func `norms of groups and instances, and other ways of pooling and enlarging, are the same`() throws {
        let (weight, bias) = (irregular([6], phase: 1), irregular([6], phase: 2))
        try Self.expectSame([6, 6, 6]) { x in
            [
                x.groupNormalized(groups: 2, weight: weight, bias: bias, epsilon: 1e-5),
                x.instanceNormalized(weight: weight, bias: bias, epsilon: 1e-5).layerNormalized(
                    weight: weight, bias: bias, epsilon: 1e-6),
                x.averagePooled(kernel: 3, stride: 2, padding: Padding(1)),
                x.averagePooled(kernel: 3, stride: 2, padding: Padding(1), countingPadding: false),
                x.maxPooled(kernel: 3, stride: 2, padding: Padding(1), roundingUp: true),
                x.resized(height: 9, width: 4), x.resized(height: 12, width: 12, by: .nearest),
                x.resized(height: 5, width: 11, by: .cubic, aligningCorners: true),
                x.transposedConvolved(
                    with: irregular([6, 2, 3, 3], phase: 3), bias: irregular([4], phase: 4), stride: 2,
                    padding: Padding(1), outputPadding: 1, groups: 2),
            ]
        }
    }

    @Test func `moved elements are the same`() throws {
        try Self.expectSame([4, 5, 3]) { x in
            let count = x.shape[0]
            return [
                x.flipped(along: [1, 2]), x.padded(before: [0, 1, 0, 0], after: [0, 0, 2, 1], .constant(0.5)),
                x.padded(before: [0, 1, 0, 0], after: [0, 0, 2, 0], .reflect),
                x.slice(0..<5, along: 2, step: 2), x.gathered(at: Tensor([Int64(2), 0, 2]), along: 3),
                x.gathered(at: Tensor([Int64(1), 0, 3, 3], shape: [2, 2]), along: 1),
                Tensor.concatenated([x, x.relu()], along: 3).reshaped(count, 20, 6).permuted(2, 0, 1).reshaped(6, -1),
                x.repeatedElements(2, along: 1), x.expanded(at: 1).broadcast(to: [count, 2, 4, 5, 3]),
                x.slice(0..<count).element(1, along: 1),
            ]
        }
    }

    @Test func `functions of elements and of rows are the same`() throws {
        let slopes = irregular([6], phase: 3)
        try Self.expectSame([6], relative: 2e-5) { x in
            let positive = x.squared() + 0.1
            return [
                x.relu(), x.gelu(), x.applying(.geluTanh), x.silu(), x.applying(.quickGELU), x.applying(.mish),
                x.applying(.hardSigmoid), x.applying(.hardSwish), x.applying(.leakyReLU(slope: 0.2)),
                x.applying(.elu(alpha: 0.7)), x.applying(.softplus), x.tanh(), x.exp(), positive.log(),
                positive.squareRoot(), x.absolute(), 1 / positive, positive.power(0.3), 2 - x * 3, x.clamped(-.infinity, 0.2),
                x.expm1(), positive.log1p(), x.erf(), x.cubeRoot(), x.sign(), (x * 5).floor(), (x * 5).ceil(),
                (x * 5).rounded(), x.sine(), x.cosine(), x.arctangent(), x - slopes, positive.power(slopes),
                x / positive, Tensor.maximum(x, slopes), Tensor.minimum(x, slopes), (x * 7).remainder(1.5),
                x.selected(where: x .> slopes, otherwise: slopes * 2),
                (x .== x).cast(to: .float32) + (x .!= slopes).cast(to: .float32),
                x.softmax(along: 1), x.logSoftmax(along: 1), x.norm(2, along: [1]), x.norm(3, along: [1], keepingAxes: true),
                x.product(along: [1]), x.max(along: 1), x.min(along: [1], keepingAxes: true), x.sum(along: [1]),
                x.l2Normalized(), x.logSumExp(along: 1), matmul(x.expanded(at: 2), x.expanded(at: 1)),
            ]
        }
    }

    @Test func `a batch of one size has that size in the model`() throws {
        let summary = try Self.expectSame([8, 8, 3], batch: .fixed(2), counts: [2]) { x in
            // The size of the batch in the numbers themselves: nothing for an open one.
            [x.mean(along: [1, 2]) * Float(x.shape[0])]
        }
        #expect(summary.inputs.map(\.shape) == [[2, 3, 8, 8]])
        #expect(summary.outputs.map(\.shape) == [[2, 3]])
    }

    @Test func `the file says what it holds`() throws {
        let folder = try TemporaryDirectory()
        let url = folder.file("model.onnx")
        let weight = irregular([5, 3])
        var export = try ONNXExport(inputName: "pictures", inputShape: [8, 8, 3], operatorSet: 20)
        export.weightNames = [weight.identity: "tasks.kind.linear.weight"]
        export.metadata = ["labels": "[\"a\"]"]
        try export.write(to: url, outputs: ["features", "kind"]) { pictures in
            let pooled = pictures.mean(along: [1, 2])
            return [pooled, linear(pooled, weight: weight).softmax()]
        }
        let model = try WireModel(serializedBytes: Data(contentsOf: url))
        #expect(model.producerName == "Pando")
        #expect(model.irVersion == 9)
        #expect(model.opsetImport.map(\.domain) == [""])
        #expect(model.opsetImport.map(\.version) == [20])
        #expect(model.metadataProps.map(\.key) == ["labels"])
        #expect(model.metadataProps.map(\.value) == ["[\"a\"]"])
        #expect(model.graph.input.map(\.name) == ["pictures"])
        let sizes = model.graph.input[0].type.tensorType.shape.dim
        #expect(sizes[0].dimParam == "N")
        #expect(sizes.dropFirst().map(\.dimValue) == [3, 8, 8])
        #expect(model.graph.output.map(\.name) == ["features", "kind"])
        #expect(model.graph.initializer.map(\.name).contains("tasks.kind.linear.weight"))
        #expect(model.graph.node.contains { $0.opType == "Gemm" && $0.name == "tasks.kind.linear/Gemm" })
        #expect(try folder.names == ["model.onnx"])
    }

    @Test func `weights beyond the limit go to a file beside the model`() throws {
        let folder = try TemporaryDirectory()
        let url = folder.file("model.onnx")
        let summary = try ONNXExport(inputName: "x", inputShape: [16, 16, 3]).write(
            to: url, outputs: ["y", "map"], weightsLimit: 0) { Self.convolutional($0) }
        #expect(try folder.names == ["model.onnx", "model.onnx.data"])
        #expect(summary.weightsFile == url.path + ".data")
        let x = irregular([3, 16, 16, 3])
        let found = try ONNXModel(contentsOf: url).function()([x.permuted(0, 3, 1, 2).contiguous()])
        for (found, wanted) in zip(found, Self.convolutional(x)) { expectClose(found, wanted) }
    }

    private func message(_ shape: [Int], _ function: (Tensor) -> [Tensor]) throws -> String {
        let folder = try TemporaryDirectory()
        do {
            let export = try ONNXExport(inputName: "x", inputShape: shape)
            let names = function(irregular([2] + shape)).indices.map { "y\($0)" }
            try export.write(to: folder.file("model.onnx"), outputs: names, function)
            return "the model was written"
        } catch {
            #expect(try folder.names.isEmpty)
            return "\(error)"
        }
    }

    @Test func `what ONNX has no equal of is refused by name, all of it`() throws {
        let text = try message([4, 4, 3]) { [$0.cumulativeSum(along: 1), $0.adaptiveMaxPooled(height: 3, width: 3)] }
        #expect(text.contains("CumulativeSum has no equal"))
        #expect(text.contains("AdaptiveMaximum has no equal"))
    }

    @Test func `numbers that depend on the size of an open batch are refused`() throws {
        let scaled = try message([3]) { [$0 * Float($0.shape[0])] }
        #expect(scaled.contains("linear depends on the batch size"))
        let added = try message([3]) { [$0 + Tensor.filled([3], with: Float($0.shape[0]))] }
        #expect(added.contains("add reads numbers that depend on the batch size"))
        let longer = try message([3]) { x in [(0..<x.shape[0]).reduce(x) { y, _ in y.exp() }] }
        #expect(longer.contains("other operations for other batch sizes"))
    }

    @Test func `operator sets and batches that cannot be are refused`() {
        #expect { try ONNXExport(inputName: "x", inputShape: [3], operatorSet: 16) } throws: { "\($0)".contains("17 to 21") }
        #expect { try ONNXExport(inputName: "x", inputShape: [3], batch: .fixed(0)) } throws: { "\($0)".contains("batch of 0") }
    }
}
