@testable import PandoTensor
import PandoTestSupport
import Testing

@Suite struct ProgramCacheTests {
    private static let weight = irregular([8, 4], phase: 1)

    @Sendable private static func function(_ x: [Tensor]) -> [Tensor] {
        let wide = linear(x[0], weight: weight).gelu()
        return [wide * x[1], wide.sum(along: [1], keepingAxes: true)]
    }

    private static func inputs(_ count: Int) -> [Tensor] { [irregular([count, 4], phase: 2), irregular([count, 1], phase: 3)] }

    @Test(arguments: [0, 1, 2, 5, 9], [1, 2, 3])
    func aBatchOfAnySizeRunsInSlices(count: Int, workers: Int) {
        let cache = ProgramCache(Self.function)
        let inputs = Self.inputs(count)
        for (found, expected) in zip(cache(inputs, sliceSize: 2, workers: workers), Self.function(inputs)) {
            expectClose(found, expected)
        }
        #expect(cache.programCount <= 2)
    }

    @Test func theProgramUsedLongestAgoGoesFirst() {
        let shapes = [3, 4, 5].map { [Program.Input(shape: [$0, 4]), Program.Input(shape: [$0, 1])] }
        let alone = ProgramCache(Self.function).program(for: shapes[2])
        let cache = ProgramCache(byteLimit: alone.valueBytes * 2, Self.function)
        let first = cache.program(for: shapes[0])
        let second = cache.program(for: shapes[1])
        #expect(cache.program(for: shapes[0]) === first)
        _ = cache.program(for: shapes[2])
        #expect(cache.program(for: shapes[0]) === first)
        #expect(cache.programCount == 2)
        #expect(cache.program(for: shapes[1]) !== second)
    }

    @Test func theNewestProgramStaysWhateverItTakes() {
        let cache = ProgramCache(byteLimit: 1, Self.function)
        for count in [3, 4] {
            let inputs = Self.inputs(count)
            expectClose(cache(inputs)[0], Self.function(inputs)[0])
            #expect(cache.programCount == 1)
        }
    }
}
