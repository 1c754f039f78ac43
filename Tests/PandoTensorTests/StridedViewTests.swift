import PandoTensor
import PandoTestSupport
import Testing

/// Operations on views — permuted, sliced, broadcast — against the same operations on plain copies.
@Suite struct StridedViewTests {
    /// Makes views of asked shapes over storage in random order, with gaps and repeated axes.
    private struct ViewMaker {
        var generator: SeededGenerator

        mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

        mutating func view(_ shape: [Int]) -> Tensor {
            let order = Array(shape.indices).shuffled(using: &generator)
            var stored = order.map { shape[$0] }
            let repeated = below(4) == 0 ? below(shape.count) : nil
            if let repeated { stored[repeated] = 1 }
            let gaps = stored.indices.map { _ in below(3) == 0 ? below(4) : 0 }
            var view = irregular(zip(stored, gaps).map { $0 == 1 ? 1 : $0 + $1 }, phase: Float(below(1000)))
            for axis in stored.indices where stored[axis] != 1 {
                view = view.slice(gaps[axis]..<gaps[axis] + stored[axis], along: axis)
            }
            view = view.broadcast(to: order.map { shape[$0] })
            var inverse = order
            for (position, axis) in order.enumerated() { inverse[axis] = position }
            return view.permuted(inverse)
        }
    }

    private static func copy(_ tensor: Tensor) -> Tensor { Tensor(tensor.scalars(), shape: tensor.shape) }

    @Test func matrixProductsOfViews() {
        var maker = ViewMaker(generator: SeededGenerator(seed: 3))
        for _ in 0..<500 {
            let sizes = (0..<3).map { _ in 1 + maker.below(4) }
            let batch = (0..<maker.below(3)).map { _ in 1 + maker.below(3) }
            let shared = maker.below(3) == 0 ? [] : batch.map { maker.below(3) == 0 ? 1 : $0 }
            let left = maker.view(shared + [sizes[0], sizes[1]])
            let right = maker.view(batch + [sizes[1], sizes[2]])
            // Every product for itself, summed.
            let products = Self.copy(left).expanded(at: -1) * Self.copy(right).expanded(at: -3)
            expectClose(
                matmul(left, right), products.sum(along: [-2]), relative: 1e-4,
                "\(left.shape) by \(left.strides) · \(right.shape) by \(right.strides)")
            let weight = maker.view([sizes[2], sizes[1]])
            expectClose(
                linear(left, weight: weight), matmul(Self.copy(left), Self.copy(Self.copy(weight).transposed)),
                relative: 1e-4, "linear of \(left.shape) by \(left.strides), weight by \(weight.strides)")
        }
    }

    @Test func everyOtherKindOfOperationOnViews() {
        let functions: [(name: String, function: (Tensor) -> Tensor)] = [
            ("sum", { $0.sum(along: [0]) }), ("maximum", { $0.max(along: -1) }), ("softmax", { $0.softmax(along: 0) }),
            ("log-softmax", { $0.logSoftmax(along: 1) }), ("relu", { $0.relu() }), ("log", { ($0 + 2).log() }),
            ("addition", { $0 + $0.slice(0..<1, along: 1) }), ("comparison", { ($0 .> $0.mean()).cast(to: .float32) }),
            ("concatenation", { .concatenated([$0, $0], along: 1) }), ("cast", { $0.cast(to: .bfloat16) }),
            ("rows", { $0.gathered(at: Tensor([0, 0] as [Int64])) }), ("reshape", { $0.reshaped(-1) }),
            (
                "layer norm",
                { $0.layerNormalized(weight: .ones([$0.shape[3]]), bias: .zeros([$0.shape[3]]), epsilon: 1e-3) }
            ),
            ("convolution", { $0.convolved(with: irregular([2, $0.shape[3], 1, 1], phase: 9)) }),
            ("pooling", { $0.maxPooled(kernel: 1, stride: 1) }),
        ]
        var maker = ViewMaker(generator: SeededGenerator(seed: 4))
        for _ in 0..<100 {
            let shape = (0..<4).map { _ in 1 + maker.below(4) }
            let view = maker.view(shape)
            for (name, function) in functions {
                expectClose(function(view), function(Self.copy(view)), "\(name) of \(shape) by \(view.strides)")
            }
        }
    }

    @Test func weightsMayBeViews() {
        var maker = ViewMaker(generator: SeededGenerator(seed: 5))
        for _ in 0..<50 {
            let groups = 1 + maker.below(3)
            let weight = maker.view([2 * groups, 1 + maker.below(3), 1 + maker.below(2), 1 + maker.below(3)])
            let input = maker.view([2, 4, 5, weight.shape[1] * groups])
            let leaf = weight.differentiable
            let output = input.convolved(with: leaf, groups: groups)
            let plain = Self.copy(weight).differentiable
            let expected = Self.copy(input).convolved(with: plain, groups: groups)
            expectClose(output, expected)
            expectClose(
                output.squared().sum().gradients(for: [leaf])[0], expected.squared().sum().gradients(for: [plain])[0])
        }
    }
}
