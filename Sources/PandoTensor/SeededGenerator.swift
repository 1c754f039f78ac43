/// A small, fast random number generator whose whole future follows from a seed.
///
/// SplitMix64 seeds xoshiro256**; its state is four words, so that a checkpoint can hold it.
///
/// Source: Blackman and Vigna 2018, "Scrambled Linear Pseudorandom Number Generators" (public domain reference).
public struct SeededGenerator: RandomNumberGenerator, Sendable, Codable, Hashable {
    private var s0, s1, s2, s3: UInt64

    public init(seed: UInt64) {
        var mixer = seed
        func next() -> UInt64 {
            mixer &+= 0x9E37_79B9_7F4A_7C15
            var word = mixer
            word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            return word ^ (word >> 31)
        }
        (s0, s1, s2, s3) = (next(), next(), next(), next())
    }

    /// The state, to go on from later.
    package var words: [UInt64] { [s0, s1, s2, s3] }

    /// Goes on from a state.
    /// - Precondition: four words, not all zero.
    package init(words: [UInt64]) {
        require(words.count == 4 && words.contains { $0 != 0 }, "SeededGenerator: a state of \(words.count) words")
        (s0, s1, s2, s3) = (words[0], words[1], words[2], words[3])
    }

    public mutating func next() -> UInt64 {
        let product = s1 &* 5
        let result = ((product << 7) | (product >> 57)) &* 9
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << 45) | (s3 >> 19)
        return result
    }

    /// A generator for an independent stream, named so that adding one stream does not shift the others.
    public func split(_ name: String) -> SeededGenerator {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return SeededGenerator(seed: hash ^ s0 ^ (s2 &* 0x9E37_79B9_7F4A_7C15))
    }
}

extension RandomNumberGenerator {
    /// A number from the uniform distribution over [0, 1), with 24 random bits.
    @inlinable
    public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }
}
