import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Layers of maps, with the parameters of a stored operation, against PyTorch: value and gradients of input and
/// parameters.
@Suite struct SpatialLayerParityTests {
    private static let layers: [String: GoldenCall] = [
        "convolution": { x, a in
            Convolution(
                weight: x[1], bias: x.count > 2 ? x[2] : nil, stride: a.integers("stride"), padding: padding(a),
                dilation: a.integers("dilation"), groups: a.integer("groups"))(x[0])
        },
        "transposedConvolution": { x, a in
            TransposedConvolution(
                weight: x[1], bias: x.count > 2 ? x[2] : nil, stride: a.integers("stride"), padding: padding(a),
                outputPadding: a.integers("outputPadding"), dilation: a.integers("dilation"),
                groups: a.integer("groups"))(x[0])
        },
        "groupNorm": { x, a in
            var layer = GroupNorm(groups: a.integer("groups"), x[1].elementCount, epsilon: a.float("epsilon"))
            (layer.weight, layer.bias) = (x[1], x[2])
            return layer(x[0])
        },
        "instanceNorm": { x, a in
            var layer = InstanceNorm(x[1].elementCount, epsilon: a.float("epsilon"))
            (layer.weight, layer.bias) = (x[1], x[2])
            return layer(x[0])
        },
        "rmsNorm": { x, a in
            var layer = RMSNorm(x[1].elementCount, epsilon: a.float("epsilon"))
            layer.weight = x[1]
            return layer(x[0])
        },
        "batchNormInference": { x, a in
            var layer = BatchNorm(x[1].elementCount, epsilon: a.float("epsilon"))
            (layer.weight, layer.bias, layer.runningMean, layer.runningVariance) = (x[1], x[2], x[3], x[4])
            return layer(x[0])
        },
    ]

    private static func padding(_ attributes: GoldenCase.Attributes) -> Padding {
        Padding(before: attributes.integers("padding"), after: attributes.integers("padding"))
    }

    private static let cases = GoldenCase.cases(in: "spatial").filter { layers.keys.contains($0.operation) }

    @Test func everyLayerHasStoredCases() { #expect(Set(Self.cases.map(\.operation)) == Set(Self.layers.keys)) }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.layers[golden.operation]))
    }

    @Test func layersPresentTheirTensors() {
        expectVisitsEveryTensor(Convolution(4, 6, kernel: [3], groups: 2))
        expectVisitsEveryTensor(Convolution(2, 3, kernel: [1, 2, 3], bias: false))
        expectVisitsEveryTensor(TransposedConvolution(4, 6, kernel: [2, 2], stride: [2]))
        expectVisitsEveryTensor(GroupNorm(groups: 2, 4))
        expectVisitsEveryTensor(InstanceNorm(3))
        expectVisitsEveryTensor(RMSNorm(5))
    }

    @Test func freshLayersHaveTheShapesTheySay() {
        let map = irregular([2, 5, 6, 7, 4])
        let smaller = Convolution(4, 6, kernel: [3, 2, 1], stride: [2, 1, 1], groups: 2)(map)
        #expect(smaller.shape == [2, 2, 5, 7, 6])
        let larger = TransposedConvolution(6, 4, kernel: [3, 2, 1], stride: [2, 1, 1], groups: 2)(smaller)
        #expect(larger.shape == [2, 5, 6, 7, 4])
    }
}
