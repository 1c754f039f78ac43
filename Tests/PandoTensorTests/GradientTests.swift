import PandoTensor
import PandoTestSupport
import Testing

/// Every operation's gradient against central differences, on ordinary and awkward shapes.
@Suite struct GradientTests {
    @Test(arguments: [[2, 3], [1, 1], [5], [0, 4], [2, 1, 3]])
    func elementwiseArithmetic(shape: [Int]) {
        let (a, b) = (irregular(shape), irregular(shape, phase: 1))
        expectGradients(of: [a, b], "add") { $0[0] + $0[1] }
        expectGradients(of: [a, b], "subtract") { $0[0] - $0[1] }
        expectGradients(of: [a, b], "multiply") { $0[0] * $0[1] }
        expectGradients(of: [a, b + 3], "divide") { $0[0] / $0[1] }
        expectGradients(of: [a], "scale") { 2 - $0[0] * 3 }
    }

    @Test func arithmeticBroadcasts() {
        let pairs = [
            ([2, 3], [3]), ([2, 3], [2, 1]), ([3, 1, 2], [4, 1]), ([], [2, 2]), ([2, 1, 3], [1, 4, 1]),
        ]
        for (left, right) in pairs {
            let (a, b) = (irregular(left), irregular(right, phase: 1))
            expectGradients(of: [a, b], "\(left) + \(right)") { $0[0] + $0[1] }
            expectGradients(of: [a, b], "\(left) - \(right)") { $0[0] - $0[1] }
            expectGradients(of: [a, b], "\(left) * \(right)") { $0[0] * $0[1] }
            expectGradients(of: [a, b + 3], "\(left) / \(right)") { $0[0] / $0[1] }
            expectGradients(of: [a, b], step: 1e-3, "\(left) max \(right)") { .maximum($0[0], $0[1]) }
            expectGradients(of: [a, b], step: 1e-3, "\(left) min \(right)") { .minimum($0[0], $0[1]) }
        }
    }

    @Test(arguments: [
        Activation.relu, .clamp(-0.5, 0.5), .gelu, .silu, .sigmoid, .tanh, .exp, .softplus, .square, .absolute,
        .linear(scale: 2, shift: 1),
    ])
    func activations(function: Activation) {
        expectGradients(of: [irregular([3, 5])], step: 2e-3, "\(function)") { $0[0].applying(function) }
    }

    @Test(arguments: [Activation.log, .squareRoot, .power(-1), .power(1.5)])
    func activationsOfPositiveNumbers(function: Activation) {
        expectGradients(of: [irregular([3, 5]) + 2], "\(function)") { $0[0].applying(function) }
    }

    @Test func views() {
        let x = irregular([2, 3, 4])
        expectGradients(of: [x], "reshape") { $0[0].reshaped(4, -1) }
        expectGradients(of: [x], "permute") { $0[0].permuted(2, 0, 1) }
        expectGradients(of: [x], "reshape of a permutation") { $0[0].permuted(2, 0, 1).reshaped(6, 4) }
        expectGradients(of: [x], "slice") { $0[0].slice(1..<3, along: 1) }
        expectGradients(of: [x], "empty slice") { $0[0].slice(1..<1, along: 1) }
        expectGradients(of: [irregular([3, 1])], "broadcast") { $0[0].broadcast(to: [2, 3, 4]) }
        expectGradients(of: [x, irregular([2, 1, 4], phase: 1)], "concatenate") {
            .concatenated([$0[0], $0[1], $0[0]], along: 1)
        }
        expectGradients(of: [x], "gather") { $0[0].gathered(at: Tensor([1, 1, 0] as [Int64])) }
        expectGradients(of: [irregular([3, 4])], "pick") { $0[0].picked(at: [0, 3, 1]) }
    }

    @Test func reductions() {
        let x = irregular([2, 3, 4])
        for axes in [[0], [1], [2], [0, 2], [0, 1, 2], [-1]] {
            expectGradients(of: [x], "sum \(axes)") { $0[0].sum(along: axes) }
            expectGradients(of: [x], "mean \(axes)") { $0[0].mean(along: axes, keepingAxes: true) }
            expectGradients(of: [x], "variance \(axes)") { $0[0].variance(along: axes) }
        }
        for axis in 0..<3 {
            expectGradients(of: [x], step: 1e-3, "max \(axis)") { $0[0].max(along: axis) }
            expectGradients(of: [x], step: 1e-3, "min \(axis)") { $0[0].min(along: axis) }
            expectGradients(of: [x], "log-sum-exp \(axis)") { $0[0].logSumExp(along: axis) }
            expectGradients(of: [x], "softmax \(axis)") { $0[0].softmax(along: axis) }
            expectGradients(of: [x], "log-softmax \(axis)") { $0[0].logSoftmax(along: axis) }
        }
        expectGradients(of: [x], step: 1e-3, "l2 normalised") { $0[0].l2Normalized() }
    }

    @Test func matrixProducts() {
        let shapes = [
            ([2, 3], [3, 4]), ([1, 1], [1, 1]), ([2, 2, 3], [2, 3, 1]), ([2, 3], [2, 3, 2]),
            ([3, 1, 2, 2], [2, 2, 2]),
        ]
        for (left, right) in shapes {
            expectGradients(of: [irregular(left), irregular(right, phase: 1)], "\(left) · \(right)") {
                matmul($0[0], $0[1])
            }
        }
        expectGradients(of: [irregular([3, 2]), irregular([3, 4], phase: 1)], "transposed product") {
            matmul($0[0].transposed, $0[1])
        }
        expectGradients(of: [irregular([2, 2, 3]), irregular([4, 3], phase: 1), irregular([4], phase: 2)], "linear") {
            linear($0[0], weight: $0[1], bias: $0[2])
        }
    }

    @Test func convolutions() {
        func check(
            _ input: [Int], _ weight: [Int], stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1
        ) {
            expectGradients(
                of: [irregular(input), irregular(weight, phase: 1), irregular([weight[0]], phase: 2)],
                "convolution \(input) \(weight) /\(stride) +\(padding) :\(dilation) g\(groups)"
            ) {
                $0[0].convolved(
                    with: $0[1], bias: $0[2], stride: stride, padding: Padding(padding), dilation: dilation,
                    groups: groups)
            }
        }
        check([1, 4, 5, 2], [3, 2, 3, 3], padding: 1)
        check([2, 5, 4, 4], [4, 1, 3, 3], stride: 2, padding: 1, groups: 4)
        check([1, 7, 6, 4], [6, 2, 3, 2], dilation: 2, groups: 2)
        check([2, 1, 1, 3], [2, 3, 1, 1])
    }

    @Test func pooling() {
        let x = irregular([2, 5, 6, 3])
        expectGradients(of: [x], step: 1e-3, "max pool") { $0[0].maxPooled(kernel: 3, stride: 2, padding: Padding(1)) }
        expectGradients(of: [x], "average pool") { $0[0].averagePooled(kernel: 2, stride: 2) }
        expectGradients(of: [x], "average pool without padding") {
            $0[0].averagePooled(kernel: 3, stride: 1, padding: Padding(1), countingPadding: false)
        }
    }

    @Test func normalization() {
        let parameters = [irregular([4], phase: 1) + 2, irregular([4], phase: 2)]
        expectGradients(of: [irregular([3, 4])] + parameters, "layer norm") {
            $0[0].layerNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-5)
        }
        expectGradients(of: [irregular([2, 3, 2, 4])] + parameters, step: 5e-3, "batch norm in training") {
            $0[0].batchNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-5).output
        }
        expectGradients(of: [irregular([2, 3, 2, 4])] + parameters, "batch norm") {
            $0[0].batchNormalized(
                mean: irregular([4], phase: 3), variance: irregular([4], phase: 4) + 2, weight: $0[1], bias: $0[2],
                epsilon: 1e-5)
        }
    }

    @Test func attentionWithMask() {
        let mask = Tensor([0, 0, -1e9, 0, 0, 0] as [Float], shape: [2, 1, 1, 3])
        expectGradients(
            of: [irregular([2, 2, 2, 3]), irregular([2, 2, 3, 3], phase: 1), irregular([2, 2, 3, 2], phase: 2)]
        ) { attention(query: $0[0], key: $0[1], value: $0[2], mask: mask) }
    }

    @Test func selection() {
        let condition = irregular([2, 3]) .> Tensor.zeros([2, 3])
        expectGradients(of: [irregular([2, 3]), irregular([3], phase: 1)]) {
            $0[0].selected(where: condition, otherwise: $0[1])
        }
    }

    @Test func gradientsOfAReusedValueAddUp() {
        let x = Tensor([3] as [Float]).differentiable
        let gradient = (x * x + x).sum().gradients(for: [x])[0]
        #expect(gradient.scalars() == [7])
    }

    @Test func aValueThatDoesNotDependOnALeafHasAZeroGradient() {
        let (x, y) = (Tensor([3] as [Float]).differentiable, Tensor([4, 5] as [Float]).differentiable)
        let gradients = (x * 2).sum().gradients(for: [x, y])
        #expect(gradients[0].scalars() == [2])
        #expect(gradients[1].scalars() == [0, 0])
    }
}
