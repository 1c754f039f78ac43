import PandoTensor
import PandoTestSupport
import Testing

/// Every operation's value and gradient against PyTorch in `float64`.
@Suite struct OperationParityTests {
    /// How each stored operation is written with ours.
    private static let calls: [String: GoldenCall] = [
        "relu": { x, _ in x[0].relu() },
        "relu6": { x, _ in x[0].applying(.relu6) },
        "gelu": { x, _ in x[0].gelu() },
        "silu": { x, _ in x[0].silu() },
        "sigmoid": { x, _ in x[0].sigmoid() },
        "tanh": { x, _ in x[0].tanh() },
        "softplus": { x, _ in x[0].softplus() },
        "exp": { x, _ in x[0].exp() },
        "abs": { x, _ in x[0].absolute() },
        "negate": { x, _ in -x[0] },
        "square": { x, _ in x[0].squared() },
        "log": { x, _ in x[0].log() },
        "sqrt": { x, _ in x[0].squareRoot() },
        "rsqrt": { x, _ in x[0].power(-0.5) },
        "pow": { x, a in x[0].power(a.float("exponent")) },
        "clamp": { x, a in x[0].clamped(a.float("low"), a.float("high")) },
        "add": { x, _ in x[0] + x[1] },
        "sub": { x, _ in x[0] - x[1] },
        "mul": { x, _ in x[0] * x[1] },
        "div": { x, _ in x[0] / x[1] },
        "maximum": { x, _ in .maximum(x[0], x[1]) },
        "minimum": { x, _ in .minimum(x[0], x[1]) },
        "where": { x, _ in x[1].selected(where: x[0], otherwise: x[2]) },
        "sum": { x, a in x[0].sum(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "mean": { x, a in x[0].mean(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "max": { x, a in x[0].max(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "variance": { x, a in x[0].variance(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "logSumExp": { x, a in x[0].logSumExp(along: a.integers("axes"), keepingAxes: a.bool("keepAxes")) },
        "softmax": { x, a in x[0].softmax(along: a.integer("axis")) },
        "logSoftmax": { x, a in x[0].logSoftmax(along: a.integer("axis")) },
        "matmul": { x, _ in matmul(x[0], x[1]) },
        "matmulTransposed": { x, _ in matmul(x[0], x[1].transposed) },
        "linear": { x, _ in linear(x[0], weight: x[1], bias: x.count > 2 ? x[2] : nil) },
        "concatenate": { x, a in .concatenated(x, along: a.integer("axis")) },
        "permute": { x, a in x[0].permuted(a.integers("axes")) },
        "slice": { x, a in x[0].slice(a.integer("from")..<a.integer("to"), along: a.integer("axis")) },
        "embedding": { x, _ in x[1].gathered(at: x[0]) },
        "l2Normalize": { x, a in x[0].l2Normalized(epsilon: a.float("epsilon")) },
        "conv2d": { x, a in
            x[0].convolved(
                with: x[1], bias: x.count > 2 ? x[2] : nil, stride: a.integers("stride"), padding: padding(a),
                dilation: a.integers("dilation"), groups: a.integer("groups"))
        },
        "maxPool2d": { x, a in
            x[0].maxPooled(kernel: a.integers("kernel"), stride: a.integers("stride"), padding: padding(a))
        },
        "averagePool2d": { x, a in
            x[0].averagePooled(
                kernel: a.integers("kernel"), stride: a.integers("stride"), padding: padding(a),
                countingPadding: a.bool("countsPadding"))
        },
        "adaptiveAveragePool2d": { x, a in
            x[0].adaptiveAveragePooled(height: a.integers("size")[0], width: a.integers("size")[1])
        },
        "batchNormInference": { x, a in
            x[0].batchNormalized(mean: x[3], variance: x[4], weight: x[1], bias: x[2], epsilon: a.float("epsilon"))
        },
        "batchNormTraining": { x, a in
            x[0].batchNormalized(weight: x[1], bias: x[2], epsilon: a.float("epsilon")).output
        },
        "layerNorm": { x, a in x[0].layerNormalized(weight: x[1], bias: x[2], epsilon: a.float("epsilon")) },
        "scaledDotProductAttention": { x, a in
            // The stored mask says what may be seen, ours is added to the scores.
            let mask = a.bool("mask") ? (x[3].cast(to: .float32) - 1) * 1e9 : nil
            return attention(query: x[0], key: x[1], value: x[2], mask: mask)
        },
    ]

    private static func padding(_ attributes: GoldenCase.Attributes) -> Padding {
        Padding(before: attributes.integers("padding"), after: attributes.integers("padding"))
    }

    private static let cases = GoldenCase.all.filter {
        !GoldenCase.losses.union(GoldenCase.optimizers).union(GoldenCase.schedules).contains($0.operation)
    }

    @Test func everyStoredOperationIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
        #expect(Self.cases.count > 150)
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation], "\(golden.operation) has no call of ours"))
    }

    /// PyTorch gathers running statistics; ours returns the batch's, from which they follow.
    @Test(arguments: cases.filter { $0.operation == "batchNormTraining" })
    func batchStatisticsEqualPyTorch(golden: GoldenCase) throws {
        let momentum = golden.attributes.float("momentum")
        let input = golden.inputs[0]
        let (_, mean, variance, _) = input.batchNormalized(
            weight: golden.inputs[1], bias: golden.inputs[2], epsilon: golden.attributes.float("epsilon"))
        let count = Float(input.elementCount / input.shape[3])
        func moved(_ name: String, _ statistic: Tensor) throws -> Tensor {
            try #require(golden.extras["running\(name)Before"]) * (1 - momentum) + statistic * momentum
        }
        expectClose(try moved("Mean", mean), try #require(golden.extras["runningMeanAfter"]))
        expectClose(
            try moved("Variance", variance * (count / (count - 1))),
            try #require(golden.extras["runningVarianceAfter"]))
    }
}
