import PandoTensor
import PandoTestSupport
import Testing

/// `bfloat16` and `float16`: the same operations with fewer digits, on every processor.
@Suite struct ReducedPrecisionTests {
    /// `function` of inputs rounded to `type`, computed in it and in `float32`: values and gradients differ by no more
    /// than `tolerance` of their root mean square.
    ///
    /// One rounding of `bfloat16` is up to 1/256 of an element, and the largest element is some three times the RMS.
    private func expectSameFewerDigits(
        _ type: ElementType, _ inputs: [Tensor], within tolerance: Float, _ name: String,
        _ function: ([Tensor]) -> Tensor
    ) {
        let reduced = inputs.map { $0.cast(to: type).differentiable }
        let full = inputs.map { $0.cast(to: type).cast(to: .float32).differentiable }
        let (found, expected) = (function(reduced), function(full))
        #expect(found.elementType == type, "\(name) gives \(found.elementType)")
        #expect(worstDifference(found, expected).relative < tolerance, "\(type) \(name)")
        let seed = irregular(expected.shape, phase: 50).cast(to: type).cast(to: .float32)
        let gradients = zip(found.gradients(for: reduced, seed: seed), expected.gradients(for: full, seed: seed))
        for (position, (gradient, right)) in gradients.enumerated() {
            #expect(gradient.elementType == type)
            #expect(
                worstDifference(gradient, right).relative < tolerance, "\(type) \(name), gradient of input \(position)")
        }
    }

    @Test(arguments: [(ElementType.bfloat16, Float(0.02)), (.float16, 0.003)])
    func productsAndConvolutions(type: ElementType, tolerance: Float) {
        expectSameFewerDigits(
            type, [irregular([17, 33]), irregular([33, 9], phase: 1)], within: tolerance, "product"
        ) {
            matmul($0[0], $0[1])
        }
        expectSameFewerDigits(
            type, [irregular([2, 5, 12]), irregular([7, 12], phase: 1), irregular([7], phase: 2)], within: tolerance,
            "linear map"
        ) { linear($0[0], weight: $0[1], bias: $0[2]) }
        expectSameFewerDigits(
            type, [irregular([2, 7, 8, 4]), irregular([6, 4, 3, 3], phase: 1), irregular([6], phase: 2)],
            within: tolerance, "convolution"
        ) { $0[0].convolved(with: $0[1], bias: $0[2], stride: 2, padding: Padding(1)) }
        expectSameFewerDigits(
            type, [irregular([2, 7, 8, 16]), irregular([16, 1, 3, 3], phase: 1)], within: tolerance, "depthwise"
        ) { $0[0].convolved(with: $0[1], padding: Padding(1), groups: 16) }
    }

    @Test(arguments: [(ElementType.bfloat16, Float(0.03)), (.float16, 0.004)])
    func everyOtherOperation(type: ElementType, tolerance: Float) {
        let map = irregular([2, 6, 6, 4])
        let functions: [(name: String, function: (Tensor) -> Tensor)] = [
            ("relu", { $0.relu() }), ("gelu", { $0.gelu() }), ("silu", { $0.silu() }), ("sigmoid", { $0.sigmoid() }),
            ("tanh", { $0.tanh() }), ("exp", { $0.exp() }), ("softplus", { $0.softplus() }), ("scale", { 1 - $0 * 3 }),
            ("square", { $0.squared() }), ("absolute", { $0.absolute() }), ("relu6", { $0.applying(.relu6) }),
            ("addition", { $0 + $0.slice(0..<1) }), ("product", { $0 * $0.slice(1..<2, along: 1) }),
            ("sum", { $0.sum(along: [1, 2]) }), ("mean", { $0.mean(along: [1, 2]) }), ("softmax", { $0.softmax() }),
            ("log-softmax", { $0.logSoftmax(along: 1) }), ("average", { $0.averagePooled(kernel: 2, stride: 2) }),
            ("adaptive average", { $0.adaptiveAveragePooled(height: 4, width: 3) }),
            ("permutation", { $0.permuted(3, 0, 1, 2).reshaped(4, -1) }),
            ("concatenation", { .concatenated([$0, $0], along: 3) }),
            ("rows", { $0.gathered(at: Tensor([1, 1, 0] as [Int64])) }),
            ("elu", { $0.elu() }), ("mish", { $0.mish() }), ("hard swish", { $0.hardSwish() }), ("erf", { $0.erf() }),
            ("gelu with tanh", { $0.gelu(approximatedByTanh: true) }), ("log1p", { ($0 * 0.5).log1p() }),
            ("expm1", { $0.expm1() }), ("norm", { $0.norm(along: [1, 3]) }),
            ("running sum", { $0.cumulativeSum(along: 3) }),
            ("sort", { $0.sorted(along: 3).values }),
            ("reflection", { $0.padded(before: [0, 1, 1, 0], after: [0, 0, 2, 0], .reflect) }),
            ("flip", { $0.flipped(along: [1]) }), ("every other", { $0.slice(0..<6, along: 1, step: 2) }),
            ("picked", { $0.elements(at: $0.argmax(along: 1, keepingAxes: true), along: 1) }),
            ("einsum", { einsum("nhwc,nvwc->nhvc", $0, $0) }), ("triangle", { $0.lowerTriangle() }),
            ("selection", { $0.selected(where: irregular([4]) .> Tensor.zeros([4]), otherwise: $0 * 2) }),
        ]
        for (name, function) in functions {
            expectSameFewerDigits(type, [map], within: tolerance, name) { function($0[0]) }
        }
    }

    @Test(arguments: [ElementType.bfloat16, .float16])
    func extremesPickTheSameElements(type: ElementType) {
        let map = Tensor((0..<72).map { Float($0 * 29 % 72) }, shape: [1, 6, 6, 2])
        expectSameFewerDigits(type, [map], within: 1e-6, "maximum") { $0[0].max(along: 1) }
        expectSameFewerDigits(type, [map], within: 1e-6, "pooled maximum") { $0[0].maxPooled(kernel: 2, stride: 2) }
    }

    @Test(arguments: [(ElementType.bfloat16, Float(0.04)), (.float16, 0.005)])
    func norms(type: ElementType, tolerance: Float) {
        let parameters = [irregular([8], phase: 1) + 2, irregular([8], phase: 2)]
        expectSameFewerDigits(type, [irregular([6, 8])] + parameters, within: tolerance, "layer norm") {
            $0[0].layerNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-3)
        }
        expectSameFewerDigits(type, [irregular([2, 3, 4, 8])] + parameters, within: tolerance, "batch norm") {
            $0[0].batchNormalized(
                mean: irregular([8], phase: 3), variance: irregular([8], phase: 4) + 2, weight: $0[1], bias: $0[2],
                epsilon: 1e-3)
        }
        expectSameFewerDigits(
            type, [irregular([2, 3, 4, 8])] + parameters, within: tolerance, "batch norm in training"
        ) {
            $0[0].batchNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-3).output
        }
    }

    /// Stored answers of PyTorch, with inputs rounded to `bfloat16`, within a few of its roundings.
    @Test(arguments: GoldenCase.all.filter { ["matmul", "linear", "conv2d"].contains($0.operation) })
    func bfloat16StaysCloseToPyTorch(golden: GoldenCase) {
        let x = golden.inputs.map { $0.cast(to: .bfloat16) }
        let output: Tensor
        switch golden.operation {
        case "matmul": output = matmul(x[0], x[1])
        case "linear": output = linear(x[0], weight: x[1], bias: x.count > 2 ? x[2] : nil)
        default:
            let a = golden.attributes
            output = x[0].convolved(
                with: x[1], bias: x.count > 2 ? x[2] : nil, stride: a.integers("stride"),
                padding: Padding(before: a.integers("padding"), after: a.integers("padding")),
                dilation: a.integers("dilation"), groups: a.integer("groups"))
        }
        #expect(output.elementType == .bfloat16)
        #expect(worstDifference(output, golden.output).relative < 0.03)
    }
}
