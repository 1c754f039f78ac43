// Leaving out elements, or whole samples, at random.

extension Tensor {
    /// Each element zero with `probability`, else scaled by `1 / (1 - probability)`: the expected value stays.
    ///
    /// Nothing is kept for the gradient: which elements are zero follows from one number drawn from `generator`, the
    /// same on every machine.
    /// - Precondition: `0 <= probability < 1`.
    /// - Source: Srivastava et al. 2014, scaled while training ("inverted").
    public func droppedOut(_ probability: Float, using generator: inout some RandomNumberGenerator) -> Tensor {
        require((0..<1).contains(probability), "dropout: probability \(probability) is outside 0..<1")
        requireFloatingPoint("dropout")
        if probability == 0 { return self }
        return .applying(Drop(probability: probability, seed: generator.next()), to: self)
    }

    /// Each sample (first axis) zero with `probability`, else scaled by `1 / (1 - probability)`.
    ///
    /// Applied to the branch of a residual sum, it skips the branch for some samples.
    /// - Precondition: `0 <= probability < 1`.
    /// - Source: Huang et al. 2016, "Deep Networks with Stochastic Depth" (arXiv:1603.09382); scaled while training, a
    ///   draw for each sample, as torchvision's `row` mode.
    public func stochasticDepth(_ probability: Float, using generator: inout some RandomNumberGenerator) -> Tensor {
        require((0..<1).contains(probability), "stochastic depth: probability \(probability) is outside 0..<1")
        require(rank >= 1, "stochastic depth: a scalar has no samples")
        requireFloatingPoint("stochastic depth")
        if probability == 0 { return self }
        let kept = 1 / (1 - probability)
        let factors = (0..<shape[0]).map { _ in generator.uniform() < probability ? 0 : kept }
        let mask = Tensor(factors, shape: [shape[0]] + [Int](repeating: 1, count: rank - 1))
        return self * mask.cast(to: elementType)
    }
}

struct Drop: Operation {
    let probability: Float
    let seed: UInt64

    func forward(_ inputs: [Tensor]) -> Tensor {
        // Of each word the upper 31 bits count, so that a difference has a sign.
        let bound = Int32(probability * 0x1p31)
        let factor = 1 / (1 - probability)
        var words = RandomLanes(seed: seed)
        /// Bits of all ones where an element stays, of zeros where it goes.
        func kept() -> SIMD16<Int32> {
            let upper = SIMD16<Int32>(truncatingIfNeeded: words.next() &>> 1)
            return (SIMD16(repeating: bound) &- 1 &- upper) &>> 31
        }
        return inputs[0].cast(to: .float32).withScalars { source in
            Tensor(unsafeUninitialized: inputs[0].shape, of: Float.self) { target in
                let (from, to) = (UnsafeRawBufferPointer(source), UnsafeMutableRawBufferPointer(target))
                let step = MemoryLayout<SIMD16<Float>>.size
                var offset = 0
                while offset + step <= from.count {
                    let values = from.loadUnaligned(fromByteOffset: offset, as: SIMD16<Float>.self) * factor
                    let bits = unsafeBitCast(values, to: SIMD16<Int32>.self) & kept()
                    to.storeBytes(of: bits, toByteOffset: offset, as: SIMD16<Int32>.self)
                    offset += step
                }
                let rest = kept()
                for index in offset / 4..<source.count {
                    target[index] = rest[index - offset / 4] == 0 ? 0 : source[index] * factor
                }
            }
        }.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [forward([gradient])] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

/// Sixteen random number generators side by side, all seeded from one number.
///
/// - Source: xoshiro128++, Blackman and Vigna 2021, "Scrambled Linear Pseudorandom Number Generators"
///   (arXiv:1805.01407).
struct RandomLanes {
    private var s0, s1, s2, s3: SIMD16<UInt32>

    init(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func word() -> SIMD16<UInt32> {
            var lanes = SIMD16<UInt32>()
            for lane in 0..<16 { lanes[lane] = UInt32(truncatingIfNeeded: generator.next() >> 32) }
            return lanes
        }
        (s0, s1, s2, s3) = (word(), word(), word(), word())
    }

    @inline(__always)
    mutating func next() -> SIMD16<UInt32> {
        let sum = s0 &+ s3
        let result = (sum &<< 7 | sum &>> 25) &+ s0
        let shifted = s1 &<< 9
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = s3 &<< 11 | s3 &>> 21
        return result
    }
}
