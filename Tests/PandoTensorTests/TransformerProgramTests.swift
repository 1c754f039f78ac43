@testable import PandoTensor
import PandoTestSupport
import Testing

/// Frozen programs of transformers against the same functions computed operation by operation.
@Suite struct TransformerProgramTests {
    /// A post-norm encoder layer: separate projections, grouped heads, a mask, an exact GELU.
    static func encoderLayer(_ x: Tensor, mask: Tensor?, isCausal: Bool = false) -> Tensor {
        let (count, length, features) = (x.shape[0], x.shape[1], x.shape[2])
        func projected(_ x: Tensor, to width: Int, phase: Float) -> Tensor {
            linear(
                x, weight: irregular([width, x.shape[2]], phase: phase) * 0.4,
                bias: irregular([width], phase: phase + 1))
        }
        func heads(_ x: Tensor, _ heads: Int) -> Tensor {
            x.reshaped(count, length, heads, -1).permuted(0, 2, 1, 3)
        }
        let mixed = attention(
            query: heads(projected(x, to: features, phase: 1), 4),
            key: heads(projected(x, to: features / 2, phase: 3), 2),
            value: heads(projected(x, to: features / 2, phase: 5), 2), mask: mask, isCausal: isCausal)
        let attended = projected(mixed.permuted(0, 2, 1, 3).reshaped(x.shape), to: features, phase: 7) + x
        let norm = attended.layerNormalized(
            weight: irregular([features], phase: 9) + 1, bias: irregular([features], phase: 10), epsilon: 1e-5)
        return projected(projected(norm, to: 3 * features, phase: 11).gelu(), to: features, phase: 13) + norm
    }

    /// A class token before the rest, positions added, two layers, the class token's state.
    static func network(_ x: Tensor) -> [Tensor] {
        let (count, features) = (x.shape[0], x.shape[2])
        let first = irregular([1, 1, features], phase: 20).broadcast(to: [count, 1, features])
        let joined = Tensor.concatenated([first, x], along: 1)
        let start = joined + irregular([1, joined.shape[1], features], phase: 21)
        let middle = encoderLayer(start, mask: nil)
        let end = encoderLayer(middle, mask: nil, isCausal: true)
        return [end.slice(0..<1, along: 1).reshaped(count, features), middle, end.softmax()]
    }

    @Test(arguments: [[1, 5, 16], [3, 20, 24], [2, 1, 8]], [1, 2, 3, 5])
    func aTransformerEqualsTheFunctionItWasMadeFrom(shape: [Int], threads: Int) {
        let program = Program(inputShape: shape, threads: threads, Self.network)
        for phase in [Float(1), 2] {
            let input = irregular(shape, phase: phase)
            for (found, expected) in zip(program(input), Self.network(input)) { expectClose(found, expected) }
        }
    }

    /// No step reads or writes more than it must: projections are one product, views move nothing.
    @Test func attentionReadsWhatTheProjectionWrote() {
        let program = Program(inputShape: [2, 6, 16]) { [Self.encoderLayer($0, mask: nil)] }
        let kinds = program.steps.map { step in
            switch step {
            case .bands: "primitive"
            case .attention: "attention"
            case .copies: "copies"
            case .plain: "plain"
            }
        }
        #expect(kinds == ["primitive", "attention"] + [String](repeating: "primitive", count: 4))
    }

    @Test(arguments: [ElementType.float32, .bfloat16], [1, 3])
    func inputsMayBeSeveral(precision: ElementType, threads: Int) {
        let table = irregular([11, 16], phase: 30)
        func function(_ x: [Tensor]) -> [Tensor] {
            let hidden = (1 - x[1]) * -1e9
            let embedded = table.gathered(at: x[0])
            return [Self.encoderLayer(embedded, mask: hidden.reshaped(x[0].shape[0], 1, 1, -1)), embedded * 2]
        }
        let ids = Tensor([3, 7, 10, 0, 0, 1, 2, 3, 4, 9] as [Int64], shape: [2, 5])
        let present = Tensor([1, 1, 1, 0, 0, 1, 1, 1, 1, 1] as [Float], shape: [2, 5])
        let program = Program(
            inputs: [.init(shape: [2, 5], type: .int64), .init(shape: [2, 5])], precision: precision, threads: threads,
            function)
        for (found, expected) in zip(program([ids, present]), function([ids, present])) {
            #expect(worstDifference(found, expected).relative < (precision == .float32 ? 1e-5 : 0.05))
        }
    }

    /// A mask that is an input is read as it is; as an attention's own result it is brought to `float32` first.
    @Test(arguments: [ElementType.float32, .bfloat16])
    func masksMayBeInputsOrComputed(precision: ElementType) {
        func function(_ x: [Tensor]) -> [Tensor] {
            [Self.encoderLayer(x[0], mask: x[1]), Self.encoderLayer(x[0], mask: (x[1] * 0.5).permuted(0, 1, 3, 2))]
        }
        let inputs = [irregular([2, 7, 16], phase: 1), irregular([2, 1, 7, 7], phase: 2)]
        let program = Program(inputs: inputs.map { .init(shape: $0.shape) }, precision: precision, function)
        for (found, expected) in zip(program(inputs), function(inputs)) {
            #expect(worstDifference(found, expected).relative < (precision == .float32 ? 1e-5 : 0.05))
        }
    }

    @Test func reducedPrecisionStaysClose() {
        let input = irregular([2, 20, 24])
        let program = Program(inputShape: input.shape, precision: .bfloat16, Self.network)
        for (found, expected) in zip(program(input), Self.network(input)).prefix(2) {
            #expect(worstDifference(found, expected).relative < 0.08)
        }
    }

    @Test func viewsOfAllKindsAreFollowed() {
        func function(_ x: Tensor) -> [Tensor] {
            let wide = x * 2
            let parts = wide.reshaped(2, 3, 4, 5)
            let turned = parts.permuted(2, 0, 3, 1)
            return [
                turned, turned.reshaped(4, 30), turned.slice(1..<3).slice(2..<4, along: 2),
                wide.slice(0..<1).broadcast(to: [2, 3, 20]) + wide,
                .concatenated([wide.slice(1..<2), wide, irregular([1, 3, 20])], along: 0),
                turned.slice(1..<4, along: 2, step: 2), parts.permuted(0, 1, 3, 2).reshaped(2, 3, 20) + wide,
            ]
        }
        for precision in [ElementType.float32, .bfloat16] {
            let input = irregular([2, 3, 20])
            for (found, expected) in zip(Program(inputShape: input.shape, precision: precision, function)(input), function(input)) {
                expectClose(found, expected, relative: precision == .float32 ? 1e-6 : 0.01)
            }
        }
    }

    /// `nil` where the elements would have to move.
    @Test(arguments: [
        ([2, 3, 4], [12, 4, 1], [6, 4], [4, 1] as [Int]?), ([2, 3, 4], [12, 4, 1], [2, 12], [12, 1]),
        ([2, 3, 4], [24, 4, 1], [2, 12], [24, 1]), ([2, 3, 4], [24, 4, 1], [6, 4], nil),
        ([4, 6], [18, 1], [2, 2, 3, 2], [36, 18, 2, 1]), ([4, 6], [1, 4], [24], nil),
        ([1, 5, 1], [7, 3, 9], [5], [3]), ([5], [3], [1, 5, 1], [1, 3, 1]), ([2, 2], [0, 0], [4], [0]),
    ])
    func reshapingKnowsWhatMovesNothing(shape: [Int], strides: [Int], target: [Int], expected: [Int]?) {
        let found = StridedView.strides(of: shape, strides, reshapedTo: target)
        guard let expected, let found else {
            #expect(found == expected)
            return
        }
        for axis in target.indices where target[axis] > 1 { #expect(found[axis] == expected[axis]) }
    }
}
