import PandoTensor
import PandoTestSupport
import Testing

/// Making, viewing and reading tensors, by hand.
@Suite struct TensorTests {
    private let counted = Tensor((0..<24).map(Float.init), shape: [2, 3, 4])

    @Test func elementsStandRowByRow() {
        let matrix = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
        #expect(matrix.rank == 2)
        #expect(matrix.elementCount == 6)
        #expect(matrix.byteCount == 24)
        #expect(matrix.strides == [3, 1])
        #expect(matrix.scalars() == [1, 2, 3, 4, 5, 6])
        #expect(matrix.slice(1..<2).scalars() == [4, 5, 6])
    }

    @Test func everyElementTypeReadsBack() {
        #expect(Tensor([1.5, -2] as [Float]).scalars() == [1.5, -2])
        #expect(Tensor([1.5, -2] as [Float16]).scalars(as: Float16.self) == [1.5, -2])
        #expect(Tensor([BFloat16(1.5)]).scalars(as: BFloat16.self) == [BFloat16(1.5)])
        #expect(Tensor([.min, .max] as [Int64]).scalars(as: Int64.self) == [.min, .max])
        #expect(Tensor([.min, .max] as [Int32]).scalars(as: Int32.self) == [.min, .max])
        #expect(Tensor([.min, .max] as [Int8]).scalars(as: Int8.self) == [.min, .max])
        #expect(Tensor([0, 255] as [UInt8]).scalars(as: UInt8.self) == [0, 255])
        #expect(Tensor([true, false]).scalars(as: Bool.self) == [true, false])
    }

    @Test func aScalarHasNoAxesAndOneElement() {
        let scalar = Tensor(7 as Int64)
        #expect(scalar.shape == [])
        #expect(scalar.elementCount == 1)
        #expect(scalar.scalar(as: Int64.self) == 7)
        #expect(scalar.reshaped([1, 1, 1]).shape == [1, 1, 1])
    }

    @Test func filledTensorsHoldTheirValue() {
        #expect(Tensor.zeros([2, 2]).scalars() == [0, 0, 0, 0])
        #expect(Tensor.zeros([2], .int64).scalars(as: Int64.self) == [0, 0])
        #expect(Tensor.ones([3]).scalars() == [1, 1, 1])
        #expect(Tensor.filled([2], with: -1.5).scalars() == [-1.5, -1.5])
    }

    @Test func viewsShareTheStorage() {
        func address(_ tensor: Tensor) -> UInt { tensor.withBytes { UInt(bitPattern: $0.baseAddress) } }
        let start = address(counted)
        #expect(address(counted.reshaped(4, 6)) == start)
        #expect(address(counted.slice(1..<2)) == start + 12 * 4)
        #expect(address(counted.expanded(at: 0)) == start)
        #expect(address(counted.permuted(0, 1, 2)) == start)
        #expect(address(counted.transposed) != start, "reading a transposed tensor copies it")
    }

    @Test func viewsReadTheRightElements() {
        #expect(counted.transposed.shape == [2, 4, 3])
        #expect(counted.transposed.slice(0..<1).scalars() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
        #expect(counted.permuted(2, 0, 1).shape == [4, 2, 3])
        #expect(counted.permuted(2, 0, 1).slice(1..<2).scalars() == [1, 5, 9, 13, 17, 21])
        #expect(counted.slice(1..<3, along: 1).slice(0..<1, along: -1).scalars() == [4, 8, 16, 20])
        let row = Tensor([1, 2] as [Float], shape: [2, 1])
        #expect(row.broadcast(to: [2, 2, 3]).scalars() == [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2])
    }

    @Test func aReshapedPermutationIsCopiedInItsOwnOrder() {
        let permuted = counted.permuted(1, 0, 2)
        #expect(!permuted.isContiguous)
        #expect(permuted.reshaped(3, -1).slice(1..<2).scalars() == [4, 5, 6, 7, 16, 17, 18, 19])
        #expect(permuted.contiguous().isContiguous)
        #expect(permuted.contiguous().scalars() == permuted.scalars())
    }

    @Test func axesOfOneElementMayStepAnyhow() {
        let column = counted.slice(0..<1, along: 2).slice(0..<1, along: 0)  // [1, 3, 1], steps 12, 4, 1
        #expect(!column.isContiguous)
        #expect(column.scalars() == [0, 4, 8])
        let single = counted.slice(1..<2, along: 1).slice(0..<1, along: 0)  // [1, 1, 4]
        #expect(single.isContiguous)
        #expect(single.scalars() == [4, 5, 6, 7])
    }

    @Test func emptyTensorsGoThroughEverything() {
        let empty = Tensor.zeros([0, 3])
        #expect(empty.scalars() == [])
        #expect(empty.isContiguous)
        #expect((empty + 1).shape == [0, 3])
        #expect((empty * Tensor([1, 2, 3] as [Float])).shape == [0, 3])
        #expect(empty.reshaped(3, 0).shape == [3, 0])
        #expect(empty.transposed.shape == [3, 0])
        #expect(empty.sum(along: [0]).scalars() == [0, 0, 0])
        #expect(empty.sum().scalar() == 0)
        #expect(empty.softmax().shape == [0, 3])
        #expect(empty.relu().shape == [0, 3])
        #expect(empty.cast(to: .bfloat16).shape == [0, 3])
        #expect(matmul(empty, .ones([3, 2])).shape == [0, 2])
        #expect(matmul(Tensor.ones([2, 0]), .ones([0, 2])).scalars() == [0, 0, 0, 0])
        #expect(linear(empty, weight: .ones([4, 3]), bias: .ones([4])).shape == [0, 4])
        #expect(empty.layerNormalized(weight: .ones([3]), bias: .ones([3]), epsilon: 1e-5).shape == [0, 3])
        #expect(Tensor.concatenated([empty, .ones([1, 3]), empty]).scalars() == [1, 1, 1])
        #expect(empty.gathered(at: Tensor([] as [Int64])).shape == [0, 3])
        #expect(Tensor.ones([2, 3]).slice(1..<1).shape == [0, 3])
    }

    @Test func aLinearMapOfNoFeaturesIsItsBias() {
        let bias = Tensor([1, 2] as [Float])
        #expect(linear(.zeros([3, 0]), weight: .zeros([2, 0]), bias: bias).scalars() == [1, 2, 1, 2, 1, 2])
        #expect(linear(.zeros([3, 0]), weight: .zeros([2, 0])).scalars() == [0, 0, 0, 0, 0, 0])
    }

    @Test func concatenationJoinsAlongAnyAxis() {
        let (a, b) = (Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]), Tensor([5, 6] as [Float], shape: [2, 1]))
        #expect(Tensor.concatenated([a, b], along: 1).scalars() == [1, 2, 5, 3, 4, 6])
        #expect(Tensor.concatenated([a, b.broadcast(to: [2, 2])], along: 0).scalars() == [1, 2, 3, 4, 5, 5, 6, 6])
        #expect(Tensor.concatenated([a.transposed, a], along: -1).scalars() == [1, 3, 1, 2, 2, 4, 3, 4])
        #expect(Tensor.stacked([a, a.transposed]).scalars() == [1, 2, 3, 4, 1, 3, 2, 4])
        let words = [Tensor([1, 2] as [Int64]), Tensor([3] as [Int64])]
        #expect(Tensor.concatenated(words).scalars(as: Int64.self) == [1, 2, 3])
    }

    @Test func gatheringTakesRowsOfAnyTypeInAnyOrder() {
        let rows = Tensor([1, 2, 3, 4, 5, 6] as [UInt8], shape: [3, 2])
        #expect(rows.gathered(at: Tensor([2, 0, 2] as [Int32])).scalars(as: UInt8.self) == [5, 6, 1, 2, 5, 6])
        #expect(counted.gathered(at: Tensor([1] as [Int64], shape: [1, 1])).shape == [1, 1, 3, 4])
        #expect(counted.reshaped(6, 4).picked(at: [0, 1, 2, 3, 0, 1]).scalars() == [0, 5, 10, 15, 16, 21])
    }

    @Test func comparisonsOfWholeNumbersAreExact() {
        let (big, bigger) = (Tensor([1 << 53] as [Int64]), Tensor([1 << 53 + 1] as [Int64]))
        #expect((bigger .> big).scalars(as: Bool.self) == [true])
        #expect((bigger .== big).scalars(as: Bool.self) == [false])
        #expect((Tensor([1.5] as [Float]) .> Tensor([1] as [Int64])).scalars(as: Bool.self) == [true])
        #expect((Tensor([.nan] as [Float]) .== Tensor([.nan] as [Float])).scalars(as: Bool.self) == [false])
    }

    @Test func argmaxTakesTheFirstOfEquals() {
        let values = Tensor([1, 3, 3, -1, -1, -2] as [Float], shape: [2, 3])
        #expect(values.argmax().scalars(as: Int64.self) == [1, 0])
    }

    @Test func extremesLetNoNumberThrough() {
        let (number, nothing) = (Tensor([1, 2] as [Float]), Tensor([.nan, 3] as [Float]))
        #expect(Tensor.maximum(number, nothing).scalars()[0].isNaN)
        #expect(Tensor.minimum(nothing, number).scalars()[0].isNaN)
        #expect(Tensor.maximum(number, nothing).scalars()[1] == 3)
    }

    @Test func selectionKeepsInfinitiesOnTheirSide() {
        let left = Tensor([1, .infinity] as [Float])
        let right = Tensor([.nan, 2] as [Float])
        #expect(left.selected(where: Tensor([true, false]), otherwise: right).scalars() == [1, 2])
    }

    @Test func aDescriptionTellsTypeShapeAndTheFirstElements() {
        #expect("\(Tensor([1.5, 2] as [Float]))" == "Tensor(float32, [2]) [1.5, 2.0]")
        #expect("\(Tensor((0..<9).map(Int64.init)))" == "Tensor(int64, [9]) [0, 1, 2, 3, 4, 5, 6, 7, …]")
        #expect("\(Tensor([BFloat16(0.5)]))" == "Tensor(bfloat16, [1]) [0.5]")
        #expect("\(Tensor([true]))" == "Tensor(bool, [1]) [true]")
        #expect("\(Tensor.zeros([0, 2]))" == "Tensor(float32, [0, 2]) []")
        #expect("\(Tensor(3 as Float))" == "Tensor(float32, []) [3.0]")
    }

    @Test func sharedBytesAreReadInPlace() {
        /// Bytes that nobody writes once a tensor shares them.
        final class Owner: @unchecked Sendable {
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 4)
            deinit { bytes.deallocate() }
        }
        let owner = Owner()
        owner.bytes.storeBytes(of: 1.5, toByteOffset: 0, as: Float.self)
        owner.bytes.storeBytes(of: -2, toByteOffset: 4, as: Float.self)
        let tensor = Tensor(
            sharing: UnsafeRawBufferPointer(owner.bytes), ownedBy: owner, shape: [2], elementType: .float32)
        #expect(tensor.scalars() == [1.5, -2])
        #expect(tensor.withBytes { $0.baseAddress } == UnsafeRawPointer(owner.bytes.baseAddress))
    }
}
