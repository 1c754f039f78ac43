import Glibc
import PandoTensor
import PandoTestSupport
import Testing

@Suite struct GaussianInformationTests {
    private func bits(_ value: Float, scale: Float) -> Float {
        Tensor([value]).gaussianInformation(scale: Tensor([scale])).scalar()
    }

    @Test func `chances by hand`() {
        // Φ(½) - Φ(-½) = 0.382924923, Φ(1½) - Φ(½) = 0.241730337, and at half the scale Φ(1) - Φ(-1) = 0.682689492.
        #expect(abs(bits(0, scale: 1) + log2(0.382_924_923)) < 1e-5)
        #expect(abs(bits(1, scale: 1) + log2(0.241_730_337)) < 1e-5)
        #expect(abs(bits(-1, scale: 1) + log2(0.241_730_337)) < 1e-5)
        #expect(abs(bits(0, scale: 0.5) + log2(0.682_689_492)) < 1e-5)
    }

    @Test(arguments: [0.11, 0.5, 1, 7.3, 60] as [Float]) func `chances of all whole numbers are 1`(scale: Float) {
        let reach = Int(10 * scale) + 2
        let sum = (-reach...reach).reduce(0.0) { $0 + exp2(-Double(bits(Float($1), scale: scale))) }
        #expect(abs(sum - 1) < 1e-5)
    }

    @Test func `far out it grows as the square of the distance`() {
        // At t = 24.99 and 25.01 two ways of computing meet.
        for place in [24.99, 25.01, 80, 400] as [Float] {
            let expected = 0.5 * place * place / Float(M_LN2) + log2(place * 2.506_628_3)
            #expect(abs(bits(place * 0.11 + 0.5, scale: 0.11) / expected - 1) < 1e-3, "\(place)")
        }
        #expect(bits(3000, scale: 60).isFinite && bits(3000, scale: 60) > 1800)
        #expect(bits(30_000, scale: 0.11).isFinite)
        #expect(bits(0, scale: 0.01) == 0)
    }

    @Test func `slopes towards values and scales`() {
        let values = Tensor([0, 0.3, -0.8, 1, 2.6, -7, 4, -40, 90, 3.3] as [Float], shape: [2, 5])
        let scales = Tensor([0.2, 0.6, 0.4, 1, 2, 1.5, 0.3, 1.4, 2, 30] as [Float], shape: [2, 5])
        expectGradients(of: [values, scales], step: 2e-3) { $0[0].gaussianInformation(scale: $0[1]) }
    }
}
