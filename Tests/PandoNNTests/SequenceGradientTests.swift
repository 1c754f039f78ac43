import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Bags and alignments against central differences, on awkward shapes and in reduced precision.
@Suite struct SequenceGradientTests {
    private static let indices = Tensor([4, 1, 1, 0, 3, 2] as [Int64])
    private static let offsets = Tensor([0, 2, 2, 5] as [Int64])

    @Test(arguments: [BagReduction.sum, .mean, .max], [1, 8, 11])
    func bagsMatchCentralDifferences(reduction: BagReduction, width: Int) {
        expectGradients(of: [irregular([5, width])], step: 1e-3, "\(reduction)") { x in
            x[0].embeddingBag(at: Self.indices, offsets: Self.offsets, reducing: reduction)
        }
    }

    @Test func weightsOfBagsMatchCentralDifferences() {
        expectGradients(of: [irregular([5, 3]), irregular([2, 3], phase: 1)]) { x in
            x[0].embeddingBag(at: Self.indices.reshaped(2, 3), reducing: .sum, weights: x[1])
        }
        expectGradients(of: [irregular([2, 3], phase: 1)]) { x in
            irregular([5, 3]).embeddingBag(at: Self.indices.reshaped(2, 3), reducing: .sum, weights: x[0])
        }
    }

    @Test func bagsTakeViewsOtherTypesAndNothing() {
        let table = irregular([3, 5])
        let expected = table.transposed.contiguous().embeddingBag(at: Self.indices.reshaped(3, 2))
        #expect(table.transposed.embeddingBag(at: Self.indices.reshaped(3, 2)).scalars() == expected.scalars())
        let reduced = table.transposed.cast(to: .bfloat16)
            .embeddingBag(at: Self.indices.cast(to: .int32).reshaped(3, 2))
        #expect(reduced.elementType == .bfloat16)
        expectClose(reduced, expected, relative: 0.01)
        let leaf = irregular([5, 3]).differentiable
        let empty = leaf.embeddingBag(at: Tensor([] as [Int64], shape: [2, 0]))
        #expect(empty.scalars() == [Float](repeating: 0, count: 6))
        #expect(empty.sum().gradients(for: [leaf])[0].scalars() == [Float](repeating: 0, count: 15))
    }

    @Test func aRowOutsideTheTableIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([4, 2]).embeddingBag(at: Self.indices, offsets: Self.offsets)
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("embedding bag: row 4 is outside 0..<4"))
    }

    /// PyTorch's own gradient differs from the derivative by what the log-softmax before it takes away.
    @Test func alignmentsMatchCentralDifferences() {
        expectGradients(of: [irregular([2, 5, 4]) - 2], "CTC") { x in
            ctcLoss(x[0], [[1, 1], [3, 2, 1]], lengths: [5, 4])
        }
        expectGradients(of: [irregular([1, 1, 1]) - 2], "CTC of nothing") { ctcLoss($0[0], [[]]) }
    }

    @Test func aTargetThatIsTooLongCostsInfinityOrNothing() {
        let x = irregular([1, 2, 3]).logSoftmax().differentiable
        #expect(ctcLoss(x, [[1, 1]]).scalar() == .infinity)
        let ignored = ctcLoss(x, [[1, 1]], ignoringInfinity: true)
        #expect(ignored.scalar() == 0)
        #expect(ignored.gradients(for: [x])[0].scalars() == [Float](repeating: 0, count: 6))
        #expect(ctcLoss(x, [[1]], lengths: [0]).scalar() == .infinity)
    }

    @Test func alignmentsOfUnlikelyLabelsStayFinite() {
        let logits = Tensor([0, 800, 0, 800, 0, 800] as [Float], shape: [1, 3, 2])
        #expect(ctcLoss(logits.logSoftmax(), [[]]).scalar() == 2400)
    }

    @Test func masksFollowLengths() {
        #expect(sequenceMask([2, 0, 3], count: 3).scalars(as: Bool.self) == [
            true, true, false, false, false, false, true, true, true,
        ])
    }
}
