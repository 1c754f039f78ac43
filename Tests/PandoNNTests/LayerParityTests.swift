import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Layers, with the parameters of a stored operation, against PyTorch: value and gradients of input and parameters.
@Suite struct LayerParityTests {
    private static let layers: [String: GoldenCall] = [
        "linear": { x, _ in Linear(weight: x[1], bias: x.count > 2 ? x[2] : nil)(x[0]) },
        "embedding": { x, _ in Embedding(weight: x[1])(x[0]) },
        "layerNorm": { x, a in
            var layer = LayerNorm(x[1].elementCount, epsilon: a.float("epsilon"))
            (layer.weight, layer.bias) = (x[1], x[2])
            return layer(x[0])
        },
        "batchNormInference": { x, a in
            var layer = BatchNorm(x[1].elementCount, epsilon: a.float("epsilon"))
            (layer.weight, layer.bias, layer.runningMean, layer.runningVariance) = (x[1], x[2], x[3], x[4])
            return layer(x[0])
        },
        "conv2d": { x, a in
            Convolution2D(
                weight: x[1], bias: x.count > 2 ? x[2] : nil, stride: a.integers("stride")[0],
                frame: .fixed(a.integers("padding")[0]), groups: a.integer("groups"))(x[0])
        },
    ]

    /// Cases that the operation takes and the layer does not, with the reason.
    private static let leftOut = [
        "conv2d_dilated": "no network of ours dilates, so the layer has no dilation",
        "conv2d_rectangular": "the layer's windows move alike along height and width",
    ]

    private static let cases = GoldenCase.all.filter { layers.keys.contains($0.operation) && leftOut[$0.name] == nil }

    @Test func everyLayerHasStoredCases() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.layers.keys))
        #expect(Self.leftOut.keys.allSatisfy { name in GoldenCase.all.contains { $0.name == name } })
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.layers[golden.operation]))
    }

    @Test(arguments: [(7, 2), (8, 2), (5, 1), (6, 3)])
    func aSameFrameGivesTheRoundedUpSize(size: Int, stride: Int) {
        let layer = Convolution2D(weight: irregular([2, 3, 3, 3]), stride: stride, frame: .same)
        let output = layer(irregular([1, size, size + 1, 3]))
        let expected = [1, (size + stride - 1) / stride, (size + stride) / stride, 2]
        #expect(output.shape == expected)
    }

    @Test func aSameFramePutsTheOddPixelLast() {
        // Windows of two, stride two, over three pixels: the frame is one pixel, after the map.
        let layer = Convolution2D(weight: .ones([1, 1, 2, 2]), stride: 2, frame: .same)
        let map = Tensor([1, 2, 3, 4, 5, 6, 7, 8, 9] as [Float], shape: [1, 3, 3, 1])
        let expected: [Float] = [12, 9, 15, 9]  // 1 + 2 + 4 + 5, 3 + 6, 7 + 8, 9
        #expect(layer(map).scalars() == expected)
    }
}
