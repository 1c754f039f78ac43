import PandoTensor
import PandoTestSupport
import Testing

/// Misuse stops the program, in release builds too, and says what was asked, what was expected and what was found.
@Suite struct MisuseTests {
    @Test func aTensorOfTooFewElements() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor([1, 2] as [Float], shape: [3])
        }
        expectSaid(result, "Tensor: shape [3] has 3 places, got 2 elements")
    }

    @Test func aShapeNoMemoryHolds() async {
        let negative = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, -1])
        }
        expectSaid(negative, "shape [2, -1] has a negative size")
        let places = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1 << 40, 1 << 40])
        }
        expectSaid(places, "has more places than an Int counts")
        let bytes = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1 << 62])
        }
        expectSaid(bytes, "shape [4611686018427387904] of float32 has more bytes than an Int counts")
    }

    @Test func readingAnotherType() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor([1] as [Int64]).scalars()
        }
        expectSaid(result, "the tensor holds int64, it was read as float32")
    }

    @Test func viewsThatDoNotExist() async {
        let reshape = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).reshaped(4, -1)
        }
        expectSaid(reshape, "reshape: 6 elements of shape [2, 3] do not divide into [4, -1]")
        let slice = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).slice(1..<4, along: 1)
        }
        expectSaid(slice, "slice: 1..<4 is outside 0..<3 along axis 1 of shape [2, 3]")
        let axis = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).sum(along: [2])
        }
        expectSaid(axis, "axis 2 does not exist in shape [2, 3]")
    }

    @Test func shapesThatDoNotFit() async {
        let sum = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]) + Tensor.zeros([2])
        }
        expectSaid(sum, "shapes [2, 3] and [2] do not broadcast")
        let product = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = matmul(.zeros([2, 3]), .zeros([2, 3]))
        }
        expectSaid(product, "matmul: shapes [2, 3] and [2, 3] do not fit")
        let convolution = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1, 4, 4, 3]).convolved(with: .zeros([8, 2, 3, 3]))
        }
        expectSaid(convolution, "convolution: input [1, 4, 4, 3] with 1 groups does not fit weight [8, 2, 3, 3]")
        let bias = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1, 4, 4, 3]).convolved(with: .zeros([8, 3, 3, 3]), bias: .zeros([1]))
        }
        expectSaid(bias, "convolution: bias has shape [1], expected [8]")
        let window = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1, 4, 4, 3]).maxPooled(kernel: 5, stride: 1)
        }
        expectSaid(window, "a window of [5, 5] with dilation [1, 1] does not fit a map of shape [1, 4, 4, 3]")
    }

    @Test func typesThatDoNotFit() async {
        let product = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = matmul(.zeros([2, 2]), .zeros([2, 2], .bfloat16))
        }
        expectSaid(product, "matmul: element types are float32 and bfloat16")
        let sum = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor([1] as [Int64]) + Tensor([2] as [Int64])
        }
        expectSaid(sum, "int64 and int64 hold whole numbers; cast one to float32")
        let reduction = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor([200, 100] as [UInt8]).sum()
        }
        expectSaid(reduction, "sum: the tensor holds uint8, expected a floating-point type")
        let condition = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2]).selected(where: .ones([2]), otherwise: .ones([2]))
        }
        expectSaid(condition, "select: the condition is float32, expected bool")
    }

    @Test func rowsThatDoNotExist() async {
        let row = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).gathered(at: Tensor([0, 2] as [Int64]))
        }
        expectSaid(row, "gather: row 2 is outside 0..<2")
        let kind = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).gathered(at: .zeros([1]))
        }
        expectSaid(kind, "gather: the indices are float32, expected int64 or int32")
    }

    @Test func gradientsOfWhatIsNoNumber() async {
        let vector = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let x = Tensor.zeros([2]).differentiable
            _ = (x * 2).gradients(for: [x])
        }
        expectSaid(vector, "the value to differentiate has shape [2], not one element")
        let whole = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor([1] as [Int64]).differentiable
        }
        expectSaid(whole, "only floating-point tensors can be differentiated, not int64")
    }

    @Test func programsThatWouldKeepWhatTheyRead() async {
        let reading = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Program(inputShape: [2]) { [$0 * $0.sum().scalar()] }
        }
        expectSaid(reading, "program: the function reads elements of a value that depends on its input")
        let shape = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Program(inputShape: [2]) { [$0 * 2] }(.zeros([3]))
        }
        expectSaid(shape, "program: compiled for float32 [2], got float32 [3]")
    }

    @Test func shapesIndicesAndNotationsThatDoNotFit() async {
        let reflect = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).padded(before: [0, 3], after: [0, 0], .reflect)
        }
        expectSaid(reflect, "pad: 3 and 0 places by reflect for 3 elements along axis 1")
        let index = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).elements(at: Tensor([3] as [Int64], shape: [1, 1]), along: 1)
        }
        expectSaid(index, "index 3 is outside 0..<3")
        let sizes = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("ij,jk->ik", .zeros([2, 3]), .zeros([4, 5]))
        }
        expectSaid(sizes, "einsum: j of \"ij,jk->ik\" has sizes 3 and 4")
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("ij->ik", .zeros([2, 3]))
        }
        expectSaid(result, "names an axis twice, or one that no operand has")
        let parts = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([5]).split([2, 2])
        }
        expectSaid(parts, "split: sizes [2, 2] do not make up axis 0 of shape [5]")
    }

    private func expectSaid(
        _ result: ExitTest.Result?, _ message: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains(message), "\(said.prefix(400))", sourceLocation: sourceLocation)
    }
}
