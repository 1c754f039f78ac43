import Testing

@testable import PandoReproductions

@Suite struct SHERLReproductionTests {
    @Test func `a state that stands there three times counts about once, and without redundancy about twice as much`() {
        let divided = SHERLReproduction.weightOfThree(dividesByRedundancy: true)
        let plain = SHERLReproduction.weightOfThree(dividesByRedundancy: false)
        #expect(abs(divided - 1) < 0.2)
        #expect(plain > 1.5)
    }
}
