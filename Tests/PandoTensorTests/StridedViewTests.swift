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

    @Test func elementsReductionsAndShapesOfViews() {
        let other = irregular([4], phase: 8)
        let functions: [(name: String, function: (Tensor) -> Tensor)] = [
            ("leaky relu", { $0.leakyReLU() }), ("relu6", { $0.relu6() }), ("elu", { $0.elu() }), ("erf", { $0.erf() }),
            ("log1p", { $0.log1p() }), ("expm1", { $0.expm1() }), ("cube root", { $0.cubeRoot() }),
            ("floor", { ($0 * 3).floor() }), ("power", { ($0 + 2).power($0) }), ("remainder", { $0.remainder($0 + 2) }),
            ("prelu", { $0.parametricReLU(slopes: $0.slice(0..<1)) }),
            ("less", { ($0 .< $0.mean()).cast(to: .float32) }),
            ("logic", { (($0 .> 0) .& .!($0 .> 0.5)).cast(to: .float32) }),
            ("fill", { $0.filled(with: 1, where: $0 .> 0) }),
            ("masked", { $0.selected(where: $0 .> 0) }), ("product", { $0.product(along: [0, 2]) }),
            ("norm", { $0.norm(along: [1, 3]) }), ("deviation", { $0.standardDeviation(along: [0, 1, 2, 3]) }),
            ("any", { ($0 .> 0.3).any(along: [1]).cast(to: .float32) }),
            ("argmax", { $0.argmax(along: 1).cast(to: .float32) }), ("running sum", { $0.cumulativeSum(along: 2) }),
            ("running maximum", { $0.cumulativeMax(along: 0).values }), ("sort", { $0.sorted(along: 1).values }),
            ("median", { $0.median(along: 3) }), ("flip", { $0.flipped(along: [0, 2]) }),
            ("roll", { $0.rolled(by: 1, along: 3) }),
            ("repeat", { $0.repeated([1, 2, 1, 2]) }),
            ("every other", { $0.slice(0..<$0.shape[2], along: 2, step: 2) }),
            ("constant padding", { $0.padded(before: [1, 0, 2, 0], after: [0, 1, 0, 0]) }),
            ("edge padding", { $0.padded(before: [1, 0, 2, 0], after: [0, 1, 0, 0], .replicate) }),
            ("index select", { $0.gathered(at: Tensor([0, 0] as [Int64]), along: 2) }),
            ("picked", { $0.elements(at: $0.argmax(along: 1, keepingAxes: true), along: 1) }),
            (
                "scattered",
                { $0.scatterAdded($0, at: Tensor([Int64(0)], shape: [1, 1, 1, 1]).broadcast(to: $0.shape), along: 3) }
            ),
            ("triangle", { $0.upperTriangle() }), ("diagonal", { $0.diagonal() }),
            ("diagonal matrix", { $0.diagonalMatrix() }),
            ("product with a vector", { matmul($0, other.slice(0..<$0.shape[3])) }), ("inner", { inner($0, $0) }),
            ("einsum", { einsum("abcd,abed->bec", $0, $0) }),
        ]
        var maker = ViewMaker(generator: SeededGenerator(seed: 6))
        for _ in 0..<60 {
            let shape = (0..<4).map { _ in 1 + maker.below(4) }
            let view = maker.view(shape)
            for (name, function) in functions {
                let leaves = [view.differentiable, Self.copy(view).differentiable]
                let (found, expected) = (function(leaves[0]), function(leaves[1]))
                expectClose(found, expected, "\(name) of \(shape) by \(view.strides)")
                guard found.isDifferentiated else { continue }
                let seed = irregular(expected.shape, phase: 9)
                expectClose(
                    found.gradients(for: [leaves[0]], seed: seed)[0],
                    expected.gradients(for: [leaves[1]], seed: seed)[0],
                    "gradient of \(name) of \(shape) by \(view.strides)")
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
