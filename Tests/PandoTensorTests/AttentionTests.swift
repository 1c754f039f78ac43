import CKernels
@testable import PandoTensor
import PandoTestSupport
import Testing

/// Attention in tiles against PyTorch, against the formula written out, and against central differences.
@Suite struct AttentionTests {
    private static let calls: [String: GoldenCall] = [
        "attention": { x, a in
            attention(
                query: x[0], key: x[1], value: x[2], mask: x.count > 3 ? x[3] : nil, isCausal: a.bool("causal"),
                scale: a.optionalFloat("scale"))
        },
        "rotary": { x, a in
            let start = a.integer("start")
            let positions = RotaryPositions(
                start..<start + x[0].shape[x[0].rank - 2], features: a.integer("features"),
                base: Double(a.float("base")), pairing: a.string("pairing") == "halves" ? .halves : .interleaved)
            return x[0].rotated(by: positions)
        },
    ]

    @Test(arguments: GoldenCase.cases(in: "attention"))
    func equalsPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation], "no call for \(golden.operation)"))
    }

    /// The formula with all scores at once.
    private static func plainAttention(_ query: Tensor, _ key: Tensor, _ value: Tensor, _ mask: Tensor?) -> Tensor {
        var scores = matmul(query * (1 / Float(query.shape[3]).squareRoot()), key.transposed)
        if let mask { scores = scores + mask }
        return matmul(scores.softmax(), value)
    }

    /// Queries, keys and values where one projection wrote them, side by side: `[N, T, 3, heads, D]`.
    private static func heads(_ samples: Int, _ tokens: Int, _ count: Int, _ features: Int) -> [Tensor] {
        let projected = irregular([samples, tokens, 3, count, features], phase: 3)
        return (0..<3).map {
            (projected.slice($0..<$0 + 1, along: 2) * 2).reshaped(samples, tokens, count, features)
                .permuted(0, 2, 1, 3)
        }
    }

    @Test(arguments: [(2, 5, 3, 8), (1, 197, 2, 64), (1, 130, 2, 33), (1, 50, 1, 16)])
    func viewsOfOneProjectionNeedNoCopies(samples: Int, tokens: Int, count: Int, features: Int) {
        let parts = Self.heads(samples, tokens, count, features)
        let mask = irregular([samples, 1, tokens, tokens]).permuted(0, 1, 3, 2)
        for mask in [nil, mask] {
            expectClose(
                attention(query: parts[0], key: parts[1], value: parts[2], mask: mask),
                Self.plainAttention(parts[0], parts[1], parts[2], mask))
        }
    }

    /// Each kind of instructions that this machine has gives what the portable kernel gives.
    @Test(arguments: [ElementType.float32, .bfloat16], [(7, 5, 3), (61, 53, 16), (50, 131, 33)])
    func instructionsDoNotChangeTheResult(type: ElementType, sizes: (queries: Int, keys: Int, features: Int)) {
        let query = irregular([1, 2, sizes.queries, sizes.features], phase: 1) * 2
        let key = irregular([1, 2, sizes.keys, sizes.features], phase: 2) * 2
        let value = irregular([1, 2, sizes.keys, sizes.features], phase: 3)
        let operands = [query, key, value].map { $0.cast(to: type) } + [irregular([1, 1, 1, sizes.keys])]
        func result(_ instructions: pando_instructions, isCausal: Bool) -> Tensor {
            let output = Tensor(uninitialized: [1, 2, sizes.queries, sizes.features], type)
            let kernel = AttentionKernel(
                Attention(scale: 0.3, isCausal: isCausal), operands.map(\.layout), output: output.layout,
                instructions: instructions)
            let places = AttentionKernel.Places(
                query: operands[0].rawPointer, key: operands[1].rawPointer, value: operands[2].rawPointer,
                mask: operands[3].pointer(as: Float.self), output: output.rawPointer)
            let scratch = Storage(byteCount: kernel.scratchBytes)
            withExtendedLifetime((operands, scratch)) {
                for unit in 0..<kernel.unitCount { kernel.run(unit, places, scratch.pointer) }
            }
            return output
        }
        for isCausal in [false, true] {
            let expected = result(pando_portable, isCausal: isCausal)
            for kind in 1...3 where kind <= Processor.instructions.rawValue {
                let found = result(pando_instructions(UInt32(kind)), isCausal: isCausal)
                // Two roundings to 8 bits, of the weights and of the result.
                let tolerance: Float = type == .float32 ? 1e-5 : 0.03
                #expect(worstDifference(found, expected).relative < tolerance, "instructions \(kind)")
            }
        }
    }

    /// The gradients that each kind of instructions gives, of operands that are rounded to `type`.
    private static func gradients(
        _ type: ElementType, _ sizes: (queries: Int, keys: Int, features: Int), isCausal: Bool,
        by instructions: pando_instructions
    ) -> [Tensor] {
        let parts = [
            irregular([1, 4, sizes.queries, sizes.features], phase: 1) * 2,
            irregular([1, 2, sizes.keys, sizes.features], phase: 2) * 2,
            irregular([1, 2, sizes.keys, sizes.features], phase: 3),
            irregular([1, 4, sizes.queries, sizes.features], phase: 4),
        ].map { $0.cast(to: .bfloat16).cast(to: type) }
        let mask = irregular([1, 1, 1, sizes.keys])
        let gradients = parts[..<3].map { Tensor(uninitialized: $0.shape, type) } + [.zeros(mask.shape)]
        let kernel = AttentionKernel(
            Attention(scale: 0.3, isCausal: isCausal), (parts[..<3] + [mask]).map(\.layout), output: parts[3].layout,
            instructions: instructions)
        let scratch = Storage(byteCount: kernel.scratchBytes)
        withExtendedLifetime((parts, mask, scratch)) {
            let places = AttentionKernel.Places(
                query: parts[0].rawPointer, key: parts[1].rawPointer, value: parts[2].rawPointer,
                mask: mask.pointer(as: Float.self), output: parts[3].rawPointer)
            for unit in 0..<kernel.unitCount {
                kernel.runBackward(unit, places, gradients: gradients, keepingMask: true, scratch.pointer)
            }
        }
        return gradients
    }

    /// Each kind of instructions gives the gradients of the portable kernel in float32, which central differences hold.
    @Test(arguments: [ElementType.float32, .bfloat16], [(7, 5, 3), (61, 53, 16), (50, 131, 33)])
    func gradientsDependOnNeitherInstructionsNorType(
        type: ElementType, sizes: (queries: Int, keys: Int, features: Int)
    ) {
        for isCausal in [false, true] {
            let expected = Self.gradients(.float32, sizes, isCausal: isCausal, by: pando_portable)
            for kind in 0...3 where kind <= Processor.instructions.rawValue {
                let found = Self.gradients(type, sizes, isCausal: isCausal, by: pando_instructions(UInt32(kind)))
                // In bfloat16 each is rounded to 8 bits once, at the end.
                let tolerance: Float = type == .float32 ? 1e-5 : 0.04
                for (name, (found, expected)) in zip(["query", "key", "value", "mask"], zip(found, expected)) {
                    #expect(worstDifference(found, expected).relative < tolerance, "\(name), instructions \(kind)")
                }
            }
        }
    }

    @Test func reducedPrecisionStaysClose() {
        let parts = Self.heads(1, 33, 2, 16)
        let rough = parts.map { $0.cast(to: .bfloat16) }
        let expected = attention(query: parts[0], key: parts[1], value: parts[2])
        let found = attention(query: rough[0], key: rough[1], value: rough[2])
        #expect(found.elementType == .bfloat16)
        #expect(worstDifference(found, expected).relative < 0.03)
        let half = parts.map { $0.cast(to: .float16) }
        expectClose(attention(query: half[0], key: half[1], value: half[2]), expected, relative: 0.005)
    }

    @Test func aQueryThatSeesNothingGivesZerosAndNoGradient() {
        let parts = [1, 2, 3].map { irregular([1, 1, 3, 4], phase: Float($0)) }
        let visible = Tensor([true, true, false, false, false, false, false, true, true], shape: [3, 3])
        let leaves = parts.map(\.differentiable)
        let output = attention(query: leaves[0], key: leaves[1], value: leaves[2], mask: visible)
        #expect(output.scalars()[4..<8].allSatisfy { $0 == 0 })
        let gradients = output.sum().gradients(for: leaves)
        #expect(gradients.allSatisfy { $0.scalars().allSatisfy(\.isFinite) })
        #expect(gradients[0].scalars()[4..<8].allSatisfy { $0 == 0 })
    }

    @Test func aNumberThatIsNoneStaysVisible() {
        let parts = [1, 2, 3].map { irregular([1, 1, 2, 4], phase: Float($0)) }
        let broken = parts[0] * Tensor([1, .nan] as [Float], shape: [2, 1])
        let output = attention(query: broken, key: parts[1], value: parts[2]).scalars()
        #expect(output[..<4].allSatisfy(\.isFinite) && output[4...].allSatisfy(\.isNaN))
    }

    @Test(arguments: [[0, 2, 3, 4], [1, 0, 3, 4], [1, 2, 0, 4]])
    func nothingToAttendGivesNothing(shape: [Int]) {
        let empty = Tensor.zeros(shape).differentiable
        let output = attention(query: empty, key: empty, value: empty)
        #expect(output.shape == shape)
        #expect(output.sum().gradients(for: [empty])[0].shape == shape)
        let blind = attention(query: irregular([1, 1, 2, 3]), key: .zeros([1, 1, 0, 3]), value: .zeros([1, 1, 0, 5]))
        #expect(blind.scalars() == [Float](repeating: 0, count: 10))
    }

    @Test(arguments: [false, true])
    func gradientsMatchCentralDifferences(isCausal: Bool) {
        let inputs = [
            irregular([1, 4, 5, 3], phase: 1), irregular([1, 2, 6, 3], phase: 2), irregular([1, 2, 6, 2], phase: 3),
            irregular([4, 1, 6], phase: 4),
        ]
        expectGradients(of: inputs) {
            attention(query: $0[0], key: $0[1], value: $0[2], mask: $0[3], isCausal: isCausal)
        }
        let positions = RotaryPositions([4, 0, 9], features: 4, pairing: isCausal ? .halves : .interleaved)
        expectGradients(of: [irregular([2, 3, 5], phase: 5)]) { $0[0].rotated(by: positions) }
    }

    /// What rotary positions are for: moving all tokens along changes no product of a query and a key.
    @Test(arguments: [RotaryPositions.Pairing.halves, .interleaved])
    func rotatedProductsDependOnDistancesAlone(pairing: RotaryPositions.Pairing) {
        let (query, key) = (irregular([2, 4, 8], phase: 1), irregular([2, 4, 8], phase: 2))
        func products(from start: Int) -> Tensor {
            let positions = RotaryPositions(start..<start + 4, features: 8, pairing: pairing)
            return matmul(query.rotated(by: positions), key.rotated(by: positions).transposed)
        }
        expectClose(products(from: 40), products(from: 0))
        #expect(worstDifference(products(from: 0), matmul(query, key.transposed)).relative > 0.1)
    }

    /// Scores of 2048 by 2048 tokens would take 16 MiB. In a process of its own, because it counts memory.
    @Test func noScoreMatrixIsKept() async {
        await #expect(processExitsWith: .success) {
            let parts = [1, 2, 3].map { irregular([1, 1, 2048, 16], phase: Float($0)).differentiable }
            let peak = MemoryMeter.measure {
                attention(query: parts[0], key: parts[1], value: parts[2]).sum().gradients(for: parts)
            }.peakBytes
            #expect(peak < 4 << 20, "\(peak) bytes at the peak")
        }
    }
}
