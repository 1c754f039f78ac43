import PandoTensor
import PandoTestSupport
import Testing

/// Conversions between element types, at their edges.
@Suite struct CastingTests {
    @Test(arguments: [
        (0x3F80_0000, 0x3F80),  // 1
        (0x3F80_7FFF, 0x3F80),  // below the middle: down
        (0x3F80_8000, 0x3F80),  // the middle, after an even number: down
        (0x3F81_8000, 0x3F82),  // the middle, after an odd number: up
        (0x3F80_8001, 0x3F81),  // above the middle: up
        (0x3FFF_FFFF, 0x4000),  // up into the next power of two
        (0x7F7F_FFFF, 0x7F80),  // the largest number: up to infinity
        (0x7F80_0000, 0x7F80),  // infinity
        (0xFF80_0000, 0xFF80),
        (0x8000_0000, 0x8000),  // minus zero
        (0x0000_8000, 0x0000),  // half of the smallest number: down
        (0x0000_8001, 0x0001),
    ])
    func bfloat16RoundsToTheNearestEven(float: UInt32, expected: UInt16) {
        let value = Float(bitPattern: float)
        #expect(BFloat16(value).bitPattern == expected)
        #expect(Tensor([value]).cast(to: .bfloat16).scalars(as: BFloat16.self)[0].bitPattern == expected)
    }

    /// Long tensors are rounded many elements at a time, the rest one by one.
    @Test func manyElementsRoundAsEachDoesAlone() {
        let values = stride(from: UInt32(0), to: UInt32.max - 1_000_003, by: 1_000_003).map(Float.init(bitPattern:))
        #expect(values.contains(where: \.isNaN) && values.count % 16 != 0)
        let rounded = Tensor(values).cast(to: .bfloat16).scalars(as: BFloat16.self)
        #expect(rounded.map(\.bitPattern) == values.map { BFloat16($0).bitPattern })
    }

    /// The payload alone in the lower half would leave infinity when cut off.
    @Test(arguments: [0x7F80_0001, 0x7FC0_0000, 0xFF80_FFFF, 0x7FFF_FFFF] as [UInt32])
    func noNumberStaysNoNumber(bits: UInt32) {
        let tensor = Tensor([Float(bitPattern: bits)])
        #expect(tensor.cast(to: .bfloat16).cast(to: .float32).scalars()[0].isNaN)
        #expect(tensor.cast(to: .float16).cast(to: .float32).scalars()[0].isNaN)
    }

    @Test func everyBFloat16SurvivesAsFloat() {
        for bits in 0...UInt16.max {
            let value = BFloat16(bitPattern: bits)
            if Float(value).isNaN { continue }
            #expect(BFloat16(Float(value)).bitPattern == bits)
        }
    }

    @Test func wholeNumbersAreTruncatedAndHeldWithinTheirRange() {
        let values = Tensor([1.9, -1.9, 300, -300, 1e10, -1e10, 1e20, -1e20, .infinity, -.infinity, .nan] as [Float])
        #expect(values.cast(to: .uint8).scalars(as: UInt8.self) == [1, 0, 255, 0, 255, 0, 255, 0, 255, 0, 0])
        #expect(
            values.cast(to: .int8).scalars(as: Int8.self)
                == [1, -1, 127, -128, 127, -128, 127, -128, 127, -128, 0])
        // The largest float below 2³¹ and 2⁶³.
        let (most, least): (Int32, Int32) = (2_147_483_520, .min)
        #expect(
            values.cast(to: .int32).scalars(as: Int32.self)
                == [1, -1, 300, -300, most, least, most, least, most, least, 0])
        let (mostWide, leastWide): (Int64, Int64) = (9_223_371_487_098_961_920, .min)
        #expect(
            values.cast(to: .int64).scalars(as: Int64.self)
                == [
                    1, -1, 300, -300, 10_000_000_000, -10_000_000_000, mostWide, leastWide, mostWide, leastWide, 0,
                ])
    }

    @Test func wholeNumbersAreHeldWithinNarrowerOnes() {
        let values = Tensor([.max, .min, 200, -7] as [Int64])
        #expect(values.cast(to: .int32).scalars(as: Int32.self) == [.max, .min, 200, -7])
        #expect(values.cast(to: .int8).scalars(as: Int8.self) == [127, -128, 127, -7])
        #expect(values.cast(to: .uint8).scalars(as: UInt8.self) == [255, 0, 200, 0])
        #expect(values.cast(to: .bool).scalars(as: Bool.self) == [true, true, true, true])
    }

    @Test func truthIsOneAndZero() {
        let truth = Tensor([true, false])
        #expect(truth.cast(to: .float32).scalars() == [1, 0])
        #expect(truth.cast(to: .int64).scalars(as: Int64.self) == [1, 0])
        #expect(
            Tensor([0, -0.0, 0.1, .nan] as [Float]).cast(to: .bool).scalars(as: Bool.self) == [
                false, false, true, true,
            ])
    }

    @Test func halvesOverflowToInfinity() {
        let values = Tensor([65504, 65519, 65520, -1e6] as [Float]).cast(to: .float16).scalars(as: Float16.self)
        #expect(values == [65504, 65504, .infinity, -.infinity])
    }

    @Test func aViewIsCastInItsOwnOrder() {
        let matrix = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]).transposed
        #expect(matrix.cast(to: .int32).scalars(as: Int32.self) == [1, 3, 2, 4])
    }

    @Test func gradientsComeBackInTheTypeOfTheValue() {
        let x = irregular([2, 3]).cast(to: .bfloat16).differentiable
        let gradient = (x.cast(to: .float32) * 3).sum().gradients(for: [x])[0]
        #expect(gradient.elementType == .bfloat16)
        #expect(gradient.cast(to: .float32).scalars() == [3, 3, 3, 3, 3, 3])
    }
}
