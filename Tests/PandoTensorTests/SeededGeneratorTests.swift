import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@Suite struct SeededGeneratorTests {
    /// Values of xoshiro256** seeded through SplitMix64, computed by a separate program.
    struct Reference: Sendable, CustomTestStringConvertible {
        let seed: UInt64
        let first, second, fourth, thousandth: UInt64
        var testDescription: String { "seed \(seed)" }
    }

    private static let references = [
        Reference(
            seed: 0, first: 0x99EC_5F36_CB75_F2B4, second: 0xBF6E_1F78_4956_452A,
            fourth: 0x6AA5_94F1_262D_2D2C, thousandth: 0x7AAC_8C48_3A2E_DD2F),
        Reference(
            seed: 1, first: 0xB3F2_AF6D_0FC7_10C5, second: 0x853B_5596_4736_4CEA,
            fourth: 0x642E_1C7B_C266_A3A7, thousandth: 0xB851_7C33_C344_D153),
        Reference(
            seed: 42, first: 0x1578_0B2E_0C2E_C716, second: 0x6104_D986_6D11_3A7E,
            fourth: 0xECB8_AD47_03B3_60A1, thousandth: 0x8DE5_848C_61AB_8968),
        Reference(
            seed: .max, first: 0x8F55_20D5_2A7E_AD08, second: 0xC476_A018_CAA1_802D,
            fourth: 0xBF65_8D7E_065F_3C2F, thousandth: 0xC3C9_3EA5_CDE4_34CC),
    ]

    @Test(arguments: references)
    func itIsTheReferenceAlgorithm(reference: Reference) {
        var generator = SeededGenerator(seed: reference.seed)
        let values = (0..<1000).map { _ in generator.next() }
        #expect(values[0] == reference.first)
        #expect(values[1] == reference.second)
        #expect(values[3] == reference.fourth)
        #expect(values[999] == reference.thousandth)
    }

    @Test func aCopyGoesOnAlike() {
        var first = SeededGenerator(seed: 5)
        _ = (0..<10).map { _ in first.next() }
        var second = first
        for _ in 0..<10 { #expect(first.next() == second.next()) }
    }

    @Test func streamsOfDifferentNamesDiffer() {
        let generator = SeededGenerator(seed: 5)
        func beginning(_ generator: SeededGenerator) -> [UInt64] {
            var generator = generator
            return (0..<4).map { _ in generator.next() }
        }
        let streams = ["", "a", "b", "ab", "ba", "dropout"].map { beginning(generator.split($0)) }
        #expect(Set(streams).count == streams.count)
        #expect(!streams.contains(beginning(generator)))
        #expect(beginning(generator.split("a")) == streams[1])
        #expect(beginning(SeededGenerator(seed: 6).split("a")) != streams[1])
    }

    @Test func streamsAreNotCorrelated() {
        var (first, second) = (SeededGenerator(seed: 9).split("first"), SeededGenerator(seed: 9).split("second"))
        let count = 20_000
        var sum: Float = 0
        for _ in 0..<count { sum += (first.uniform() - 0.5) * (second.uniform() - 0.5) }
        // The deviation of the mean product of independent uniform numbers is 1 / (12 √count).
        #expect(abs(sum / Float(count)) < 4 / (12 * Float(count).squareRoot()))
    }

    @Test func theStateSurvivesEncoding() throws {
        var generator = SeededGenerator(seed: 3)
        _ = generator.next()
        var restored = try JSONDecoder().decode(SeededGenerator.self, from: JSONEncoder().encode(generator))
        #expect(restored == generator)
        #expect(restored.next() == generator.next())
    }

    @Test func uniformTensorsFillTheirRange() {
        var generator = SeededGenerator(seed: 1)
        let values = Tensor.uniform(-2..<6, [10_000], using: &generator).scalars()
        #expect(values.allSatisfy { (-2..<6).contains($0) })
        #expect(abs(values.reduce(0, +) / 10_000 - 2) < 0.1)
        #expect(values.min()! < -1.99 && values.max()! > 5.99)
    }

    @Test func normalTensorsHaveMeanAndDeviation() {
        var generator = SeededGenerator(seed: 1)
        let values = Tensor.normal(mean: 3, deviation: 2, [20_000], using: &generator)
        #expect(abs(values.mean().scalar() - 3) < 0.06)
        #expect(abs(values.variance(along: [0]).scalar() - 4) < 0.2)
        #expect(values.isFiniteEverywhere)
    }
}

extension Tensor {
    fileprivate var isFiniteEverywhere: Bool { scalars().allSatisfy(\.isFinite) }
}
